//! The upstream request.

mod config;
mod contents;
mod schema;
mod tools;

use seawall_plugin::prelude::*;
use seawall_translate::settings::{self, Format};
use seawall_translate::tool::{Choice, Toolbox};
use seawall_translate::{Json, message};

use crate::models::Model;

/// Writes the upstream request for a chat body.
pub(crate) fn build(body: &dyn Body, target: &Target) -> Result<HttpRequest, ProviderError> {
    let json = body.json();
    let chat = Json::parse(&json)
        .map_err(|e| ProviderError::bad_request(format!("the request body is not JSON: {e}")))?;
    let method = if target.streaming { "streamGenerateContent?alt=sse" } else { "generateContent" };
    Ok(post(format!("{}:{method}", model_path(&target.model)), &translate(&chat, target)?))
}

/// A chat body as the API's own.
pub(crate) fn translate<'a>(chat: &'a Json<'_>, target: &'a Target) -> Result<Json<'a>, ProviderError> {
    let model = Model::of(&target.model);
    settings::refuse_unanswerable(chat)?;
    if settings::choices(chat) > 1 && !model.capabilities().choices {
        return Err(ProviderError::unsupported("n", "this model gives one choice"));
    }
    let toolbox = Toolbox::of(chat)?;
    let format = settings::format(chat)?;
    let may_call = !toolbox.tools.is_empty() && toolbox.choice != Some(Choice::None);
    if may_call && format != Format::Text && !model.mixes_tools_and_schema() {
        let message = "this model does not answer in JSON while it has tools";
        return Err(ProviderError::unsupported("response_format", message));
    }
    let messages = message::messages(chat)?;
    let conversation = contents::write(&messages, model)?;
    let mut request = Json::object().with("contents", conversation.contents);
    if !conversation.system.is_empty() {
        request.push("systemInstruction", Json::object().with("parts", conversation.system));
    }
    tools::write(&toolbox, &mut request)?;
    let config = config::write(chat, target, model, format)?;
    if !config.is_empty() {
        request.push("generationConfig", config);
    }
    let safety = chat.get("safety_settings").or_else(|| chat.get("safetySettings"));
    Ok(request.with_some("safetySettings", safety))
}

/// A JSON request whose reply may come as events or as one list.
pub(crate) fn post(path_and_query: String, body: &Json<'_>) -> HttpRequest {
    HttpRequest {
        method: "POST".to_owned(),
        path_and_query,
        headers: vec![headers::header("content-type", "application/json")],
        body: BodyPlan::Full(body.to_bytes()),
        reply: ReplyFormat::Custom(Framing::Auto),
    }
}

/// `models/name`; names that already say what they are (`tunedModels/name`) stay.
pub(crate) fn model_resource(model: &str) -> String {
    if model.contains('/') { model.to_owned() } else { format!("models/{model}") }
}

/// The model's path, with everything encoded that could mean something else in one.
pub(crate) fn model_path(model: &str) -> String {
    let mut path = String::from("/");
    for byte in model_resource(model).bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
