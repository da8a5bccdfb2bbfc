//! Spans of what did not go the plain way.

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use seawall_core::class::Class;
use seawall_core::note::{Note, Outcome};
use seawall_core::ports::PluginRef;
use seawall_core::record::{Attempted, End, Purpose};
use seawall_core::target::TargetId;
use seawall_core::trace::Leg;

use super::super::spans::message;
use super::*;

/// OTLP's word for a span that failed, and for one of which nothing is said.
const ERROR: i32 = 2;
const UNSET: i32 = 0;

fn told(note: &Note) -> Vec<Span> {
    let seen = Seen::of(note).expect("it is to be seen");
    let mut message = message(&[seen], Resource::default(), &Desk);
    std::mem::take(&mut message.resource_spans[0].scope_spans[0].spans)
}

fn code(span: &Span) -> i32 {
    span.status.as_ref().map_or(UNSET, |status| status.code)
}

/// The first status that was told is the span's, and only what is wrong on our side makes it one that failed.
#[test]
fn a_requests_span_has_the_status_that_its_client_was_told() {
    use Outcome::{Cancelled, Failed, Interrupted, Primary};
    // Outcome, class, committed, what was told in this order; status of the answer, whether the span failed.
    let cases = [
        (Primary, None, true, &[200][..], Some("200"), UNSET),
        (Primary, None, true, &[], Some("200"), UNSET),
        (Failed, Some(Class::Overloaded), false, &[503], Some("503"), ERROR),
        (Failed, Some(Class::ContextLength), false, &[400], Some("400"), UNSET),
        (Failed, Some(Class::ServerError), false, &[200, 502], Some("200"), ERROR),
        (Failed, None, false, &[], None, ERROR),
        (Interrupted, Some(Class::StreamBroken), true, &[200], Some("200"), ERROR),
        (Cancelled, None, false, &[], None, UNSET),
        (Cancelled, None, false, &[503], Some("503"), UNSET),
    ];
    for (outcome, class, committed, words, status, expected) in cases {
        let trace = trace(true);
        words.iter().for_each(|status| trace.answers(*status));
        let committed = committed.then_some(Duration::from_millis(9));
        let record = Record { outcome, class, committed, ..record(RequestId(1)) };
        let spans = told(&Note::RequestEnded(Arc::new(Record { trace: Some(Arc::new(trace)), ..record })));
        let says = attributes(&spans[0].attributes);
        let case = format!("{outcome:?} {words:?}");
        assert_eq!(says.get("http.response.status_code").map(String::as_str), status, "{case}");
        assert_eq!(code(&spans[0]), expected, "{case}");
        let error = class.map(Class::label).or((outcome == Failed).then_some("no_target"));
        let error = error.or((outcome == Cancelled).then_some("cancelled"));
        assert_eq!(says.get("error.type").map(String::as_str), error, "{case}");
    }
}

#[test]
fn a_refusal_is_a_span_of_the_server_and_nothing_else() {
    for (status, code_of, expected) in
        [(401, "invalid_api_key", UNSET), (400, "invalid_json", UNSET), (503, "overloaded", ERROR)]
    {
        let (id, protocol, after) = (RequestId(5), Protocol::Messages, Duration::from_millis(30));
        let refused =
            |trace| Note::RequestRefused { id, protocol, status, code: code_of.to_owned(), after, trace };
        assert!(Seen::of(&refused(None)).is_none());
        let spans = told(&refused(Some(Arc::new(trace(true)))));
        let [span] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((span.kind, span.name.as_str()), (SpanKind::Server.into(), "POST /v1/messages"));
        assert_eq!(span.span_id, 9_u64.to_be_bytes());
        assert_eq!(span.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
        assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 30_000_000);
        assert_eq!(code(span), expected, "{status}");
        let says = attributes(&span.attributes);
        for (name, value) in [
            ("http.request.method", "POST"),
            ("http.route", "/v1/messages"),
            ("http.response.status_code", &status.to_string()),
            ("error.type", code_of),
            ("seawall.outcome", "refused"),
            ("seawall.request.id", "req_0000000000000005"),
        ] {
            assert_eq!(says[name], value);
        }
    }
}

#[test]
fn a_twin_is_a_child_of_its_request_that_says_what_it_is() {
    let call = Attempted {
        took: Duration::from_millis(40),
        end: End::Answered,
        ..Attempted::new(TargetId::new("right", "m"), PluginRef::made_up("a"), Purpose::Twin("probe"))
    };
    let (trace, leg, started) = (Arc::new(trace(true)), Leg::Twin(1), UNIX_EPOCH + Duration::from_secs(7));
    let twin = Twin { leg, started, trace: Some(Arc::clone(&trace)), stream: true, ..Twin::new(call) };
    let spans = told(&Note::TwinEnded { id: RequestId(3), twin: Arc::new(twin) });
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((span.kind, span.name.as_str()), (SpanKind::Client.into(), "chat m"));
    assert_eq!(span.parent_span_id, trace.span_id.to_be_bytes());
    let own = format!("{:016x}", u64::from_be_bytes(span.span_id[..].try_into().unwrap()));
    assert_eq!(trace.parent_of(leg).split('-').nth(2), Some(&*own), "as its upstream was told");
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (7_000_000_000, 7_040_000_000));
    let says = attributes(&span.attributes);
    for (name, value) in [
        ("seawall.attempt.purpose", "twin"),
        ("seawall.twin.reason", "probe"),
        ("seawall.request.id", "req_0000000000000003"),
        ("gen_ai.provider.name", "vendor"),
    ] {
        assert_eq!(says[name], value);
    }
}
