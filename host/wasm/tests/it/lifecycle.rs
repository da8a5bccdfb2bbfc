//! Files come, change and go; bindings change; code is cached.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use seawall_core::event::{Event, WireEvent};
use seawall_core::ports::PluginSource;
use seawall_core::request::Protocol;
use seawall_wasm::{Binding, Bundled, HostOptions, PluginEvent, Source, State};

use crate::support::*;

fn bundled(mark: &str) -> Vec<Bundled> {
    vec![Bundled { id: Cow::Borrowed("good"), bytes: Cow::Owned(adapter("", mark)) }]
}

#[tokio::test]
async fn a_file_takes_the_place_of_a_bundled_plugin_until_it_goes() {
    let options = HostOptions {
        bundled: bundled("bundled"),
        bindings: vec![binding("p", "good")],
        limits: limits(),
        watch: true,
        ..HostOptions::default()
    };
    let house = House::with(&[], options);
    assert_eq!(mark(&house.adapter("p")).await, "bundled");
    std::fs::write(house.file("good"), adapter("", "file")).unwrap();
    eventually("the file serves", || house.host.generation("good") == Some(2));
    assert_eq!(mark(&house.adapter("p")).await, "file");
    std::fs::remove_file(house.file("good")).unwrap();
    eventually("the bundled one is back", || house.host.generation("good") == Some(3));
    assert_eq!(mark(&house.adapter("p")).await, "bundled");
    assert_eq!(house.status("good").version.unwrap().source, Source::Bundled);
}

#[tokio::test]
async fn a_bad_file_over_a_bundled_plugin_is_reported_and_the_bundled_one_serves() {
    let options = HostOptions {
        bundled: bundled("bundled"),
        bindings: vec![binding("p", "good")],
        limits: limits(),
        ..HostOptions::default()
    };
    let house = House::with(&[("good", b"rubbish")], options);
    assert_eq!(mark(&house.adapter("p")).await, "bundled");
    let status = house.status("good");
    assert_eq!(status.state, State::Active);
    assert_eq!(status.last_problem.map(|problem| problem.code.as_str()), Some("P001"));
}

#[tokio::test]
async fn a_deleted_file_drains_and_its_streams_finish() {
    let options = HostOptions {
        bindings: vec![binding("p", "good")],
        limits: limits(),
        watch: true,
        ..HostOptions::default()
    };
    let house = House::with(&[("good", &adapter("", "1"))], options);
    let set = house.host.current();
    let mut decoder = set.adapters["p"].decoder(Protocol::Chat, &target("m")).await.unwrap();
    std::fs::remove_file(house.file("good")).unwrap();
    eventually("it drained", || house.status("good").state == State::Drained);
    assert!(house.host.current().adapters.is_empty());
    assert_eq!(house.host.problems()[0].1.code.as_str(), "P025");
    let wire = WireEvent { data: Bytes::from_static(b"on"), ..WireEvent::default() };
    assert_eq!(decoder.feed(vec![wire]).await.unwrap()[1].what, Event::Text("on".into()));
    assert!(decoder.finish().await.is_ok());
    assert_eq!(mark(&set.adapters["p"]).await, "1", "a request keeps its snapshot");
    std::fs::write(house.file("good"), adapter("", "1")).unwrap();
    eventually("it is back", || house.status("good").state == State::Active);
}

#[tokio::test]
async fn a_bad_replacement_changes_nothing() {
    let options = HostOptions {
        bindings: vec![binding("p", "good")],
        limits: limits(),
        watch: true,
        ..HostOptions::default()
    };
    let house = House::with(&[("good", &adapter("", "1"))], options);
    for (bytes, code) in [
        (guests().adapter[..5000].to_vec(), "P002"),
        (guests().wrong_world.clone(), "P010"),
        (adapter("trap", "2"), "P030"),
        // It would lose the operator's provider.
        (adapter("homeless", "2"), "P022"),
    ] {
        std::fs::write(house.file("good"), bytes).unwrap();
        let reported =
            || house.status("good").last_problem.is_some_and(|problem| problem.code.as_str() == code);
        eventually(code, reported);
        assert_eq!(house.host.generation("good"), Some(1));
        assert_eq!(mark(&house.adapter("p")).await, "1");
    }
    std::fs::write(house.file("good"), adapter("", "2")).unwrap();
    eventually("the good one serves", || house.host.generation("good") == Some(2));
    assert_eq!(house.status("good").last_problem, None);
    let rejected = |event: &&PluginEvent| matches!(event, PluginEvent::Rejected { .. });
    assert_eq!(house.events.lock().unwrap().iter().filter(rejected).count(), 4, "each is reported once");
}

#[tokio::test]
async fn touching_or_temporary_files_are_nothing() {
    let house = House::good();
    let bytes = std::fs::read(house.file("good")).unwrap();
    std::fs::write(house.file("good"), bytes).unwrap();
    for name in [".good.wasm", "good.wasm~", "good.wasm.tmp"] {
        std::fs::write(house.dir.path().join(name), b"x").unwrap();
    }
    house.host.reload();
    assert_eq!(house.host.generation("good"), Some(1));
    assert_eq!(house.host.status().len(), 1);
}

#[tokio::test]
async fn rebinding_is_all_or_nothing() {
    let house = House::good();
    let refused = Binding { config_json: r#"{"refuse":1}"#.into(), ..binding("q", "good") };
    let problems = house.host.rebind(vec![binding("p2", "good"), refused]).unwrap_err();
    assert_eq!((problems.len(), problems[0].code.as_str()), (1, "P020"));
    assert!(house.host.current().adapters.contains_key("p"), "nothing changed");

    let before = house.adapter("p");
    house.host.rebind(vec![binding("p", "good"), binding("q", "good"), binding("r", "missing")]).unwrap();
    let set = house.host.current();
    assert!(Arc::ptr_eq(&before, &set.adapters["p"]), "what did not change stays");
    assert!(set.adapters.contains_key("q") && !set.adapters.contains_key("r"));
    assert_eq!(house.host.problems()[0].1.code.as_str(), "P025");
}

#[tokio::test]
async fn compiled_code_is_cached_privately_and_damage_is_a_miss() {
    let cache = tempfile::tempdir().unwrap();
    let private = cache.path().join("code");
    let good = adapter("", "1");
    let start = || {
        let options = HostOptions {
            bindings: vec![binding("p", "good")],
            cache_dir: Some(private.clone()),
            limits: limits(),
            ..HostOptions::default()
        };
        House::with(&[("good", &good)], options)
    };
    let entries = || std::fs::read_dir(&private).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(mark(&start().adapter("p")).await, "1");
    let first = entries();
    assert_eq!(first.len(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::metadata(&first[0]).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let written = std::fs::metadata(&first[0]).unwrap().modified().unwrap();
    assert_eq!(mark(&start().adapter("p")).await, "1");
    assert_eq!(std::fs::metadata(&first[0]).unwrap().modified().unwrap(), written, "taken from the cache");

    let mut bytes = std::fs::read(&first[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&first[0], &bytes).unwrap();
    assert_eq!(mark(&start().adapter("p")).await, "1", "damage costs a compilation");
    assert_ne!(std::fs::read(&first[0]).unwrap(), bytes, "and is repaired");
}

#[cfg(unix)]
#[tokio::test]
async fn a_cache_that_others_may_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let shared = tempfile::tempdir().unwrap();
    std::fs::set_permissions(shared.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let options = HostOptions {
        bindings: vec![binding("p", "good")],
        cache_dir: Some(shared.path().to_owned()),
        limits: limits(),
        ..HostOptions::default()
    };
    let house = House::with(&[("good", &adapter("", "1"))], options);
    assert_eq!(mark(&house.adapter("p")).await, "1");
    assert_eq!(std::fs::read_dir(shared.path()).unwrap().count(), 0);
}
