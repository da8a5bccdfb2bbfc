//! What a guest of 0.1 said, checked and in the core's types. Nothing unchecked gets past this file.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use seawall_core::class::{Class, Failure, Scope, Side};
use seawall_core::egress::{self, EgressFault};
use seawall_core::event::{Event, Finish, FinishReason, StreamEvent, ToolDelta, Usage, WireEvent};
use seawall_core::ports::{
    Answer, Auth, BodyPlan, ConfigProblem, FaultAction, FaultStep, FaultVerdict, Framing, PlainReply,
    ReplyFormat, TransportFailure, WirePlan,
};
use seawall_core::request::Protocol;
use seawall_core::target::Capabilities;
use serde::de::IgnoredAny;

use super::exports::{fault, provider};
use super::imports::types;
use crate::diagnose::{Code, Problem};

type Checked<T> = Result<T, Problem>;

pub(crate) fn wire_plan(request: provider::HttpRequest) -> Checked<WirePlan> {
    egress::check_path(&request.path_and_query).map_err(|fault| egress_problem(&fault))?;
    let pairs = request.headers.iter().map(|header| (header.name.as_str(), header.value.as_str()));
    let headers = egress::check_headers(pairs).map_err(|fault| egress_problem(&fault))?;
    let method = match request.method.as_str() {
        "POST" => Method::POST,
        "GET" => Method::GET,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        other => {
            return Err(Problem::new(
                Code::BadMethod,
                format!("`{}` is no method for an adapter", cut(other)),
            ));
        }
    };
    let body = match request.body {
        provider::BodyPlan::MergePatch(patch) => {
            json_object(patch.as_bytes(), Code::BadBody, "the merge patch")?;
            BodyPlan::MergePatch(patch)
        }
        provider::BodyPlan::Full(body) => {
            json(&body, Code::BadBody, "the request body")?;
            BodyPlan::Full(body.into())
        }
    };
    Ok(WirePlan {
        method,
        path_and_query: request.path_and_query,
        headers,
        body,
        reply: reply_format(request.reply)?,
    })
}

fn egress_problem(fault: &EgressFault) -> Problem {
    let code = match fault {
        EgressFault::Path { .. } => Code::BadPath,
        EgressFault::Header { .. } => Code::ForbiddenHeader,
    };
    Problem::new(code, fault.to_string())
}

fn reply_format(format: provider::ReplyFormat) -> Checked<ReplyFormat> {
    Ok(match format {
        provider::ReplyFormat::Same => ReplyFormat::Same,
        provider::ReplyFormat::Watched => ReplyFormat::Watched,
        provider::ReplyFormat::Custom(framing) => ReplyFormat::Custom(match framing {
            provider::Framing::Auto => Framing::Auto,
            provider::Framing::Sse => Framing::Sse,
            provider::Framing::JsonLines => Framing::JsonLines,
            provider::Framing::JsonArray => Framing::JsonArray,
            provider::Framing::AwsEventStream => {
                return Err(Problem::new(
                    Code::Framing,
                    "aws-event-stream framing is not available in this host",
                ));
            }
        }),
    })
}

fn json(bytes: &[u8], code: Code, what: &str) -> Checked<()> {
    match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem::new(code, format!("{what} is not JSON: {error}"))),
    }
}

fn json_object(bytes: &[u8], code: Code, what: &str) -> Checked<()> {
    json(bytes, code, what)?;
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        return Ok(());
    }
    Err(Problem::new(code, format!("{what} is not a JSON object")))
}

pub(crate) fn answer(answer: provider::Answer) -> Checked<Answer> {
    Ok(match answer {
        provider::Answer::Body(body) => {
            json_object(&body, Code::BadAnswer, "the translated answer")?;
            Answer::Body(body.into())
        }
        provider::Answer::Events(events) => Answer::Events(stream_events(events)?),
    })
}

fn usage(usage: types::Usage) -> Usage {
    Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cache_read_tokens: usage.cache_read_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        native: usage.native,
    }
}

pub(crate) fn provider_error(error: types::ProviderError) -> Failure {
    Failure {
        class: class(error.class),
        scope: match error.scope {
            types::Scope::Model => Scope::Model,
            types::Scope::Credential => Scope::Credential,
        },
        side: Side::Upstream,
        status: None,
        message: error.message,
        retry_after: error.retry_after_ms.map(Duration::from_millis),
        code: error.code,
        param: error.param,
    }
}

fn class(class: types::ErrorClass) -> Class {
    use types::ErrorClass;
    match class {
        ErrorClass::RateLimited => Class::RateLimited,
        ErrorClass::QuotaExhausted => Class::QuotaExhausted,
        ErrorClass::Overloaded => Class::Overloaded,
        ErrorClass::ServerError => Class::ServerError,
        // The provider waited for its own model in vain: to us that is an answer whose first token never came.
        ErrorClass::Timeout => Class::TimeoutFirstToken,
        ErrorClass::Auth => Class::Auth,
        ErrorClass::ModelNotFound => Class::ModelNotFound,
        ErrorClass::ContextLength => Class::ContextLength,
        ErrorClass::ContentFilter => Class::ContentFilter,
        ErrorClass::BadRequest => Class::BadRequest,
        ErrorClass::UnsupportedParameter => Class::UnsupportedParameter,
        ErrorClass::ToolCallInvalid => Class::ToolCallInvalid,
        ErrorClass::EmptyAnswer => Class::EmptyAnswer,
        ErrorClass::Malformed => Class::Malformed,
    }
}

pub(crate) fn stream_events(events: Vec<provider::StreamEvent>) -> Checked<Vec<StreamEvent>> {
    events
        .into_iter()
        .map(|event| Ok(StreamEvent { choice: event.choice, what: stream_event(event.what)? }))
        .collect()
}

fn stream_event(event: provider::Event) -> Checked<Event> {
    Ok(match event {
        provider::Event::Start(start) => Event::Start { id: start.id, model: start.model },
        provider::Event::Text(text) => Event::Text(text),
        provider::Event::Reasoning(part) => Event::Reasoning { text: part.text, opaque: part.opaque },
        provider::Event::ToolCall(delta) => Event::ToolCall(ToolDelta {
            index: delta.index,
            id: delta.id,
            name: delta.name,
            arguments: delta.arguments,
            opaque: delta.opaque,
        }),
        provider::Event::Usage(tokens) => Event::Usage(usage(tokens)),
        provider::Event::Finish(finish) => Event::Finish(Finish {
            reason: finish_reason(finish.reason),
            native: finish.native,
            stop_sequence: finish.stop_sequence,
        }),
        provider::Event::RawChoice(json) => {
            json_object(json.as_bytes(), Code::BadEvent, "a raw-choice event")?;
            Event::RawChoice(json)
        }
        provider::Event::Failed(error) => Event::Failed(provider_error(error)),
        provider::Event::Done => Event::Done,
    })
}

fn finish_reason(reason: types::FinishReason) -> FinishReason {
    match reason {
        types::FinishReason::Stop => FinishReason::Stop,
        types::FinishReason::StopSequence => FinishReason::StopSequence,
        types::FinishReason::Length => FinishReason::Length,
        types::FinishReason::ToolCalls => FinishReason::ToolCalls,
        types::FinishReason::ContentFilter => FinishReason::ContentFilter,
        types::FinishReason::Paused => FinishReason::Paused,
        types::FinishReason::Other => FinishReason::Other,
    }
}

pub(crate) fn capabilities(known: provider::Capabilities) -> Capabilities {
    Capabilities {
        streams: known.streams,
        tools: known.tools,
        vision: known.vision,
        json_schema: known.json_schema,
        choices: known.choices,
        continues_assistant_prefix: known.continues_assistant_prefix,
        context_window: known.context_window,
        input_price_per_1m: known.input_price_per_1m,
        output_price_per_1m: known.output_price_per_1m,
    }
}

pub(crate) fn auth(auth: provider::Auth) -> Checked<Auth> {
    Ok(match auth {
        provider::Auth::None => Auth::None,
        provider::Auth::Bearer => Auth::Bearer,
        provider::Auth::Header(name) => Auth::Header(credential_header(&name)?),
        provider::Auth::Query(name) if is_token(&name) => Auth::Query(name),
        provider::Auth::Query(name) => {
            return Err(Problem::new(Code::UnknownAuth, format!("`{}` is no query parameter", cut(&name))));
        }
        provider::Auth::Named(scheme) => {
            let name = cut(&scheme.name);
            return Err(Problem::new(Code::UnknownAuth, format!("this host has no auth scheme `{name}`")));
        }
    })
}

/// Any header may carry the secret, except those that steer the connection.
fn credential_header(name: &str) -> Checked<HeaderName> {
    let steers = |name: &HeaderName| {
        matches!(
            name.as_str(),
            "host"
                | "content-length"
                | "content-type"
                | "content-encoding"
                | "connection"
                | "keep-alive"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
                | "expect"
                | "accept-encoding"
        )
    };
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(header) if !steers(&header) => Ok(header),
        _ => Err(Problem::new(Code::UnknownAuth, format!("`{}` is no header for a credential", cut(name)))),
    }
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// Protocols of this host among those that the adapter names; later kinds are passed over.
pub(crate) fn protocols(names: &[String]) -> Checked<Vec<Protocol>> {
    let accepted: Vec<_> =
        Protocol::ALL.into_iter().filter(|p| names.iter().any(|name| name == p.as_str())).collect();
    if accepted.is_empty() {
        let names: Vec<_> = names.iter().take(8).map(|name| cut(name)).collect();
        return Err(Problem::new(Code::UnknownProtocol, format!("it accepts only: {}", names.join(", "))));
    }
    Ok(accepted)
}

/// Client headers that an adapter may read.
pub(crate) fn client_headers(names: &[String]) -> Checked<Vec<HeaderName>> {
    names
        .iter()
        .map(|name| match HeaderName::from_bytes(name.as_bytes()) {
            Ok(header) if !egress::is_reserved(header.as_str()) => Ok(header),
            _ => Err(Problem::new(
                Code::CredentialHeader,
                format!("it asks for the client header `{}`", cut(name)),
            )),
        })
        .collect()
}

pub(crate) fn config_problems(problems: Vec<types::ConfigProblem>) -> Vec<ConfigProblem> {
    problems
        .into_iter()
        .map(|problem| ConfigProblem { path: problem.path, message: problem.message, fix: problem.fix })
        .collect()
}

/// A reply that a plugin made up, from a fault or in a provider's dialect.
pub(crate) fn plain_reply(
    status: u16,
    headers: Vec<types::HeaderResult>,
    body: Vec<u8>,
) -> Checked<PlainReply> {
    let (status, headers) = (reply_status(status)?, reply_headers(headers)?);
    Ok(PlainReply { status, headers, body: body.into() })
}

fn reply_status(status: u16) -> Checked<u16> {
    if (200..=599).contains(&status) {
        return Ok(status);
    }
    Err(Problem::new(Code::BadAnswer, format!("{status} is no status of a reply")))
}

fn reply_headers(headers: Vec<types::HeaderResult>) -> Checked<HeaderMap> {
    let mut map = HeaderMap::new();
    for header in headers {
        let bad =
            || Problem::new(Code::BadAnswer, format!("`{}` is no header of a reply", cut(&header.name)));
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| bad())?;
        let value = HeaderValue::from_str(&header.value).map_err(|_| bad())?;
        map.try_append(name, value).map_err(|_| bad())?;
    }
    Ok(map)
}

pub(crate) fn verdict(verdict: fault::Verdict) -> Checked<FaultVerdict> {
    let action = match verdict.action {
        fault::Action::Pass => FaultAction::Pass,
        fault::Action::Respond(reply) => {
            FaultAction::Respond(plain_reply(reply.status, reply.headers, reply.body)?)
        }
        fault::Action::Fail(failure) => FaultAction::Fail {
            class: class(failure.class),
            retry_after: failure.retry_after,
            status: failure.status.map(reply_status).transpose()?,
        },
        fault::Action::Answer(answer) => {
            FaultAction::Answer { text: answer.text, finish: finish_reason(answer.finish) }
        }
        fault::Action::RefuseConnection => {
            FaultAction::Break(TransportFailure::Connect("connection refused".to_owned()))
        }
        fault::Action::Reset => FaultAction::Break(TransportFailure::Reset("connection reset".to_owned())),
        fault::Action::Hang => FaultAction::Hang,
        fault::Action::Rewrite(headers) => FaultAction::Rewrite(reply_headers(headers)?),
    };
    Ok(FaultVerdict { delay: Duration::from_millis(verdict.delay_ms.into()), action })
}

pub(crate) fn steps(steps: Vec<fault::Step>) -> Vec<FaultStep> {
    steps
        .into_iter()
        .map(|step| match step {
            fault::Step::WaitMs(ms) => FaultStep::Wait(Duration::from_millis(ms.into())),
            fault::Step::Raw(bytes) => FaultStep::Raw(bytes.into()),
            fault::Step::Fill(bytes) => FaultStep::Fill(bytes),
            fault::Step::Send(frame) => FaultStep::Send(WireEvent {
                headers: Vec::new(),
                event: frame.event,
                data: Bytes::from(frame.data),
            }),
            fault::Step::Fail(kind) => FaultStep::Fail(class(kind)),
            fault::Step::Stall => FaultStep::Stall,
            fault::Step::Cut => FaultStep::Cut,
            fault::Step::End => FaultStep::End,
        })
        .collect()
}

/// A guest's words, short enough for a message.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
