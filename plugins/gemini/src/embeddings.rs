//! Embeddings: one text with one method, several with another.

use seawall_plugin::prelude::*;
use seawall_translate::Json;
use seawall_translate::settings::wrong;

use crate::error;
use crate::request::{model_path, model_resource, post};

/// Writes the upstream request.
pub(crate) fn build(body: &dyn Body, target: &Target) -> Result<HttpRequest, ProviderError> {
    let json = body.json();
    let asked = Json::parse(&json)
        .map_err(|e| ProviderError::bad_request(format!("the request body is not JSON: {e}")))?;
    let one = |text| embed(text, &asked, &target.model);
    let (method, request) = match asked.get("input") {
        Some(Json::Text(text)) => ("embedContent", one(text)),
        Some(Json::List(list)) => {
            let texts = list.iter().map(|item| item.as_text().ok_or_else(|| refuse(item)));
            let texts = texts.collect::<Result<Vec<_>, _>>()?;
            let requests: Json<'_> = texts.into_iter().map(one).collect();
            ("batchEmbedContents", Json::object().with("requests", requests))
        }
        _ => return Err(wrong("input", "input must be a string or a list of strings")),
    };
    Ok(post(format!("{}:{method}", model_path(&target.model)), &request))
}

fn refuse(item: &Json<'_>) -> ProviderError {
    match item {
        Json::Number(_) | Json::List(_) => {
            ProviderError::unsupported("input", "this provider takes no token ids")
        }
        _ => wrong("input", "input must hold strings"),
    }
}

fn embed<'a>(text: &'a str, asked: &'a Json<'_>, model: &str) -> Json<'a> {
    let part = Json::object().with("text", text);
    Json::object()
        .with("model", model_resource(model))
        .with("content", Json::object().with("parts", vec![part]))
        .with_some("taskType", asked.text("task_type"))
        .with_some("outputDimensionality", asked.count("dimensions"))
}

/// Reads the reply as an embeddings list. Numbers are given out as they came; a client that asked for base64 is the
/// host's to serve.
pub(crate) fn parse(target: &Target, reply: &Reply) -> Result<Answer, ProviderError> {
    let body = Json::parse(&reply.body)
        .map_err(|e| ProviderError::malformed(format!("the reply is not JSON: {e}")))?;
    if body.get("error").is_some() {
        return Err(error::read(&body, reply.status, &reply.headers));
    }
    let vectors: Vec<&Json<'_>> =
        match (body.get("embedding"), body.get("embeddings").and_then(Json::as_list)) {
            (Some(one), _) => vec![one],
            (None, Some(several)) => several.iter().collect(),
            (None, None) => return Err(ProviderError::malformed("the reply holds no embeddings")),
        };
    let data: Json<'_> = (0..).zip(vectors).map(|(index, vector)| entry(index, vector)).collect();
    let counts = body.get("usageMetadata").and_then(|usage| usage.count("promptTokenCount"));
    let usage =
        Json::object().with("prompt_tokens", counts.unwrap_or(0)).with("total_tokens", counts.unwrap_or(0));
    let list = Json::object()
        .with("object", "list")
        .with("data", data)
        .with("model", target.model.as_str())
        .with("usage", usage);
    Ok(Answer::Body(list.to_bytes()))
}

fn entry<'a>(index: u32, vector: &'a Json<'_>) -> Json<'a> {
    let values = vector.get("values").map_or_else(|| Json::List(Vec::new()), Json::lend);
    Json::object().with("object", "embedding").with("index", index).with("embedding", values)
}
