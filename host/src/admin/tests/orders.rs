//! What operators order.

use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse as _;
use http::{Method, StatusCode};
use seawall_core::class::{Class, Failure, Scope};
use seawall_core::outlook::{CallKind, SizeFactor};
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;
use seawall_core::targets::Ask;
use serde_json::json;

use super::super::json::AdminError;
use super::{TOKEN, admin, call, desk, read};

#[tokio::test]
async fn orders_of_faults_are_checked() {
    let (routes, _shutdown) = desk();
    let check = async |order: &str, status: u16, code: &str| {
        let response = call(&routes, Method::POST, "/admin/chaos/faults", &[TOKEN], order).await;
        let got = response.status();
        let body = read(response).await;
        assert_eq!(
            (got.as_u16(), body.pointer("/error/code")),
            (status, Some(&code.into())),
            "{order}: {body}"
        );
    };
    check("", 400, "bad_order").await;
    check(r#"{"kind":"outage","mach":{}}"#, 400, "bad_order").await;
    check(r#"{"kind":"outage","match":{"provder":"x"}}"#, 400, "bad_order").await;
    check(r#"{"kind":"outage","ttl":"soon"}"#, 400, "bad_order").await;
    check(r#"{"kind":"outage","ttl":0}"#, 400, "out_of_range").await;
    check(r#"{"kind":"outage","match":{"percent":101}}"#, 400, "out_of_range").await;
    check(r#"{"kind":"outage","ttl":"30s"}"#, 404, "unknown_kind").await;
    check(r#"{"kind":"outage","match":{"provider":"lfet"}}"#, 400, "unknown_name").await;
    check(r#"{"kind":"outage","match":{"alias":"lfet/m"}}"#, 400, "unknown_name").await;
    check(r#"{"kind":"outage","match":{"domain":"the-moon"}}"#, 400, "unknown_name").await;
    check(r#"{"kind":"outage","match":{"tier":"low"}}"#, 400, "bad_order").await;
    check(r#"{"kind":"outage","ttl":"1s","ramp":"2s"}"#, 400, "out_of_range").await;
    check(r#"{"kind":"kill-provider"}"#, 400, "out_of_range").await;
    for known in [r#"{"provider":"left"}"#, r#"{"alias":"fast"}"#, r#"{"alias":"left/any/model"}"#] {
        check(&format!(r#"{{"kind":"outage","match":{known}}}"#), 404, "unknown_kind").await;
    }
    check(&" ".repeat(70_000), 400, "bad_order").await;
    let gone = call(&routes, Method::DELETE, "/admin/chaos/faults/7", &[TOKEN], "").await;
    assert_eq!(gone.status(), 404);
    let all = call(&routes, Method::DELETE, "/admin/chaos/faults", &[TOKEN], "").await;
    assert_eq!(read(all).await, json!({"disarmed": 0}));
}

#[tokio::test]
async fn plugin_errors_carry_their_words() {
    let (routes, _shutdown) = desk();
    let response = call(&routes, Method::POST, "/admin/plugins/ghost/rollback", &[TOKEN], "").await;
    assert_eq!(response.status(), 404);
    assert_eq!(read(response).await.pointer("/error/message"), Some(&"no plugin `ghost`".into()));
    let plain = AdminError::new(StatusCode::CONFLICT, "x", "y").into_response();
    assert_eq!(plain.headers()["cache-control"], "no-store");
}

/// Holds, releases and resets a target, and says after each step what it now is.
#[tokio::test(start_paused = true)]
async fn operators_hold_targets_for_a_while() {
    let (routes, _shutdown) = desk();
    let act = async |name: &str, order: &str| {
        let response = call(&routes, Method::POST, &format!("/admin/targets/{name}"), &[TOKEN], order).await;
        let status = response.status().as_u16();
        (status, read(response).await)
    };
    for name in ["left/m", "left/vendor/m-2", "left%2Fm"] {
        let (status, target) =
            act(name, r#"{"action":"force-open","reason":"maintenance","ttl":"30m"}"#).await;
        assert_eq!((status, &target["circuit"]), (200, &"forced_open".into()), "{name}: {target}");
        assert_eq!(target["forced_reason"], "maintenance");
        assert_eq!(target["retry_in_ms"], 30 * 60_000);
        let (status, target) = act(name, r#"{"action":"release"}"#).await;
        assert_eq!((status, &target["circuit"]), (200, &"half_open".into()), "{target}");
        let (_, target) = act(name, r#"{"action":"reset","reason":"it is fine"}"#).await;
        assert_eq!(target["circuit"], "closed");
    }
    let (_, target) = act("left/m", r#"{"action":"force-closed","reason":"false alarm"}"#).await;
    assert_eq!(target["circuit"], "forced_closed");
    tokio::time::advance(Duration::from_secs(3601)).await;
    let list = read(call(&routes, Method::GET, "/admin/targets", &[TOKEN], "").await).await;
    assert_eq!(list.pointer("/targets/0/circuit"), Some(&"closed".into()), "an hour unless said: {list}");
    assert_eq!(list.pointer("/targets/1/target"), Some(&"left/vendor/m-2".into()), "{list}");

    let (status, error) = act("left/m", r#"{"action":"release"}"#).await;
    assert_eq!((status, error.pointer("/error/code")), (409, Some(&"not_forced".into())), "{error}");
}

#[tokio::test]
async fn orders_to_targets_are_checked() {
    let (routes, _shutdown) = desk();
    let check = async |path: &str, order: &str, status: u16, code: &str, says: &str| {
        let response = call(&routes, Method::POST, path, &[TOKEN], order).await;
        let got = response.status().as_u16();
        let body = read(response).await;
        assert_eq!((got, body.pointer("/error/code")), (status, Some(&code.into())), "{order}: {body}");
        assert!(body.pointer("/error/fix").unwrap().as_str().unwrap().contains(says), "{body}");
    };
    let one = "/admin/targets/left/m";
    check(one, "", 400, "bad_order", "force-open").await;
    check(one, r#"{"action":"close"}"#, 400, "bad_order", "force-open").await;
    check(one, r#"{"action":"reset","why":"x"}"#, 400, "bad_order", "force-open").await;
    check(one, r#"{"action":"force-open"}"#, 400, "bad_order", "reason").await;
    check(one, r#"{"action":"force-open","reason":"  "}"#, 400, "bad_order", "reason").await;
    check(one, r#"{"action":"force-open","reason":"a\nb"}"#, 400, "bad_order", "reason").await;
    let long = format!(r#"{{"action":"reset","reason":"{}"}}"#, "x".repeat(201));
    check(one, &long, 400, "bad_order", "reason").await;
    for ttl in ["0", "\"25h\"", "86401"] {
        let order = format!(r#"{{"action":"force-open","reason":"x","ttl":{ttl}}}"#);
        check(one, &order, 400, "out_of_range", "configuration").await;
    }
    check(one, r#"{"action":"force-open","reason":"x","ttl":"soon"}"#, 400, "bad_order", "ttl").await;
    let reset = r#"{"action":"reset"}"#;
    check("/admin/targets/left/n", reset, 404, "unknown_name", "did you mean `left/m`").await;
    check("/admin/targets/left", reset, 404, "unknown_name", "left/m").await;
    check("/admin/providers/lefd", r#"{"action":"clear-gates"}"#, 404, "unknown_name", "`left`").await;
    check("/admin/providers/left", reset, 400, "bad_order", "clear-gates").await;
}

#[tokio::test(start_paused = true)]
async fn a_repaired_provider_is_asked_again_at_once() {
    let (admin, _shutdown) = admin();
    let targets = Arc::clone(&admin.targets);
    let routes = admin.routes();
    let id = TargetId::new("left", "m");
    let ask = Ask {
        request: RequestId(1),
        lease: Duration::from_secs(1),
        only_one_left: false,
        kind: CallKind::Plain,
        size: SizeFactor::ONE,
    };
    let ask = || targets.get(&id).try_acquire(&ask);
    ask().unwrap().failed(&Failure { scope: Scope::Credential, ..Failure::new(Class::Auth, "no") });
    assert!(ask().is_err(), "the credential's gate is closed");
    let clear = call(&routes, Method::POST, "/admin/providers/left", &[TOKEN], r#"{"action":"clear-gates"}"#);
    let answer = read(clear.await).await;
    assert_eq!(answer["targets"].as_array().unwrap().len(), 2, "{answer}");
    assert!(ask().is_ok());
}
