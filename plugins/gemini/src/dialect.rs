//! Failures and answers as the API itself would send them, for chaos experiments.

use seawall_plugin::adapter::{AnswerShape, FailShape};
use seawall_plugin::prelude::*;
use seawall_translate::Json;

/// Writes a shape.
pub(crate) fn render(shape: &Shape) -> Reply {
    match shape {
        Shape::Failure(fail) => failure(fail),
        Shape::Answer(answer) => self::answer(answer),
    }
}

fn failure(fail: &FailShape) -> Reply {
    let empty = AnswerShape { text: String::new(), finish: FinishReason::Stop, streaming: fail.in_stream };
    match fail.class {
        ErrorClass::EmptyAnswer => return answer(&empty),
        ErrorClass::Malformed if fail.in_stream => {
            return sse("data: {\"candidates\":[{\"cont\n\n".to_owned());
        }
        ErrorClass::Malformed => return json(200, "{\"candidates\":[{\"cont".to_owned()),
        ErrorClass::ContentFilter => {
            let refusal = Json::object().with("promptFeedback", Json::object().with("blockReason", "SAFETY"));
            return reply(&[refusal], fail.in_stream);
        }
        ErrorClass::ToolCallInvalid => {
            return reply(&[chunk("", Some("MALFORMED_FUNCTION_CALL"), 0)], fail.in_stream);
        }
        _ => {}
    }
    let (code, status, message) = words(fail.class);
    let mut error =
        Json::object().with("code", u32::from(code)).with("message", message).with("status", status);
    let details = details(fail);
    if !details.is_empty() {
        error.push("details", details);
    }
    let body = Json::object().with("error", error);
    if fail.in_stream {
        // The API ends a stream with the bare object.
        return sse(format!("data: {body}\n\n"));
    }
    json(code, body.to_text())
}

/// The API has no retry header: the hint stands among the details.
fn details(fail: &FailShape) -> Vec<Json<'static>> {
    let detail = |kind: &str| Json::object().with("@type", format!("type.googleapis.com/google.rpc.{kind}"));
    let quota = |id: &'static str| {
        let violation = Json::object().with("quotaId", id);
        detail("QuotaFailure").with("violations", vec![violation])
    };
    let mut details = match fail.class {
        ErrorClass::RateLimited => vec![quota("GenerateRequestsPerMinutePerProjectPerModel")],
        ErrorClass::QuotaExhausted => vec![quota("GenerateRequestsPerDayPerProjectPerModel")],
        ErrorClass::Auth => vec![detail("ErrorInfo").with("reason", "API_KEY_INVALID")],
        _ => Vec::new(),
    };
    if let Some(seconds) = &fail.retry_after {
        details.push(detail("RetryInfo").with("retryDelay", format!("{seconds}s")));
    }
    details
}

fn words(class: ErrorClass) -> (u16, &'static str, &'static str) {
    const INVALID: &str = "INVALID_ARGUMENT";
    match class {
        ErrorClass::RateLimited | ErrorClass::QuotaExhausted => {
            (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.")
        }
        ErrorClass::Overloaded => (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        ErrorClass::Timeout => (504, "DEADLINE_EXCEEDED", "The request took too long."),
        ErrorClass::Auth => (400, INVALID, "API key not valid. Please pass a valid API key."),
        ErrorClass::ModelNotFound => {
            (404, "NOT_FOUND", "models/simulated is not found for API version v1beta.")
        }
        ErrorClass::ContextLength => (
            400,
            INVALID,
            "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
        ),
        ErrorClass::BadRequest => (400, INVALID, "Please use a valid role: user, model."),
        ErrorClass::UnsupportedParameter => (400, INVALID, "Penalty is not enabled for this model."),
        ErrorClass::ServerError
        | ErrorClass::ContentFilter
        | ErrorClass::ToolCallInvalid
        | ErrorClass::EmptyAnswer
        | ErrorClass::Malformed => (500, "INTERNAL", "An internal error has occurred."),
    }
}

fn answer(answer: &AnswerShape) -> Reply {
    let finish = Some(finish_word(answer.finish));
    if !answer.streaming {
        return reply(&[chunk(&answer.text, finish, answer.text.len())], false);
    }
    let mut chunks: Vec<Json<'_>> =
        answer.text.split_inclusive(' ').map(|piece| chunk(piece, None, piece.len())).collect();
    chunks.push(chunk("", finish, answer.text.len()));
    reply(&chunks, true)
}

/// Four bytes are taken for a token.
fn chunk<'a>(text: &'a str, finish: Option<&'a str>, bytes: usize) -> Json<'a> {
    let content = Json::object().with("parts", vec![Json::object().with("text", text)]).with("role", "model");
    let candidate =
        Json::object().with("content", content).with_some("finishReason", finish).with("index", 0_u32);
    let written = u32::try_from(bytes.div_ceil(4)).unwrap_or(u32::MAX);
    let usage = Json::object().with("promptTokenCount", 1_u32).with("candidatesTokenCount", written);
    Json::object()
        .with("candidates", vec![candidate])
        .with("usageMetadata", usage)
        .with("modelVersion", "simulated")
        .with("responseId", "simulated")
}

fn finish_word(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop | FinishReason::StopSequence | FinishReason::ToolCalls => "STOP",
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ContentFilter => "SAFETY",
        FinishReason::Paused | FinishReason::Other => "OTHER",
    }
}

fn reply(chunks: &[Json<'_>], streaming: bool) -> Reply {
    if streaming {
        return sse(chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect());
    }
    json(200, chunks.first().map(Json::to_text).unwrap_or_default())
}

fn json(status: u16, body: String) -> Reply {
    let kind = headers::header("content-type", "application/json; charset=UTF-8");
    Reply { status, headers: vec![kind], body: body.into_bytes() }
}

fn sse(body: String) -> Reply {
    let kind = headers::header("content-type", "text/event-stream");
    Reply { status: 200, headers: vec![kind], body: body.into_bytes() }
}
