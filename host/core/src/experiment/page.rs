//! A report as one page that needs nothing else: no script, no font, no network. The plot is SVG.

use std::fmt::Write as _;

use super::report::{ExperimentReport, Point, Verdict};
use crate::availability::Estimate;

/// The plot's size in its own units.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 240.0;
/// Left for the axis' words.
const LEFT: f64 = 48.0;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;\
color:#1a2230;background:#fff}h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .75rem .25rem 0;\
border-bottom:1px solid #d9dee7;vertical-align:top}.verdict{font-weight:600}.held{color:#0a6b3d}\
.broken,.aborted{color:#a3231c}code{font-size:.9em}svg{width:100%;height:auto}text{font:11px system-ui,sans-serif;\
fill:#46536a}@media(prefers-color-scheme:dark){body{color:#e4e9f2;background:#12161d}th,td{border-color:#2c3442}\
.held{color:#5fd39a}.broken,.aborted{color:#ff8a80}text{fill:#a9b4c6}}";

/// Colours of outcomes, told apart by everybody, and their words.
const OUTCOMES: [(&str, &str); 3] =
    [("#4477aa", "first choice"), ("#ccbb44", "another target"), ("#ee6677", "failed")];

/// The report as HTML.
pub fn page(report: &ExperimentReport) -> String {
    let mut out = String::with_capacity(32 << 10);
    let name = escaped(&report.name);
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name} #{}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
         <h1>{name} <small>#{}</small></h1>\n<p>{}</p>\n\
         <p class=\"verdict {}\">Hypothesis {}: {}</p>",
        report.id,
        report.id,
        escaped(&report.scenario.about),
        report.verdict.label(),
        words(report.verdict),
        escaped(&report.because),
    );
    hypothesis(&mut out, report);
    plot(&mut out, report);
    figures(&mut out, report);
    availability(&mut out, report);
    faults(&mut out, report);
    timeline(&mut out, report);
    let _ = writeln!(
        out,
        "<p><small>Seed {}, configuration <code>{}</code>, decisions <code>{}</code>, began {} ms after \
         1970-01-01.</small></p>\n</body></html>",
        report.scenario.seed, report.config, report.decisions, report.started_ms
    );
    out
}

fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Running => "still open",
        Verdict::Held => "held",
        Verdict::Broken => "broken",
        Verdict::Aborted => "given up",
        Verdict::Stopped => "not decided",
        Verdict::TooFew => "not decided",
    }
}

fn hypothesis(out: &mut String, report: &ExperimentReport) {
    let hypothesis = &report.scenario.hypothesis;
    let p95 = hypothesis.p95.map(|p95| format!(", 95 of 100 within {} ms", p95.as_millis()));
    let _ = writeln!(
        out,
        "<p>Believed: at least {:.2} % of requests are answered{}.</p>",
        hypothesis.success * 100.0,
        p95.unwrap_or_default()
    );
}

fn figures(out: &mut String, report: &ExperimentReport) {
    let (requests, calls, times) = (&report.requests, &report.calls, &report.times);
    let share =
        |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.2} %", share * 100.0));
    let ms = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let rows = [
        (
            "Requests",
            format!(
                "{} judged, {} left, {} wrong by themselves",
                requests.judged, requests.cancelled, requests.own_fault
            ),
        ),
        (
            "Answered",
            format!(
                "{} ({} by the first choice, {} by another target)",
                share(requests.success),
                requests.primary,
                requests.fallback
            ),
        ),
        (
            "Met a fault",
            format!("{} requests, {} of them answered", requests.touched, share(requests.touched_success)),
        ),
        ("Harmed", format!("{} requests", requests.harmed)),
        (
            "Time to the answer",
            format!("p50 {}, p95 {}", ms(requests.p50_ms.map(u64::from)), ms(requests.p95_ms.map(u64::from))),
        ),
        (
            "Upstream calls",
            format!(
                "{}, {} more than needed ({} doubled late ones, {} hidden copies)",
                calls.attempts, calls.extra, calls.hedges, calls.twins
            ),
        ),
        ("Streams continued elsewhere", calls.splices.to_string()),
        ("Faults injected", format!("{}, the first after {}", calls.injected, ms(times.first_injection_ms))),
        ("Until it was noticed", ms(times.detect_ms)),
        ("Until a breaker opened", ms(times.open_ms)),
        (
            "Until all was closed again",
            match times.still_away {
                0 => ms(times.recover_ms),
                away => format!("{away} targets are still away"),
            },
        ),
    ];
    out.push_str("<h2>Figures</h2>\n<table>\n");
    for (name, figure) in rows {
        let _ = writeln!(out, "<tr><th>{name}</th><td>{figure}</td></tr>");
    }
    out.push_str("</table>\n");
}

fn availability(out: &mut String, report: &ExperimentReport) {
    let figure = |estimate: &Estimate| match (estimate.value, estimate.low, estimate.high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.4} ({low:.4} to {high:.4})"),
        _ => "too few".to_owned(),
    };
    out.push_str(
        "<h2>Predicted and observed availability</h2>\n<table>\n<tr><th>Alias</th><th>R_ind, if targets fail \
         independently</th><th>R_chain, from what happened after failures</th><th>R_obs, what clients saw</th></tr>\n",
    );
    for row in &report.availability {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&row.alias),
            figure(&row.predicted),
            figure(&row.chain),
            figure(&row.observed)
        );
    }
    out.push_str("</table>\n");
}

fn faults(out: &mut String, report: &ExperimentReport) {
    out.push_str(
        "<h2>Faults</h2>\n<table>\n<tr><th>At</th><th>For</th><th>Kind</th><th>Match</th><th>Looked at</th>\
         <th>Injected</th><th>Would have</th><th>Spared</th></tr>\n",
    );
    for fault in &report.faults {
        let matching = serde_json::to_string(&fault.matching).unwrap_or_default();
        let counts = fault.counts;
        let _ = writeln!(
            out,
            "<tr><td>{} ms</td><td>{} ms</td><td>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td></tr>",
            fault.at_ms,
            fault.ttl_ms,
            escaped(&fault.kind),
            escaped(&matching),
            counts.considered,
            counts.injected,
            counts.would_inject,
            counts.spared
        );
    }
    out.push_str("</table>\n");
}

fn timeline(out: &mut String, report: &ExperimentReport) {
    out.push_str("<h2>Timeline</h2>\n<table>\n");
    for moment in &report.timeline {
        let _ = writeln!(
            out,
            "<tr><td>{} ms</td><td>{}</td><td>{}</td></tr>",
            moment.at_ms,
            moment.what,
            escaped(&moment.text)
        );
    }
    out.push_str("</table>\n");
}

/// Outcomes as stacked bars above, times as a line below, when faults were armed as a band behind both.
fn plot(out: &mut String, report: &ExperimentReport) {
    let points = &report.series;
    #[expect(clippy::cast_precision_loss, reason = "a place on the page")]
    let (count, total_ms) = (points.len().max(1) as f64, report.lasted_ms.max(1) as f64);
    let step = (WIDTH - LEFT) / count;
    let most =
        points.iter().map(|point| point.primary + point.fallback + point.failed).max().unwrap_or(0).max(1);
    let slowest = points.iter().filter_map(|point| point.p95_ms).max().unwrap_or(0).max(1);
    let _ = writeln!(
        out,
        "<h2>Outcomes and latency over time</h2>\n<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" \
         aria-label=\"Requests by outcome, and time to the answer\">",
        HEIGHT * 2.0 + 60.0
    );
    #[expect(clippy::cast_precision_loss, reason = "a place on the page")]
    let at = |ms: u64| LEFT + (WIDTH - LEFT) * (ms as f64 / total_ms).min(1.0);
    for fault in &report.faults {
        let (from, to) = (at(fault.at_ms), at(fault.at_ms.saturating_add(fault.ttl_ms)));
        let _ = writeln!(
            out,
            "<rect x=\"{from:.1}\" y=\"0\" width=\"{:.1}\" height=\"{}\" fill=\"#bb5566\" opacity=\".12\"><title>{}</title></rect>",
            (to - from).max(1.0),
            HEIGHT * 2.0 + 20.0,
            escaped(&fault.kind)
        );
    }
    for (place, point) in points.iter().enumerate() {
        bar(out, point, LEFT + step * place as f64, step, most);
    }
    line(out, points, step, slowest);
    axes(out, most, slowest, report.lasted_ms);
    out.push_str("</svg>\n");
}

#[expect(clippy::cast_precision_loss, reason = "a place on the page")]
fn bar(out: &mut String, point: &Point, x: f64, step: f64, most: u64) {
    let mut y = HEIGHT;
    for ((colour, word), count) in OUTCOMES.iter().zip([point.primary, point.fallback, point.failed]) {
        if count == 0 {
            continue;
        }
        let height = HEIGHT * count as f64 / most as f64;
        y -= height;
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{colour}\"><title>{} ms: \
             {count} {word}</title></rect>",
            (step - 0.5).max(0.5),
            point.at_ms
        );
    }
}

fn line(out: &mut String, points: &[Point], step: f64, slowest: u32) {
    let top = HEIGHT + 20.0;
    for (colour, time) in [
        ("#228833", (|point: &Point| point.p50_ms) as fn(&Point) -> Option<u32>),
        ("#aa3377", |point| point.p95_ms),
    ] {
        let mut path = String::new();
        for (place, point) in points.iter().enumerate() {
            let Some(ms) = time(point) else { continue };
            let x = LEFT + step * (place as f64 + 0.5);
            let y = top + HEIGHT * (1.0 - f64::from(ms) / f64::from(slowest));
            let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" });
        }
        let _ = writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>");
    }
}

fn axes(out: &mut String, most: u64, slowest: u32, lasted_ms: u64) {
    let low = HEIGHT * 2.0 + 20.0;
    let _ = writeln!(
        out,
        "<text x=\"0\" y=\"10\">{most}</text><text x=\"0\" y=\"{HEIGHT}\">0</text>\
         <text x=\"0\" y=\"{:.0}\">{slowest} ms</text><text x=\"0\" y=\"{low:.0}\">0 ms</text>\
         <text x=\"{LEFT}\" y=\"{:.0}\">0 s</text><text x=\"{WIDTH}\" y=\"{:.0}\" text-anchor=\"end\">{:.1} s</text>",
        HEIGHT + 30.0,
        low + 14.0,
        low + 14.0,
        std::time::Duration::from_millis(lasted_ms).as_secs_f64()
    );
    let mut x = LEFT;
    let times = [("#228833", "p50"), ("#aa3377", "p95"), ("#bb5566", "fault armed")];
    for (colour, word) in OUTCOMES.into_iter().chain(times) {
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{:.0}\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"{:.0}\">{word}</text>",
            low + 22.0,
            x + 14.0,
            low + 31.0
        );
        x += 140.0;
    }
}

/// Names are an operator's, and a page is still no place for markup of theirs.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}
