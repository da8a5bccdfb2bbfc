//! The core's types as a guest of 0.1 sees them.

use std::sync::Arc;

use http::HeaderMap;
use seawall_core::class::Class;
use seawall_core::egress;
use seawall_core::event::{FinishReason, WireEvent};
use seawall_core::note::Circuit;
use seawall_core::ports::{
    AdapterTarget, CandidateStats, FaultAttempt, PlainReply, RawFailure, RouteQuestion, Shape,
};

use super::exports::{dialect, fault, policy, provider};
use super::imports::types::{self, ErrorClass, Header};

/// Headers for a guest. Cookies are somebody's credentials.
/// The headers of a reply. What they say about the way and not about the answer stays outside: there are many of these,
/// and each costs two allocations in the guest.
pub(crate) fn headers(map: &HeaderMap) -> Vec<Header> {
    map.iter()
        .filter(|(name, _)| !egress::is_about_the_way(name.as_str()))
        .map(|(name, value)| Header {
            name: name.as_str().to_owned(),
            value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
        })
        .collect()
}

pub(crate) fn target(target: &AdapterTarget, config: &str) -> provider::Target {
    provider::Target {
        model: target.model.as_ref().to_owned(),
        max_output_tokens: target.max_output_tokens,
        streaming: target.streaming,
        config: config.to_owned(),
    }
}

pub(crate) fn reply(reply: &PlainReply) -> provider::Reply {
    provider::Reply { status: reply.status, headers: headers(&reply.headers), body: reply.body.to_vec() }
}

pub(crate) fn failure(failure: &RawFailure) -> provider::Failure {
    provider::Failure {
        status: failure.status,
        headers: headers(&failure.headers),
        data: failure.data.to_vec(),
        in_stream: failure.in_stream,
    }
}

pub(crate) fn wire_event(event: WireEvent) -> provider::WireEvent {
    provider::WireEvent {
        headers: event.headers.into_iter().map(|(name, value)| Header { name, value }).collect(),
        event: event.event,
        data: event.data.into(),
    }
}

pub(crate) fn frame(event: WireEvent) -> fault::Frame {
    fault::Frame { event: event.event, data: event.data.into() }
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

pub(crate) fn shape(shape: Shape) -> dialect::Shape {
    match shape {
        Shape::Failure { class, retry_after, in_stream } => {
            dialect::Shape::Failure(dialect::FailShape { class: error_class(class), retry_after, in_stream })
        }
        Shape::Answer { text, finish, streaming } => {
            dialect::Shape::Answer(dialect::AnswerShape { text, finish: finish_reason(finish), streaming })
        }
    }
}

pub(crate) fn candidate(stats: &CandidateStats) -> policy::Candidate {
    let circuit = match stats.circuit {
        Circuit::Open | Circuit::ForcedOpen => policy::Circuit::Open,
        _ if stats.gated => policy::Circuit::Gated,
        Circuit::HalfOpen => policy::Circuit::HalfOpen,
        Circuit::Closed | Circuit::ForcedClosed => policy::Circuit::Closed,
    };
    policy::Candidate {
        id: stats.id.to_string(),
        provider: stats.id.provider.as_ref().to_owned(),
        model: stats.id.model.as_ref().to_owned(),
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

pub(crate) fn request_info(question: &RouteQuestion) -> policy::RequestInfo {
    policy::RequestInfo {
        id: question.id.to_string(),
        alias: question.alias.as_ref().to_owned(),
        tenant: question.tenant.as_ref().to_owned(),
        affinity: question.affinity.clone(),
        streaming: question.streaming,
        input_tokens_estimate: question.input_tokens_estimate,
        has_tools: question.has_tools,
        has_images: question.has_images,
        metadata: Vec::new(),
        now_ms: question.now_ms,
        random: question.random,
        ordinal: question.ordinal,
    }
}

pub(crate) fn attempt(attempt: &FaultAttempt) -> fault::Attempt {
    let text = |text: &Arc<str>| text.as_ref().to_owned();
    fault::Attempt {
        request_id: attempt.request.to_string(),
        provider: text(&attempt.target.provider),
        model: text(&attempt.target.model),
        alias: text(&attempt.alias),
        tenant: text(&attempt.tenant),
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
