//! Whatever a plugin does costs its own call, and the next call works.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use seawall_wasm::{HostOptions, Limits};

use crate::support::*;

#[tokio::test]
async fn misbehaviour_is_one_fault_with_its_code() {
    let house = House::good();
    let adapter = house.adapter("p");
    for (mode, code) in [
        ("spin", "P031"),
        ("bomb", "P032"),
        ("trap", "P030"),
        ("stack", "P033"),
        ("huge", "P034"),
        ("long-log", "ok"),
        ("sleep", "P035"),
        ("exit", "P036"),
        ("auth-header", "P041"),
        ("cookie", "P041"),
        ("host-header", "P041"),
        ("crlf", "P041"),
        ("host-path", "P042"),
        ("dots", "P042"),
        ("absolute", "P042"),
        ("patch", "P040"),
        ("patch-array", "P040"),
        ("not-json", "P040"),
        ("method", "P043"),
        ("aws", "P044"),
        ("yield", "ok"),
        ("ambient", "ok"),
        ("random", "ok"),
        ("logs", "ok"),
        ("full", "ok"),
    ] {
        let model = format!("bad:{mode}");
        if code == "ok" {
            build(&adapter, &model).await.unwrap_or_else(|error| panic!("{mode}: {error:?}"));
        } else {
            let fault = build_fault(&adapter, &model).await;
            assert_eq!(fault.code, code, "{mode}: {}", fault.message);
            assert!(!fault.busy && fault.message.contains("; "), "cause and fix: {}", fault.message);
        }
        assert_eq!(mark(&adapter).await, "1", "a healthy call after {mode}");
    }
    assert!(!std::path::Path::new("seawall-was-here").exists(), "nothing was written");
}

#[tokio::test]
async fn a_guest_cannot_sleep_past_its_deadline() {
    let house = House::good();
    let started = Instant::now();
    assert_eq!(build_fault(&house.adapter("p"), "bad:sleep").await.code, "P035");
    assert!(started.elapsed() < Duration::from_millis(250), "the guest asked for 300 ms");
}

#[tokio::test]
async fn randomness_is_bounded() {
    let house = House::good();
    for mode in ["bad:much-random", "bad:more-random"] {
        let fault = build_fault(&house.adapter("p"), mode).await;
        assert_eq!(fault.code, "P030", "{mode}");
        assert!(fault.message.contains("exceeds limit 65536"), "{mode}: {}", fault.message);
    }
}

#[tokio::test]
async fn a_loop_is_stopped_after_an_idle_second() {
    let house = House::good();
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(build_fault(&house.adapter("p"), "bad:spin").await.code, "P031");
    assert_eq!(mark(&house.adapter("p")).await, "1");
}

#[tokio::test]
async fn logs_are_bounded() {
    let house = House::good();
    build(&house.adapter("p"), "bad:logs").await.unwrap();
    let version = house.status("good").version.unwrap();
    assert!(version.log_lines_dropped > 1_900, "{}", version.log_lines_dropped);
}

#[tokio::test]
async fn a_guest_sees_named_headers_only() {
    let house = House::good();
    let mut headers = HeaderMap::new();
    for name in ["x-beta", "x-secret", "authorization"] {
        headers.insert(name, HeaderValue::from_static("v"));
    }
    let plan = house.adapter("p").build(&body_with(HELLO, headers), &target("m")).await.unwrap();
    assert_eq!(plan.headers["x-beta"], "v");
    assert!(!plan.headers.contains_key("x-leak"));
}

#[tokio::test]
async fn a_full_house_is_nobodys_fault() {
    let files: &[(&str, &[u8])] = &[("good", &adapter("", "1"))];
    let limits = Limits { instances: 2, ..Limits::default() };
    let options = HostOptions { bindings: vec![binding("p", "good")], limits, ..HostOptions::default() };
    let house = House::with(files, options);
    let adapter = house.adapter("p");
    let kind = seawall_core::request::Protocol::Chat;
    let target = target("m");
    let held = [adapter.decoder(kind, &target).await.unwrap(), adapter.decoder(kind, &target).await.unwrap()];
    let fault = build_fault(&adapter, "m").await;
    assert!(fault.busy && fault.code == "P037", "{fault:?}");
    assert_eq!(house.status("good").version.unwrap().faults, 0);
    drop(held);
    assert_eq!(mark(&adapter).await, "1");
}

/// Whether a call is done the first time it is looked at, on the thread that looks.
fn ready_at_once(call: impl Future) -> bool {
    matches!(pin!(call).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
}

/// A call that runs on another thread may be done before it is looked at, but not every time.
fn runs_elsewhere<F: Future>(call: impl Fn() -> F) -> bool {
    (0..100).any(|_| !ready_at_once(call()))
}

#[tokio::test]
async fn fast_calls_are_ready_at_once_and_slow_plugins_move_aside() {
    let house = House::good();
    let adapter = house.adapter("p");
    build(&adapter, "m").await.unwrap();
    assert!(ready_at_once(build(&adapter, "m")));
    assert!(!house.status("good").version.unwrap().blocking);

    for _ in 0..40 {
        build(&adapter, "bad:slow").await.unwrap();
    }
    let version = house.status("good").version.unwrap();
    assert!(version.blocking, "mean {} us", version.mean_call_us);
    assert!(runs_elsewhere(|| build(&adapter, "bad:slow")));
    assert_eq!(mark(&adapter).await, "1");

    for _ in 0..200 {
        build(&adapter, "m").await.unwrap();
    }
    assert!(!house.status("good").version.unwrap().blocking, "it behaves again");
    assert!(ready_at_once(build(&adapter, "m")));
}

#[tokio::test]
async fn one_missed_deadline_moves_a_plugin_aside() {
    let house = House::good();
    let adapter = house.adapter("p");
    assert_eq!(build_fault(&adapter, "bad:spin").await.code, "P031");
    assert!(house.status("good").version.unwrap().blocking);
    // Fast calls would bring it back before one of them is seen to run elsewhere.
    assert!(runs_elsewhere(|| build(&adapter, "bad:slow")));
    assert_eq!(mark(&adapter).await, "1");
}
