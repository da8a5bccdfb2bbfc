//! What has ended as spans: a request is one of the server, and below it one of a generative client for each attempt; a
//! hidden call is one more below it, which may end later; a refusal is one of the server and nothing else.

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use seawall_core::note::Outcome;
use seawall_core::record::{Attempted, End, Record, Twin};
use seawall_core::request::{Protocol, RequestId};
use seawall_core::trace::{Leg, Trace};

use super::super::metrics::target::{CANCELLED, Operation};
use super::super::names::key;
use super::{Seen, Source, What, attribute, nanos, scope};

/// The outcome of a request that never came to be one.
const REFUSED: &str = "refused";

pub(super) fn message(seen: &[Seen], resource: Resource, source: &dyn Source) -> ExportTraceServiceRequest {
    let spans = seen.iter().flat_map(|one| of(one, source)).collect();
    let of_scope = ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() };
    let of_resource =
        ResourceSpans { resource: Some(resource), scope_spans: vec![of_scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![of_resource] }
}

fn of(seen: &Seen, source: &dyn Source) -> Vec<Span> {
    let trace = &*seen.trace;
    match &seen.what {
        What::Request(record) => {
            let attempt = |(number, call)| {
                let (protocol, stream) = (record.protocol, record.stream);
                Called { call, leg: Leg::Attempt(number), protocol, stream, since: record.started }
            };
            let attempts = (1..).zip(&record.attempts).map(attempt);
            let attempts = attempts.map(|called| called.span(trace, source));
            std::iter::once(answered(record, trace)).chain(attempts).collect()
        }
        What::Twin { id, twin } => {
            let Twin { call, started, leg, protocol, stream, .. } = &**twin;
            let called = Called { call, leg: *leg, protocol: *protocol, stream: *stream, since: *started };
            let mut span = called.span(trace, source);
            // It may end long after its request's own span, so that it has to say whose it is.
            span.attributes.push(text(key::SPAN_REQUEST, &id.to_string()));
            vec![span]
        }
        What::Refusal { id, protocol, status, code, after, ended } => {
            let more = [
                text(key::SPAN_OUTCOME, REFUSED),
                number(key::HTTP_STATUS, (*status).into()),
                text(key::ERROR_TYPE, code),
            ];
            let began = ended.checked_sub(*after).unwrap_or(*ended);
            let span = Span {
                status: failed(Some(code.as_str()).filter(|_| is_ours(*status))),
                ..timed(trace, began, *after)
            };
            vec![server(trace, *id, *protocol, more, span)]
        }
    }
}

/// The request's own span, once it was resolved.
fn answered(record: &Record, trace: &Trace) -> Span {
    let error = match record.outcome {
        Outcome::Primary | Outcome::Fallback => None,
        Outcome::Cancelled => Some(CANCELLED),
        Outcome::Failed | Outcome::Interrupted => {
            Some(record.class.map_or("no_target", |class| class.label()))
        }
    };
    // A stream that began has its status, whatever became of it.
    let status = trace.answered.get().copied().or(record.committed.map(|_| 200));
    let broke = match record.outcome {
        Outcome::Interrupted => true,
        Outcome::Failed => status.is_none_or(|status| status == 200 || is_ours(status)),
        Outcome::Primary | Outcome::Fallback | Outcome::Cancelled => false,
    };
    let always = [
        text(key::SPAN_ALIAS, &record.model),
        text(key::SPAN_OUTCOME, record.outcome.label()),
        number(key::SPAN_ATTEMPTS, u64::try_from(record.attempts.len()).unwrap_or(u64::MAX)),
    ];
    let known = [
        status.map(|status| number(key::HTTP_STATUS, status.into())),
        record.target.as_ref().map(|target| text(key::SPAN_TARGET, &target.to_string())),
        error.map(|error| text(key::ERROR_TYPE, error)),
    ];
    let span = Span { status: failed(error.filter(|_| broke)), ..timed(trace, record.started, record.after) };
    server(trace, record.id, record.protocol, always.into_iter().chain(known.into_iter().flatten()), span)
}

/// Makes a span the server's: the one that callers see, and all others are children of.
fn server(
    trace: &Trace,
    id: RequestId,
    protocol: Protocol,
    more: impl IntoIterator<Item = KeyValue>,
    span: Span,
) -> Span {
    let attributes = [
        text(key::HTTP_METHOD, "POST"),
        text(key::HTTP_ROUTE, protocol.path()),
        text(key::SPAN_REQUEST, &id.to_string()),
    ];
    Span {
        span_id: trace.span_id.to_be_bytes().to_vec(),
        parent_span_id: trace.parent.map(|parent| parent.to_be_bytes().to_vec()).unwrap_or_default(),
        name: format!("POST {}", protocol.path()),
        kind: SpanKind::Server.into(),
        attributes: attributes.into_iter().chain(more).collect(),
        ..span
    }
}

/// What is wrong on our side of the wire. By the conventions a client's own mistake is no error of the server's span.
fn is_ours(status: u16) -> bool {
    status >= 500
}

/// An upstream call, with what its request knows about it.
struct Called<'a> {
    call: &'a Attempted,
    leg: Leg,
    protocol: Protocol,
    stream: bool,
    /// From where its times are counted.
    since: SystemTime,
}

impl Called<'_> {
    fn span(&self, trace: &Trace, source: &dyn Source) -> Span {
        let Self { call, leg, .. } = *self;
        let operation = Operation::from(self.protocol).label();
        let provider = &call.target.provider;
        let provider = source.provider(provider).unwrap_or_else(|| provider.to_string());
        let error = match &call.end {
            End::Answered => None,
            End::Failed(broke) => Some(broke.class.label()),
            End::Outrun | End::GivenUp | End::Open => Some(CANCELLED),
        };
        let attributes = [
            text(key::GEN_AI_OPERATION, operation),
            text(key::GEN_AI_PROVIDER, &provider),
            text(key::GEN_AI_REQUEST_MODEL, &call.target.model),
            attribute(key::GEN_AI_STREAM, Any::BoolValue(self.stream)),
            text(key::SPAN_TARGET, &call.target.to_string()),
            text(key::SPAN_PURPOSE, call.purpose.label()),
            text(key::SPAN_END, call.end.label()),
            number(key::SPAN_GENERATION, call.adapter.generation),
        ];
        let first = call.first_content.filter(|_| self.stream);
        let tokens = call.tokens.as_ref();
        let status = call.failure().and_then(|broke| broke.status);
        let more = [
            first.map(|first| attribute(key::GEN_AI_FIRST_CHUNK, Any::DoubleValue(first.as_secs_f64()))),
            tokens.map(|tokens| number(key::GEN_AI_INPUT_TOKENS, tokens.input_tokens)),
            tokens.map(|tokens| number(key::GEN_AI_OUTPUT_TOKENS, tokens.output_tokens)),
            status.map(|status| number(key::HTTP_STATUS, status.into())),
            call.injected().map(|injected| text(key::SPAN_FAULT, &injected.kind)),
            error.map(|error| text(key::ERROR_TYPE, error)),
            call.purpose.reason().map(|reason| text(key::SPAN_TWIN_REASON, reason)),
        ];
        Span {
            span_id: trace.span(leg).to_be_bytes().to_vec(),
            parent_span_id: trace.span_id.to_be_bytes().to_vec(),
            name: format!("{operation} {}", call.target.model),
            kind: SpanKind::Client.into(),
            attributes: attributes.into_iter().chain(more.into_iter().flatten()).collect(),
            status: failed(call.failure().map(|broke| broke.class.label())),
            ..timed(trace, self.since + call.began, call.took)
        }
    }
}

/// A span of this trace.
fn timed(trace: &Trace, began: SystemTime, took: Duration) -> Span {
    Span {
        trace_id: trace.trace_id.to_be_bytes().to_vec(),
        trace_state: trace.state.as_deref().unwrap_or_default().to_owned(),
        start_time_unix_nano: nanos(began),
        end_time_unix_nano: nanos(began + took),
        ..Span::default()
    }
}

fn failed(error: Option<&str>) -> Option<Status> {
    error.map(|error| Status { message: error.to_owned(), code: StatusCode::Error.into() })
}

fn text(name: &str, value: &str) -> KeyValue {
    attribute(name, Any::StringValue(value.to_owned()))
}

fn number(name: &str, value: u64) -> KeyValue {
    attribute(name, Any::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}
