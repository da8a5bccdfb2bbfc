//! What is put on record can be found.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use seawall_core::note::{Circuit, Note, Outcome};
use seawall_core::ports::PluginRef;
use seawall_core::record::{Attempted, End, Purpose, Record, Twin};
use seawall_core::request::Protocol;
use seawall_core::target::TargetId;

use super::{all, body, deed, opened, request, settings, settled, start, target};
use crate::audit::{Filter, Kind};

#[tokio::test]
async fn entries_are_found_by_what_they_are_about_and_with_what_belongs_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let audit = start(&settings(folder.path()));
    let good = request(&audit, Outcome::Primary);
    let bad = request(&audit, Outcome::Failed);
    audit.note(&opened(vec![bad]));
    let mut twin = Attempted::new(target(), PluginRef::made_up("adapter"), Purpose::Twin("probe"));
    twin.end = End::Answered;
    audit.note(&Note::TwinEnded { id: good, twin: Arc::new(Twin::new(twin)) });
    audit.operator(deed(r#"{"kind":"outage","note":"with sk-abcdefghijklmnop"}"#));
    let refused = audit.ids().next();
    let (protocol, status) = (Protocol::Chat, 401);
    audit.note(&Note::RequestRefused {
        id: refused,
        protocol,
        status,
        code: "invalid_api_key".to_owned(),
        after: Duration::ZERO,
        trace: None,
    });
    settled(&audit);

    let found = |filter: Filter| all(&audit, filter).into_iter().map(|entry| entry.id).collect::<Vec<_>>();
    let some = |text: &str| Some(text.to_owned());
    let of = |kind| Filter { kinds: vec![kind], ..Filter::default() };
    assert_eq!(found(Filter { outcome: some("failed"), ..Filter::default() }), [bad.to_string()]);
    assert_eq!(found(Filter { class: some("overloaded"), ..Filter::default() }), [bad.to_string()]);
    assert_eq!(found(Filter { class: some("over"), ..Filter::default() }), Vec::<String>::new());
    assert_eq!(found(Filter { alias: some("chat"), ..of(Kind::Request) }).len(), 2);
    assert_eq!(
        found(Filter { target: some("left/m"), ..Filter::default() }).len(),
        4,
        "two requests, twin, breaker"
    );
    assert_eq!(found(Filter { class: some("invalid_api_key"), ..of(Kind::Refusal) }), [refused.to_string()]);
    assert_eq!(found(Filter { to_ms: Some(1_000), ..Filter::default() }).len(), 0);
    assert_eq!(found(Filter { from_ms: Some(1_000), ..Filter::default() }).len(), 6);
    let operator = body(&all(&audit, of(Kind::Operator))[0]);
    assert_eq!(operator["order"], r#"{"kind":"outage","note":"with [key]"}"#);

    let whole = audit.reader().whole(good).unwrap();
    assert_eq!(whole.entry.id, good.to_string());
    assert_eq!(whole.related.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(), ["twin"]);
    assert_eq!(body(&whole.related[0])["twin_reason"], "probe");
    let whole = audit.reader().whole(bad).unwrap();
    assert_eq!(whole.related.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(), ["breaker"]);
    let record = body(&whole.entry);
    assert_eq!(
        (&record["attempts"][0]["class"], &record["attempts"][0]["status"]),
        (&"overloaded".into(), &503.into())
    );
    audit.close().await;
}

/// Regression: the model was blotted out, the target that is called after it was not.
#[tokio::test]
async fn a_key_that_stands_in_for_a_model_is_nowhere_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let audit = start(&settings(folder.path()));
    let secret = "sk-abcdefghijklmnop";
    let target = TargetId::new("left", format!("\"{secret}\""));
    let attempt = || Attempted::new(target.clone(), PluginRef::made_up("adapter"), Purpose::Turn);
    let id = audit.ids().next();
    let mut record = Record { started: SystemTime::now(), ..Record::new(id, target.text()) };
    record.attempts = vec![attempt()];
    record.routing.order = vec![target.clone()];
    audit.note(&Note::RequestEnded(Arc::new(record)));
    audit.note(&Note::TwinEnded { id, twin: Arc::new(Twin::new(attempt())) });
    audit.note(&Note::CircuitChanged {
        target: target.clone(),
        from: Circuit::Closed,
        to: Circuit::Open,
        reason: "consecutive",
        open_for: None,
        causes: vec![id],
    });
    settled(&audit);
    let entries = all(&audit, Filter::default());
    assert_eq!(entries.len(), 3);
    for entry in &entries {
        assert!(!entry.entry.get().contains(secret), "{}", entry.entry.get());
        assert!(entry.entry.get().contains(r#""target":"left/\"[key]\"""#) || entry.kind == "request");
    }
    let named =
        |target: &str| all(&audit, Filter { target: Some(target.to_owned()), ..Filter::default() }).len();
    assert_eq!((named("left/\"[key]\""), named(&target.text())), (3, 0));
    audit.close().await;
    let file = std::fs::read(settings(folder.path()).dir.join("audit.db")).unwrap();
    assert!(!file.windows(secret.len()).any(|window| window == secret.as_bytes()));
}

#[tokio::test]
async fn pages_end_where_the_next_begins_and_followers_miss_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let audit = start(&settings(folder.path()));
    let ids: Vec<String> = (0..25).map(|_| request(&audit, Outcome::Primary).to_string()).collect();
    settled(&audit);
    let reader = audit.reader();
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = reader.page(&Filter { limit: Some(10), before, ..Filter::default() }).unwrap();
        seen.extend(page.entries.iter().map(|entry| entry.id.clone()));
        match page.next {
            Some(next) => before = Some(next.parse().unwrap()),
            None => break,
        }
    }
    seen.reverse();
    assert_eq!(seen, ids);
    let last = reader.page(&Filter::default()).unwrap().last_seq;
    let new = request(&audit, Outcome::Primary);
    settled(&audit);
    let page = reader.page(&Filter { after: Some(last), ..Filter::default() }).unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>(), [new.to_string()]);
    assert_eq!(page.last_seq, last + 1);
    audit.close().await;
}
