//! Gemini's generateContent, its stream in both framings, and its embeddings. Fields are read in both spellings that the
//! real API accepts.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::{EmbedAsk, Event, Role, Target, Turn, Wire, headers_from};
use crate::answer::{Choice, Finish};
use crate::ask::{Ask, Framing, Reasoning, Said, Shape, Tool, ToolChoice, count, strings};
use crate::embed;
use crate::seed::letters;
use crate::trouble::{Code, RetryAfter, Trouble};

#[derive(Debug)]
pub(super) struct Gemini;

impl Wire for Gemini {
    fn ask(&self, target: Target<'_>, _headers: &HeaderMap, body: &Value) -> Result<Ask, Trouble> {
        let mut ask = read(target.model.unwrap_or_default(), body)?;
        ask.stream = target.stream;
        Ok(ask)
    }

    fn counted(&self, target: Target<'_>, body: &Value) -> Result<Value, Trouble> {
        let nested = either(body, "generateContentRequest", "generate_content_request");
        let ask = read(target.model.unwrap_or_default(), if nested.is_object() { nested } else { body })?;
        Ok(json!({"totalTokens": ask.prompt_tokens}))
    }

    fn whole(&self, turn: Turn<'_>) -> Value {
        let candidate = |(index, choice): (usize, &Choice)| candidate(index, parts(choice), Some(choice));
        chunk(turn, turn.answer.choices.iter().enumerate().map(candidate).collect())
    }

    fn events(&self, turn: Turn<'_>) -> Vec<Event> {
        let choices = &turn.answer.choices;
        let mut values: Vec<(Value, Role)> = Vec::new();
        let parts: Vec<Vec<Value>> = choices.iter().map(streamed_parts).collect();
        for place in 0..parts.iter().map(Vec::len).max().unwrap_or_default() {
            for (index, parts) in parts.iter().enumerate() {
                if let Some(part) = parts.get(place) {
                    values
                        .push((chunk(turn, vec![candidate(index, vec![part.clone()], None)]), Role::Content));
                }
            }
        }
        for (index, choice) in choices.iter().enumerate() {
            let last = candidate(index, vec![json!({"text": ""})], Some(choice));
            values.push((chunk(turn, vec![last]), Role::Finish));
        }
        frame(values, turn.ask.stream.unwrap_or(Framing::Sse))
    }

    fn error(&self, trouble: &Trouble) -> (u16, Value) {
        error(trouble)
    }

    /// The real API breaks its own framing here: the error is a bare object, without `data:`.
    fn error_event(&self, trouble: &Trouble, framing: Framing, first: bool) -> Bytes {
        let error = error(trouble).1;
        match (framing, first) {
            (Framing::Sse, _) => format!("{error}\n\n").into(),
            (Framing::Array, true) => format!("[{error}\n]\n").into(),
            (Framing::Array, false) => format!(",\r\n{error}\n]\n").into(),
        }
    }

    fn malformed(&self, framing: Framing) -> Bytes {
        match framing {
            Framing::Sse => Bytes::from_static(b"data: {\"candidates\": [\r\n\r\n"),
            Framing::Array => Bytes::from_static(b",\r\n{\"candidates\": oops}"),
        }
    }

    fn heartbeat(&self, framing: Framing) -> &'static str {
        match framing {
            Framing::Sse => ": keep-alive\r\n\r\n",
            Framing::Array => "\n",
        }
    }

    fn headers(&self, _salt: u64) -> HeaderMap {
        headers_from(&[("x-gemini-service-tier", "standard"), ("vary", "Origin, X-Origin, Referer")])
    }

    fn retry_header(&self, _trouble: &Trouble) -> Option<String> {
        None
    }

    fn content_type(&self, stream: Option<Framing>) -> &'static str {
        match stream {
            Some(Framing::Sse) => "text/event-stream",
            Some(Framing::Array) | None => "application/json; charset=UTF-8",
        }
    }

    fn embed_ask(&self, target: Target<'_>, batch: bool, body: &Value) -> Result<EmbedAsk, Trouble> {
        let single = std::slice::from_ref(body);
        let requests =
            if batch { body["requests"].as_array().map_or(&[][..], Vec::as_slice) } else { single };
        if requests.is_empty() || requests.len() > embed::MOST_TEXTS {
            return Err(Trouble::bad(
                "at least one and at most 2048 requests can be in one batch",
                "requests",
            ));
        }
        let text = |request: &Value| text_of(&request["content"]);
        let first = requests.first().unwrap_or(&Value::Null);
        Ok(EmbedAsk {
            model: target.model.unwrap_or_default().to_owned(),
            texts: requests.iter().map(text).collect(),
            dimensions: embed::dimensions(either(first, "outputDimensionality", "output_dimensionality"))?,
            base64: false,
            batch,
        })
    }

    fn embedded(&self, ask: &EmbedAsk, vectors: Vec<Vec<f32>>) -> Value {
        if ask.batch {
            let item = |values| json!({"values": values});
            return json!({"embeddings": vectors.into_iter().map(item).collect::<Vec<_>>()});
        }
        json!({"embedding": {"values": vectors.into_iter().next()}})
    }

    fn models(&self, one: Option<&str>, names: &[&str]) -> Value {
        let describe = |id: &str| {
            json!({"name": format!("models/{id}"), "version": "001", "displayName": id, "inputTokenLimit": 1_048_576,
                   "outputTokenLimit": 65_536,
                   "supportedGenerationMethods": ["generateContent", "countTokens", "embedContent"]})
        };
        match one {
            Some(id) => describe(id),
            None => json!({"models": names.iter().map(|id| describe(id)).collect::<Vec<_>>()}),
        }
    }
}

fn read(model: &str, body: &Value) -> Result<Ask, Trouble> {
    let contents = body["contents"].as_array().filter(|contents| !contents.is_empty());
    let contents = contents.ok_or_else(|| {
        Trouble::bad("* GenerateContentRequest.contents: contents is not specified", "contents")
    })?;
    let mut conversation =
        vec![Said::System(text_of(either(body, "systemInstruction", "system_instruction")))];
    for content in contents {
        conversation.push(said(content)?);
    }
    let mut ask = Ask::new(model, conversation);
    let tools = body["tools"].as_array().into_iter().flatten();
    let functions =
        tools.filter_map(|tool| either(tool, "functionDeclarations", "function_declarations").as_array());
    ask.tools = functions.flatten().filter_map(tool).collect();
    let calling =
        either(either(body, "toolConfig", "tool_config"), "functionCallingConfig", "function_calling_config");
    let allowed = strings(either(calling, "allowedFunctionNames", "allowed_function_names"));
    ask.tool_choice = match (calling["mode"].as_str(), allowed.into_iter().next()) {
        (Some("NONE"), _) => ToolChoice::None,
        (Some("ANY"), Some(name)) => ToolChoice::Named(name),
        _ => ToolChoice::Auto,
    };
    let config = either(body, "generationConfig", "generation_config");
    let schema = [
        either(config, "responseSchema", "response_schema"),
        either(config, "responseJsonSchema", "response_json_schema"),
    ];
    ask.shape = match schema.into_iter().find(|schema| !schema.is_null()) {
        Some(schema) => Shape::Schema(schema.clone()),
        None if *either(config, "responseMimeType", "response_mime_type") == "application/json" => {
            Shape::Object
        }
        None => Shape::Text,
    };
    let thinking = either(config, "thinkingConfig", "thinking_config");
    ask.reasoning = match (thinking, either(thinking, "includeThoughts", "include_thoughts") == true) {
        (_, true) => Reasoning::Shown,
        (Value::Object(_), false) if *either(thinking, "thinkingBudget", "thinking_budget") != 0 => {
            Reasoning::Hidden
        }
        _ => Reasoning::Off,
    };
    ask.choices = match either(config, "candidateCount", "candidate_count") {
        Value::Null => 1,
        n => count(n).filter(|n| (1..=8).contains(n)).ok_or_else(|| {
            Trouble::bad(
                "candidateCount must be in the range from 1 (inclusive) to 9 (exclusive)",
                "candidateCount",
            )
        })?,
    };
    ask.stops = strings(either(config, "stopSequences", "stop_sequences"));
    ask.max_tokens = count(either(config, "maxOutputTokens", "max_output_tokens"));
    Ok(ask)
}

fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> &'a Value {
    value.get(camel).or_else(|| value.get(snake)).unwrap_or(&Value::Null)
}

fn said(content: &Value) -> Result<Said, Trouble> {
    let parts = || content["parts"].as_array().into_iter().flatten();
    let results: Vec<String> = parts()
        .map(|part| either(part, "functionResponse", "function_response"))
        .filter(|result| !result.is_null())
        .map(|result| result["response"].to_string())
        .collect();
    let calls = parts().any(|part| !either(part, "functionCall", "function_call").is_null());
    Ok(match content["role"].as_str() {
        _ if !results.is_empty() => Said::ToolResult(results.join("\n")),
        None | Some("user") => Said::User(text_of(content)),
        Some("model") if calls => Said::Called,
        Some("model") => Said::Assistant(text_of(content)),
        Some(_) => return Err(Trouble::bad("Please use a valid role: user, model.", "contents")),
    })
}

/// The text of a content: its parts, thoughts left out.
fn text_of(content: &Value) -> String {
    let parts = content["parts"].as_array().into_iter().flatten();
    let text = |part: &Value| part["text"].as_str().filter(|_| part["thought"] != true).map(str::to_owned);
    parts.filter_map(text).collect::<Vec<_>>().join("\n")
}

fn tool(function: &Value) -> Option<Tool> {
    let schema =
        [&function["parameters"], either(function, "parametersJsonSchema", "parameters_json_schema")];
    let schema = schema.into_iter().find(|schema| !schema.is_null()).cloned();
    let schema = schema.unwrap_or_else(|| json!({"type": "object"}));
    Some(Tool { name: function["name"].as_str()?.to_owned(), schema })
}

const SIGNATURE: &str = "CiQBcsjafHNpbXVsYXRlZCB0aG91Z2h0IHNpZ25hdHVyZQ==";

fn thought(text: &str) -> Value {
    json!({"text": text, "thought": true})
}

fn call_part(call: &crate::answer::Call) -> Value {
    json!({"functionCall": {"name": call.name, "args": call.arguments}, "thoughtSignature": SIGNATURE})
}

fn parts(choice: &Choice) -> Vec<Value> {
    let thoughts = (!choice.reasoning.is_empty()).then(|| thought(&choice.reasoning.concat()));
    let text = (!choice.text.is_empty()).then(|| json!({"text": choice.text.concat()}));
    thoughts.into_iter().chain(text).chain(choice.calls.iter().map(call_part)).collect()
}

/// Calls are never streamed in pieces here.
fn streamed_parts(choice: &Choice) -> Vec<Value> {
    let thoughts = choice.reasoning.iter().map(|piece| thought(piece));
    let texts = choice.text.iter().map(|piece| json!({"text": piece}));
    thoughts.chain(texts).chain(choice.calls.iter().map(call_part)).collect()
}

/// One candidate; with a finish reason if `finished`.
fn candidate(index: usize, parts: Vec<Value>, finished: Option<&Choice>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": index});
    let reason = finished.map(|choice| match choice.finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Filtered => "SAFETY",
    });
    if let (Some(reason), Some(candidate)) = (reason, candidate.as_object_mut()) {
        candidate.insert("finishReason".to_owned(), json!(reason));
        if reason == "SAFETY" {
            candidate.remove("content");
        }
    }
    candidate
}

fn chunk(turn: Turn<'_>, candidates: Vec<Value>) -> Value {
    let usage = turn.answer.usage;
    let mut counts = json!({
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": usage.completion.saturating_sub(usage.reasoning),
        "totalTokenCount": usage.prompt + usage.completion,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.prompt}],
    });
    if let Some(counts) = counts.as_object_mut().filter(|_| usage.reasoning > 0) {
        counts.insert("thoughtsTokenCount".to_owned(), json!(usage.reasoning));
    }
    json!({"candidates": candidates, "usageMetadata": counts, "modelVersion": turn.ask.model,
           "responseId": letters(turn.salt, 22)})
}

fn frame(values: Vec<(Value, Role)>, framing: Framing) -> Vec<Event> {
    match framing {
        // The real API ends its lines like this.
        Framing::Sse => values
            .iter()
            .map(|(value, role)| Event { bytes: format!("data: {value}\r\n\r\n").into(), role: *role })
            .collect(),
        Framing::Array => {
            let element = |(place, (value, role)): (usize, &(Value, Role))| {
                let start = if place == 0 { "[" } else { ",\r\n" };
                Event { bytes: format!("{start}{value}").into(), role: *role }
            };
            let end = Event { bytes: Bytes::from_static(b"\n]\n"), role: Role::Terminator };
            values.iter().enumerate().map(element).chain([end]).collect()
        }
    }
}

fn error(trouble: &Trouble) -> (u16, Value) {
    const INVALID: &str = "INVALID_ARGUMENT";
    let (status, word, usual) = match &trouble.code {
        Code::BadRequest | Code::ToolFailed => (400, INVALID, "Request contains an invalid argument."),
        Code::ContextLength => (
            400,
            INVALID,
            "The input token count (1050000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        Code::ContentPolicy => (400, INVALID, "The request was blocked by the safety filters."),
        Code::Unsupported => (400, INVALID, "This model does not support this parameter."),
        Code::Auth => (400, INVALID, "API key not valid. Please pass a valid API key."),
        Code::Billing => (400, "FAILED_PRECONDITION", "Enable billing on your project in the console."),
        Code::Permission => (403, "PERMISSION_DENIED", "The caller does not have permission"),
        Code::ModelNotFound => (
            404,
            "NOT_FOUND",
            "The model is not found for API version v1beta, or is not supported for this method.",
        ),
        Code::TooLarge => (413, INVALID, "Request payload size exceeds the limit."),
        Code::RateLimit | Code::Quota => {
            (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan.")
        }
        Code::Server => (500, "INTERNAL", "An internal error has occurred. Please retry."),
        Code::BadGateway => (502, "INTERNAL", "Bad gateway."),
        Code::Overloaded | Code::Capacity => {
            (503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
        }
        Code::Timeout => {
            (504, "DEADLINE_EXCEEDED", "The deadline expired before the operation could complete.")
        }
        Code::Other(word) => (500, word.as_str(), "The simulated provider is unhappy."),
    };
    let status = trouble.status.unwrap_or(status);
    let mut error = json!({"code": status, "message": trouble.message_or(usual), "status": word});
    let details = details(trouble);
    if let (false, Some(error)) = (details.is_empty(), error.as_object_mut()) {
        error.insert("details".to_owned(), Value::Array(details));
    }
    (status, json!({"error": error}))
}

fn details(trouble: &Trouble) -> Vec<Value> {
    let quota = |id: &str| {
        json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure",
               "violations": [{"quotaMetric": "generativelanguage.googleapis.com/generate_content_requests", "quotaId": id}]})
    };
    let mut details = match trouble.code {
        Code::Auth => {
            vec![json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
                                  "domain": "googleapis.com"})]
        }
        Code::RateLimit => vec![quota("GenerateRequestsPerMinutePerProjectPerModel")],
        Code::Quota => vec![quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")],
        _ => Vec::new(),
    };
    if let Some(hint) = &trouble.retry_after {
        let delay = match hint {
            RetryAfter::Seconds(seconds) => format!("{seconds}s"),
            RetryAfter::Verbatim(text) => text.clone(),
        };
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}));
    }
    details
}
