//! What was measured, in words and columns.

use std::time::Duration;

use crate::stage::Stage;
use crate::{Scenario, Seen};

pub(crate) fn start_figures(stage: &Stage) {
    println!(
        "gateway: start {:.0} ms (cold code cache {:.0} ms), idle RSS {:.1} MiB (bars: 300 ms warm, 80 MB)\n",
        millis(stage.start_warm),
        millis(stage.start_cold),
        stage.idle_rss_kib as f64 / 1024.0
    );
}

pub(crate) fn memory(stage: &Stage) {
    println!(
        "\nRSS after load: gateway {} KiB, bare proxy {} KiB",
        stage.gateway.rss_kib(),
        stage.proxy.rss_kib()
    );
}

pub(crate) fn head() {
    println!(
        "CPU per request in us, latency in ms; `added` is over the direct way; ratios are to the bare proxy"
    );
    println!(
        "{:<28} {:>9} {:>9} {:>7} {:>6} | {:>8} {:>8} {:>8} {:>7} {:>6} | {:>8} {:>8}",
        "scenario",
        "proxy cpu",
        "ours cpu",
        "ratio",
        "bar",
        "direct50",
        "proxy+50",
        "ours+50",
        "ratio",
        "bar",
        "proxy+99",
        "ours+99"
    );
}

pub(crate) fn line(scenario: &Scenario, direct: &Seen, proxy: &Seen, gateway: &Seen) {
    let per_request = |seen: &Seen| seen.cpu.as_secs_f64() * 1e6 / f64::from(seen.requests.max(1));
    let (proxy_cpu, gateway_cpu) = (per_request(proxy), per_request(gateway));
    let quantile = |seen: &Seen, share: f64| {
        let mut times: Vec<f64> = seen.sequential.iter().map(|sample| millis(sample.whole)).collect();
        times.sort_by(f64::total_cmp);
        let index = ((times.len() as f64 - 1.0) * share).round() as usize;
        times.get(index).copied().unwrap_or(f64::NAN)
    };
    let added = |seen: &Seen, share: f64| quantile(seen, share) - quantile(direct, share);
    let bar = |bar: Option<f64>| bar.map_or_else(|| "-".to_owned(), |bar| format!("{bar:.1}x"));
    println!(
        "{:<28} {proxy_cpu:>9.1} {gateway_cpu:>9.1} {:>6.2}x {:>6} | {:>8.3} {:>8.3} {:>8.3} {:>6.2}x {:>6} | {:>8.3} {:>8.3}",
        scenario.name,
        gateway_cpu / proxy_cpu,
        bar(scenario.cpu_bar),
        quantile(direct, 0.5),
        added(proxy, 0.5),
        added(gateway, 0.5),
        added(gateway, 0.5) / added(proxy, 0.5),
        bar(scenario.latency_bar),
        added(proxy, 0.99),
        added(gateway, 0.99),
    );
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
