//! The audit trail as operators read it, and what of theirs is on it.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use http::Method;
use http_body_util::BodyExt as _;
use seawall_core::note::Note;
use seawall_core::record::Record;
use seawall_core::request::RequestId;
use serde_json::Value;

use super::super::{Admin, Routes};
use super::{TOKEN, admin, answered, call, desk, read};
use crate::audit::{Audit, Settings};
use crate::shutdown::Shutdown;

/// A desk with a trail, and the trail.
fn desk_with_trail(folder: &Path) -> (Routes, Audit, Shutdown) {
    let audit = Audit::start(Settings::usual(folder.to_owned()), None).unwrap();
    let (admin, shutdown) = admin();
    let admin = Arc::into_inner(admin).expect("nobody else holds it");
    let routes = Arc::new(Admin { audit: Some(audit.clone()), ..admin }).routes();
    (routes, audit, shutdown)
}

#[tokio::test]
async fn what_operators_do_is_on_record_and_what_they_only_look_at_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (routes, audit, _shutdown) = desk_with_trail(folder.path());
    let order = r#"{"action":"force-open","reason":"maintenance, ticket sk-abcdefghijklmnop","ttl":"1m"}"#;
    assert_eq!(call(&routes, Method::POST, "/admin/targets/left/m", &[TOKEN], order).await.status(), 200);
    assert_eq!(call(&routes, Method::DELETE, "/admin/chaos/faults/7", &[TOKEN], "").await.status(), 404);
    let large = "x".repeat(100_000);
    assert_eq!(call(&routes, Method::POST, "/admin/targets/left/m", &[TOKEN], &large).await.status(), 400);
    // Nobody who may not do anything writes anything.
    assert_eq!(call(&routes, Method::POST, "/admin/targets/left/m", &[], order).await.status(), 401);
    assert_eq!(call(&routes, Method::GET, "/admin/targets", &[TOKEN], "").await.status(), 200);
    audit.close().await;
    let page = read(call(&routes, Method::GET, "/admin/audit?kind=operator", &[TOKEN], "").await).await;
    let entries = page["entries"].as_array().unwrap();
    let deed = |at: usize| &entries[at]["entry"];
    assert_eq!(entries.len(), 3, "{page}");
    assert_eq!((&deed(2)["path"], &deed(2)["status"]), (&"/admin/targets/left/m".into(), &200.into()));
    let kept = r#"{"action":"force-open","reason":"maintenance, ticket [key]","ttl":"1m"}"#;
    assert_eq!((&deed(2)["method"], &deed(2)["order"]), (&"POST".into(), &kept.into()));
    assert_eq!((&deed(1)["method"], &deed(1)["status"]), (&"DELETE".into(), &404.into()));
    assert!(deed(0)["order"].as_str().unwrap().len() < 100);
}

#[tokio::test]
async fn the_trail_is_paged_shown_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let (routes, audit, _shutdown) = desk_with_trail(folder.path());
    for number in 1..=5 {
        let Note::RequestEnded(record) = answered("left/m") else { unreachable!() };
        // Of today: what is older than the trail keeps may be gone before it is read.
        let (id, started) = (RequestId(number), SystemTime::now());
        audit.note(&Note::RequestEnded(Arc::new(Record { id, started, ..(*record).clone() })));
    }
    audit.close().await;
    let ask = async |path: &str| read(call(&routes, Method::GET, path, &[TOKEN], "").await).await;
    let ids = |page: &Value| {
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let page = ask("/admin/audit?kind=request&limit=3&outcome=primary").await;
    assert_eq!(ids(&page), ["req_0000000000000005", "req_0000000000000004", "req_0000000000000003"]);
    let next = page["next"].as_str().unwrap();
    let page = ask(&format!("/admin/audit?kind=request&limit=3&before={next}")).await;
    assert_eq!((ids(&page).len(), page.get("next")), (2, None));
    assert_eq!(ask("/admin/audit/req_0000000000000004").await["entry"]["outcome"], "primary");
    assert_eq!(ask("/admin/audit/4").await["entry"]["model"], "fast");
    assert_eq!(ask("/admin/audit/status").await["stored"], 5);
    assert_eq!(ask("/admin/status").await["audit"]["stored"], 5);
    let page = call(&routes, Method::GET, "/metrics", &[TOKEN], "").await;
    let page = page.into_body().collect().await.unwrap().to_bytes();
    let page = std::str::from_utf8(&page).unwrap();
    for line in [r#"seawall_audit_entries_total{result="stored"} 5"#, "seawall_audit_spilled 0"] {
        assert!(page.lines().any(|found| found == line), "{line} is missing in {page}");
    }

    let export = call(&routes, Method::GET, "/admin/audit/export?kind=request", &[TOKEN], "").await;
    assert_eq!(export.headers()["content-type"], "application/x-ndjson");
    let text = export.into_body().collect().await.unwrap().to_bytes();
    let lines: Vec<Value> =
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.iter().map(|line| line["id"].as_str().unwrap()).next(), Some("req_0000000000000001"));
    assert_eq!(lines.len(), 5);

    for (path, status, code) in [
        ("/admin/audit/77", 404, "not_on_record"),
        ("/admin/audit/x", 400, "bad_filter"),
        ("/admin/audit?from=yesterday", 400, "bad_filter"),
        ("/admin/audit?kind=request,nothing", 400, "bad_filter"),
        ("/admin/audit?before=3", 400, "bad_filter"),
        ("/admin/audit?colour=red", 400, "bad_filter"),
    ] {
        let response = call(&routes, Method::GET, path, &[TOKEN], "").await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        let error = read(response).await;
        assert_eq!(error["error"]["code"], code, "{path}");
    }
    let (without, _other) = desk();
    assert_eq!(call(&without, Method::GET, "/admin/audit", &[TOKEN], "").await.status(), 404);
}
