//! The upstream request.

pub(crate) mod format;
mod schema;
mod thinking;
mod tools;
mod turns;

use seawall_plugin::prelude::*;
use seawall_translate::settings::Format;
use seawall_translate::tool::Toolbox;
use seawall_translate::{Json, message, settings};

use crate::API_VERSION;
use crate::models::Model;
use thinking::Thinking;
use turns::Conversation;

/// Writes the upstream request for a chat or a messages body.
pub(crate) fn build(body: &dyn Body, target: &Target) -> Result<HttpRequest, ProviderError> {
    // Each question is a call into the host. What is written here is written for one version of the API; only who speaks
    // it himself may wish for another.
    let (plan, reply, version) = match body.protocol().as_str() {
        "messages" => {
            let wish = body.header("anthropic-version");
            (BodyPlan::MergePatch(patch(body, target)), ReplyFormat::Same, wish)
        }
        "chat" => {
            let json = body.json();
            let chat = Json::parse(&json)
                .map_err(|e| ProviderError::bad_request(format!("the request body is not JSON: {e}")))?;
            let translated = translate(&chat, target)?;
            (
                BodyPlan::Full(translated.to_bytes_of_about(json.len() + 512)),
                ReplyFormat::Custom(Framing::Sse),
                None,
            )
        }
        other => {
            let message = format!("this provider takes no `{other}` requests");
            return Err(ProviderError::new(ErrorClass::UnsupportedParameter, message));
        }
    };
    let version = version.unwrap_or_else(|| API_VERSION.to_owned());
    let mut request_headers = vec![
        headers::header("content-type", "application/json"),
        headers::header("anthropic-version", version),
    ];
    if let Some(beta) = body.header("anthropic-beta") {
        request_headers.push(headers::header("anthropic-beta", beta));
    }
    Ok(HttpRequest {
        method: "POST".to_owned(),
        path_and_query: "/messages".to_owned(),
        headers: request_headers,
        body: plan,
        reply,
    })
}

/// The client's own body with the upstream's model name.
fn patch(body: &dyn Body, target: &Target) -> String {
    let asks_stream = body.member("stream").as_deref() == Some("true");
    let stream = (asks_stream != target.streaming).then_some(target.streaming);
    Json::object().with("model", target.model.as_str()).with_some("stream", stream).to_text()
}

/// A chat body as a messages body.
pub(crate) fn translate<'a>(chat: &'a Json<'_>, target: &'a Target) -> Result<Json<'a>, ProviderError> {
    let model = Model::of(&target.model);
    settings::refuse_unanswerable(chat)?;
    if settings::choices(chat) > 1 {
        return Err(ProviderError::unsupported("n", "this provider gives one choice"));
    }
    let messages = message::messages(chat)?;
    let toolbox = Toolbox::of(chat)?;
    let format = settings::format(chat)?;
    let mut conversation = Conversation::of(&messages)?;
    conversation.settle(model)?;
    let answer_tool = format::answer_tool(format, model);
    let forces_tool = answer_tool.is_some() || toolbox.forces_a_call();
    if toolbox.forces_a_call() && !model.takes_forced_tools() {
        let message = "this model cannot be made to call a tool";
        return Err(ProviderError::unsupported("tool_choice", message));
    }
    if format == Format::Object {
        conversation.instruct(format::OBJECT_INSTRUCTION);
    }
    let max_tokens = max_tokens(chat, target, model);
    let thinking = Thinking::of(chat, model, max_tokens, forces_tool || conversation.forbids_thinking())?;
    let tools = tools::write(&toolbox, model, &conversation, answer_tool);

    let mut request = Json::object().with("model", target.model.as_str()).with("max_tokens", max_tokens);
    conversation.write(&mut request);
    tools.write(&mut request);
    sampling(chat, model, thinking.by_budget(), &mut request);
    let stops = stop_sequences(chat)?;
    if !stops.is_empty() {
        request.push("stop_sequences", stops);
    }
    if let Some(thinking) = thinking.block {
        request.push("thinking", thinking);
    }
    let output = Json::object()
        .with_some("effort", thinking.effort)
        .with_some("format", format::native(format, model));
    if !output.is_empty() {
        request.push("output_config", output);
    }
    if let Some(user) = user_id(chat) {
        request.push("metadata", Json::object().with("user_id", user));
    }
    if target.streaming {
        request.push("stream", true);
    }
    Ok(request)
}

/// The client's cap, lowered to what the model takes: more is an error there, and no promise anywhere.
fn max_tokens(chat: &Json<'_>, target: &Target, model: Model) -> u32 {
    let in_body = chat.count("max_completion_tokens").or_else(|| chat.count("max_tokens"));
    let asked = target.max_output_tokens.or_else(|| in_body.map(|n| u32::try_from(n).unwrap_or(u32::MAX)));
    let asked = asked.unwrap_or_else(|| model.default_max_tokens());
    asked.min(model.max_output().unwrap_or(u32::MAX))
}

/// Chat temperatures reach 2, these reach 1. With a thinking budget the API takes none.
fn sampling(chat: &Json<'_>, model: Model, by_budget: bool, request: &mut Json<'_>) {
    if !model.takes_sampling() || by_budget {
        return;
    }
    let temperature = chat.number("temperature").map(|t| t.clamp(0.0, 1.0));
    if let Some(temperature) = temperature {
        request.push("temperature", temperature);
    }
    if let Some(top_p) = chat.number("top_p")
        && !(temperature.is_some() && model.wants_one_sampling_knob())
    {
        request.push("top_p", top_p.clamp(0.0, 1.0));
    }
    if let Some(top_k) = chat.count("top_k") {
        request.push("top_k", top_k);
    }
}

fn stop_sequences<'a>(chat: &'a Json<'_>) -> Result<Vec<Json<'a>>, ProviderError> {
    let stops = settings::stops(chat)?;
    if stops.iter().any(|stop| stop.trim().is_empty()) {
        return Err(ProviderError::unsupported("stop", "this provider takes no stop sequence of blanks"));
    }
    Ok(stops.into_iter().map(Json::from).collect())
}

/// The API refuses user ids that look like an e-mail address or a phone number, and long ones.
fn user_id<'a>(chat: &'a Json<'_>) -> Option<&'a str> {
    const LONGEST: usize = 256;
    let user = chat.text("safety_identifier").or_else(|| chat.text("user"))?;
    let personal = user.contains('@') || !user.contains(|c: char| c.is_ascii_alphabetic());
    (!personal && user.len() <= LONGEST).then_some(user)
}
