//! The core's types as a guest of 0.1 sees them.

use std::borrow::Cow;

use http::HeaderMap;
use seawall_core::class::Class;
use seawall_core::egress;
use seawall_core::event::{FinishReason, WireEvent};
use seawall_core::note::Circuit;
use seawall_core::ports::{
    AdapterTarget, CandidateStats, FaultAttempt, PlainReply, RawFailure, RouteQuestion, Shape,
};

use super::exports::{dialect, fault, policy, provider};
use super::imports::types::{self, ErrorClass, HeaderParam};

/// A reply's headers as text. What they say about the way and not about the answer stays outside: there are many of
/// these, and each costs two allocations in the guest.
pub(crate) fn texts(map: &HeaderMap) -> Vec<(&str, Cow<'_, str>)> {
    map.iter()
        .filter(|(name, _)| !egress::is_about_the_way(name.as_str()))
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect()
}

pub(crate) fn headers<'a, V: AsRef<str>>(texts: &'a [(impl AsRef<str>, V)]) -> Vec<HeaderParam<'a>> {
    texts.iter().map(|(name, value)| HeaderParam { name: name.as_ref(), value: value.as_ref() }).collect()
}

pub(crate) fn target<'a>(target: &'a AdapterTarget, config: &'a str) -> provider::Target<'a> {
    let AdapterTarget { model, max_output_tokens, streaming, .. } = target;
    provider::Target { model, max_output_tokens: *max_output_tokens, streaming: *streaming, config }
}

/// With its headers.
pub(crate) fn reply<'a>(reply: &'a PlainReply, headers: &'a [HeaderParam<'a>]) -> provider::ReplyParam<'a> {
    provider::ReplyParam { status: reply.status, headers, body: &reply.body }
}

/// With its headers.
pub(crate) fn failure<'a>(failure: &'a RawFailure, headers: &'a [HeaderParam<'a>]) -> provider::Failure<'a> {
    let RawFailure { status, data, in_stream, .. } = failure;
    provider::Failure { status: *status, headers, data, in_stream: *in_stream }
}

/// With its headers, which few framings have.
pub(crate) fn wire_event<'a>(
    event: &'a WireEvent,
    headers: &'a [HeaderParam<'a>],
) -> provider::WireEvent<'a> {
    provider::WireEvent { headers, event: event.event.as_deref(), data: &event.data }
}

pub(crate) fn frame(event: &WireEvent) -> fault::FrameParam<'_> {
    fault::FrameParam { event: event.event.as_deref(), data: &event.data }
}

/// The contract knows what a provider can report; what only the gateway can see is nearest to a failed server.
pub(crate) fn error_class(class: Class) -> ErrorClass {
    match class {
        Class::RateLimited => ErrorClass::RateLimited,
        Class::QuotaExhausted => ErrorClass::QuotaExhausted,
        Class::Overloaded => ErrorClass::Overloaded,
        Class::TimeoutConnect | Class::TimeoutFirstToken | Class::TimeoutStall | Class::TimeoutTotal => {
            ErrorClass::Timeout
        }
        Class::Malformed => ErrorClass::Malformed,
        Class::EmptyAnswer => ErrorClass::EmptyAnswer,
        Class::ContextLength => ErrorClass::ContextLength,
        Class::ContentFilter => ErrorClass::ContentFilter,
        Class::Auth => ErrorClass::Auth,
        Class::ModelNotFound => ErrorClass::ModelNotFound,
        Class::BadRequest => ErrorClass::BadRequest,
        Class::UnsupportedParameter => ErrorClass::UnsupportedParameter,
        Class::ToolCallInvalid => ErrorClass::ToolCallInvalid,
        Class::ServerError
        | Class::Connect
        | Class::StreamBroken
        | Class::ClientCancelled
        | Class::PluginFault => ErrorClass::ServerError,
    }
}

fn finish_reason(reason: FinishReason) -> types::FinishReason {
    match reason {
        FinishReason::Stop => types::FinishReason::Stop,
        FinishReason::StopSequence => types::FinishReason::StopSequence,
        FinishReason::Length => types::FinishReason::Length,
        FinishReason::ToolCalls => types::FinishReason::ToolCalls,
        FinishReason::ContentFilter => types::FinishReason::ContentFilter,
        FinishReason::Paused => types::FinishReason::Paused,
        FinishReason::Other => types::FinishReason::Other,
    }
}

pub(crate) fn shape(shape: &Shape) -> dialect::Shape<'_> {
    match shape {
        Shape::Failure { class, retry_after, in_stream } => dialect::Shape::Failure(dialect::FailShape {
            class: error_class(*class),
            retry_after: retry_after.as_deref(),
            in_stream: *in_stream,
        }),
        Shape::Answer { text, finish, streaming } => dialect::Shape::Answer(dialect::AnswerShape {
            text,
            finish: finish_reason(*finish),
            streaming: *streaming,
        }),
    }
}

/// Under the text of its id.
pub(crate) fn candidate<'a>(stats: &'a CandidateStats, id: &'a str) -> policy::Candidate<'a> {
    let circuit = match stats.circuit {
        Circuit::Open | Circuit::ForcedOpen => policy::Circuit::Open,
        _ if stats.gated => policy::Circuit::Gated,
        Circuit::HalfOpen => policy::Circuit::HalfOpen,
        Circuit::Closed | Circuit::ForcedClosed => policy::Circuit::Closed,
    };
    policy::Candidate {
        id,
        provider: &stats.id.provider,
        model: &stats.id.model,
        weight: stats.weight,
        circuit,
        first_token_ewma_ms: stats.first_token_ewma_ms,
        first_token_p95_ms: stats.first_token_p95_ms,
        predicted_ms: stats.predicted_ms,
        success_rate: stats.success_rate,
        samples: stats.samples,
        in_flight: stats.in_flight,
        input_cost_per_1m: stats.input_price_per_1m,
        output_cost_per_1m: stats.output_price_per_1m,
    }
}

/// Under the text of its id.
pub(crate) fn request_info<'a>(question: &'a RouteQuestion, id: &'a str) -> policy::RequestInfo<'a> {
    policy::RequestInfo {
        id,
        alias: &question.alias,
        tenant: &question.tenant,
        affinity: question.affinity.as_deref(),
        streaming: question.streaming,
        input_tokens_estimate: question.input_tokens_estimate,
        has_tools: question.has_tools,
        has_images: question.has_images,
        metadata: &[],
        now_ms: question.now_ms,
        random: question.random,
        ordinal: question.ordinal,
    }
}

/// Under the text of its request's id.
pub(crate) fn attempt<'a>(attempt: &'a FaultAttempt, request_id: &'a str) -> fault::Attempt<'a> {
    fault::Attempt {
        request_id,
        provider: &attempt.target.provider,
        model: &attempt.target.model,
        alias: &attempt.alias,
        tenant: &attempt.tenant,
        streaming: attempt.streaming,
        attempt: attempt.number,
        ordinal: attempt.ordinal,
        input_tokens: attempt.input_tokens,
        passed: attempt.passed,
        passed_tokens: attempt.passed_tokens,
        random: attempt.random,
        now_ms: attempt.now_ms,
        armed_for_ms: attempt.armed_for_ms,
    }
}
