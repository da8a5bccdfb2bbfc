//! A hundred replacements under load, in every way that people replace files, with bad files between.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use seawall_core::event::{Event, WireEvent};
use seawall_core::ports::PluginSource;
use seawall_core::request::Protocol;
use seawall_wasm::{HostOptions, PluginHost};

use crate::support::*;

fn in_place(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

fn renamed(path: &Path, bytes: &[u8]) {
    let temporary = path.with_extension("wasm.tmp");
    std::fs::write(&temporary, bytes).unwrap();
    std::fs::rename(&temporary, path).unwrap();
}

fn slowly(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    for part in bytes.chunks(bytes.len() / 3 + 1) {
        file.write_all(part).unwrap();
        std::thread::sleep(Duration::from_millis(60));
    }
}

fn by_an_editor(path: &Path, bytes: &[u8]) {
    std::fs::rename(path, path.with_extension("wasm~")).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn deleted_first(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    std::fs::write(path, bytes).unwrap();
}

/// Requests one after the other; each takes its snapshot, and now and then a stream stays open over several replacements.
async fn load(host: Arc<PluginHost>, stop: &AtomicBool, calls: &AtomicU64) {
    let text =
        |text: &'static str| WireEvent { data: Bytes::from_static(text.as_bytes()), ..WireEvent::default() };
    let mut held: Option<(String, Box<dyn seawall_core::ports::Decoder>, u64)> = None;
    let mut n = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let set = host.current();
        let adapter = &set.adapters["p"];
        let version = mark(adapter).await;
        if held.is_none() {
            let mut decoder = adapter.decoder(Protocol::Chat, &target("m")).await.expect("a decoder");
            let first = decoder.feed(vec![text("a")]).await.unwrap();
            assert_eq!(first[0].what, Event::Start { id: Some(version.clone()), model: None });
            held = Some((version, decoder, n + 500));
        }
        if let Some((_, decoder, until)) = &mut held {
            assert_eq!(decoder.feed(vec![text("b")]).await.unwrap()[0].what, Event::Text("b".into()));
            if n > *until {
                decoder.finish().await.expect("a held stream ends on its own generation");
                held = None;
            }
        }
        calls.fetch_add(1, Ordering::Relaxed);
        // Without a breath the loaders would leave no processor to compile on, on a small machine.
        std::thread::sleep(Duration::from_micros(500));
    }
}

#[test]
fn a_hundred_replacements_fail_no_call() {
    let cache = tempfile::tempdir().unwrap();
    let options = HostOptions {
        bindings: vec![binding("p", "good")],
        cache_dir: Some(cache.path().join("code")),
        limits: limits(),
        watch: true,
        ..HostOptions::default()
    };
    // Ten versions in turn, so that most replacements find their code compiled.
    let version = |n: u64| adapter("", &(n % 10).to_string());
    let house = House::with(&[("good", &version(0))], options);
    let path = house.file("good");
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(load(Arc::clone(&house.host), &stop, &calls));
            });
        }
        let styles = [in_place, renamed, slowly, by_an_editor, deleted_first];
        for n in 1..=100_u64 {
            if n % 20 == 0 {
                let bad = if n % 40 == 0 {
                    guests().wrong_world.clone()
                } else {
                    guests().adapter[..9000].to_vec()
                };
                std::fs::write(&path, bad).unwrap();
                std::thread::sleep(Duration::from_millis(150));
            }
            let style = styles[usize::try_from(n).unwrap() % styles.len()];
            style(&path, &version(n));
            eventually("the replacement serves", || house.host.generation("good") == Some(n + 1));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let status = house.status("good").version.unwrap();
    println!("100 replacements, {} calls, 0 failed", calls.load(Ordering::Relaxed));
    assert_eq!((status.generation, status.faults), (101, 0));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(mark(&house.adapter("p"))), "0");
}
