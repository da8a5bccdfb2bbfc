//! A thousand reloads leave the process as large as it was. In a process of its own, so that nothing else is measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests may fail loudly, and these measure real time"
)]

#[path = "../it/support.rs"]
mod support;

use seawall_wasm::HostOptions;
use support::*;

/// Resident memory in KiB.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .ok()
}

fn reload(house: &House, times: std::ops::Range<usize>, versions: &[Vec<u8>]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for n in times {
        let before = house.host.generation("good");
        std::fs::write(house.file("good"), &versions[n % versions.len()]).unwrap();
        house.host.reload();
        assert_eq!(house.host.generation("good"), before.map(|generation| generation + 1));
        runtime.block_on(mark(&house.adapter("p")));
    }
}

#[test]
fn a_thousand_reloads_do_not_grow_the_process() {
    let cache = tempfile::tempdir().unwrap();
    let versions: Vec<Vec<u8>> = ["a", "b", "c"].map(|mark| adapter("", mark)).into();
    let options = HostOptions {
        bindings: vec![binding("p", "good")],
        cache_dir: Some(cache.path().join("code")),
        limits: limits(),
        ..HostOptions::default()
    };
    let house = House::with(&[("good", &versions[2])], options);
    reload(&house, 0..100, &versions);
    let Some(before) = resident() else { return };
    reload(&house, 100..1000, &versions);
    let after = resident().unwrap();
    println!("resident memory: {before} KiB after 100 reloads, {after} KiB after 1000");
    assert!(after < before + 16 * 1024, "grew from {before} to {after} KiB");
    assert_eq!(
        house.status("good").version.unwrap().instances,
        1,
        "no instance of an old generation is left"
    );
}
