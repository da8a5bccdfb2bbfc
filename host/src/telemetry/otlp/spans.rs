//! A request that has ended as spans: one of the server, and below it one of a generative client for each attempt.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use seawall_core::note::Outcome;
use seawall_core::record::{Attempted, End, Record};
use seawall_core::trace::Trace;

use super::super::metrics::target::{CANCELLED, Operation};
use super::super::names::key;
use super::{Source, attribute, nanos, scope};

pub(super) fn message(
    records: &[Arc<Record>],
    resource: Resource,
    source: &dyn Source,
) -> ExportTraceServiceRequest {
    let spans = records.iter().flat_map(|record| of(record, source)).collect();
    let of_scope = ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() };
    let of_resource =
        ResourceSpans { resource: Some(resource), scope_spans: vec![of_scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![of_resource] }
}

fn of(record: &Record, source: &dyn Source) -> Vec<Span> {
    let Some(trace) = &record.trace else { return Vec::new() };
    let attempts =
        (1..).zip(&record.attempts).map(|(number, attempt)| call(record, trace, number, attempt, source));
    std::iter::once(server(record, trace)).chain(attempts).collect()
}

fn server(record: &Record, trace: &Trace) -> Span {
    let error = match record.outcome {
        Outcome::Primary | Outcome::Fallback => None,
        Outcome::Cancelled => Some(CANCELLED),
        Outcome::Failed | Outcome::Interrupted => {
            Some(record.class.map_or("no_target", |class| class.label()))
        }
    };
    // Of a failure, only whoever wrote the answer knows the status.
    let status = record.committed.map(|_| 200);
    let attributes = [
        text(key::HTTP_METHOD, "POST"),
        text(key::HTTP_ROUTE, record.protocol.path()),
        text(key::SPAN_REQUEST, &record.id.to_string()),
        text(key::SPAN_ALIAS, &record.model),
        text(key::SPAN_OUTCOME, record.outcome.label()),
        number(key::SPAN_ATTEMPTS, u64::try_from(record.attempts.len()).unwrap_or(u64::MAX)),
    ];
    let more = [
        status.map(|status| number(key::HTTP_STATUS, status)),
        record.target.as_ref().map(|target| text(key::SPAN_TARGET, &target.to_string())),
        error.map(|error| text(key::ERROR_TYPE, error)),
    ];
    Span {
        span_id: trace.span_id.to_be_bytes().to_vec(),
        parent_span_id: trace.parent.map(|parent| parent.to_be_bytes().to_vec()).unwrap_or_default(),
        name: format!("POST {}", record.protocol.path()),
        kind: SpanKind::Server.into(),
        attributes: attributes.into_iter().chain(more.into_iter().flatten()).collect(),
        status: failed(error.filter(|_| record.outcome != Outcome::Cancelled)),
        ..timed(record, trace, Duration::ZERO, record.after)
    }
}

fn call(record: &Record, trace: &Trace, place: u32, attempt: &Attempted, source: &dyn Source) -> Span {
    let operation = Operation::from(record.protocol).label();
    let provider = &attempt.target.provider;
    let provider = source.provider(provider).unwrap_or_else(|| provider.to_string());
    let error = match &attempt.end {
        End::Answered => None,
        End::Failed(broke) => Some(broke.class.label()),
        End::Outrun | End::GivenUp | End::Open => Some(CANCELLED),
    };
    let attributes = [
        text(key::GEN_AI_OPERATION, operation),
        text(key::GEN_AI_PROVIDER, &provider),
        text(key::GEN_AI_REQUEST_MODEL, &attempt.target.model),
        attribute(key::GEN_AI_STREAM, Any::BoolValue(record.stream)),
        text(key::SPAN_TARGET, &attempt.target.to_string()),
        text(key::SPAN_PURPOSE, attempt.purpose.label()),
        text(key::SPAN_END, attempt.end.label()),
        number(key::SPAN_GENERATION, attempt.adapter.generation),
    ];
    let first = attempt.first_content.filter(|_| record.stream);
    let tokens = attempt.tokens.as_ref();
    let more = [
        first.map(|first| attribute(key::GEN_AI_FIRST_CHUNK, Any::DoubleValue(first.as_secs_f64()))),
        tokens.map(|tokens| number(key::GEN_AI_INPUT_TOKENS, tokens.input_tokens)),
        tokens.map(|tokens| number(key::GEN_AI_OUTPUT_TOKENS, tokens.output_tokens)),
        attempt
            .failure()
            .and_then(|broke| broke.status)
            .map(|status| number(key::HTTP_STATUS, status.into())),
        attempt.injected().map(|injected| text(key::SPAN_FAULT, &injected.kind)),
        error.map(|error| text(key::ERROR_TYPE, error)),
    ];
    Span {
        span_id: trace.attempt(place).to_be_bytes().to_vec(),
        parent_span_id: trace.span_id.to_be_bytes().to_vec(),
        name: format!("{operation} {}", attempt.target.model),
        kind: SpanKind::Client.into(),
        attributes: attributes.into_iter().chain(more.into_iter().flatten()).collect(),
        status: failed(attempt.failure().map(|broke| broke.class.label())),
        ..timed(record, trace, attempt.began, attempt.took)
    }
}

/// A span of this request that began so long after it.
fn timed(record: &Record, trace: &Trace, began: Duration, took: Duration) -> Span {
    let began = record.started + began;
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
