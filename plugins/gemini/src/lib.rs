//! Adapter for Google's Gemini API.
//!
//! Takes chat completions and embeddings, and translates both. What the API cannot do is refused as an unsupported
//! parameter before any call, so that another target may answer. Choices made here:
//! - **Thought signatures** travel as provider state: on a tool call as `extra_content.google.thought_signature` (as
//!   Google's own chat endpoint does), on reasoning as `reasoning_opaque` under this adapter's mark. A model that
//!   insists on a signature gets Google's documented stand-in for calls that another provider made.
//! - **Reasoning** is asked for in the answer whenever the client names an effort.
//! - **At most one tool call** cannot be promised: `parallel_tool_calls: false` is ignored.

mod answer;
mod decoder;
mod dialect;
mod embeddings;
mod error;
mod finish;
mod models;
mod request;

#[cfg(test)]
mod tests;

use seawall_plugin::prelude::*;

use models::Model;

/// Where the API lives.
const BASE_URL: &str = "https://generativelanguage.googleapis.com/v1beta";

/// Marks this provider's state in places that others use too.
const OWNER: &str = "gemini";

/// The adapter.
#[derive(Debug)]
pub struct Gemini;

impl ProviderAdapter for Gemini {
    fn describe() -> Info {
        Info {
            manifest: Manifest {
                name: "gemini".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                description: "Google's Gemini API".to_owned(),
                config_schema: Some(
                    r#"{"type":"object","properties":{},"additionalProperties":false}"#.to_owned(),
                ),
            },
            credential_env: vec!["GEMINI_API_KEY".to_owned(), "GOOGLE_API_KEY".to_owned()],
            telemetry_name: "gcp.gemini".to_owned(),
            client_headers: Vec::new(),
        }
    }

    fn configure(config: &str) -> Result<Settings, Vec<ConfigProblem>> {
        Options::new(config).finish(Settings {
            default_base_url: Some(BASE_URL.to_owned()),
            auth: Auth::Header("x-goog-api-key".to_owned()),
            accepts: vec!["chat".to_owned(), "embeddings".to_owned()],
        })
    }

    fn model(name: &str, _config: &str) -> Result<Capabilities, Vec<ConfigProblem>> {
        Ok(Model::of(name).capabilities())
    }

    fn build_request(body: &dyn Body, target: &Target) -> Result<HttpRequest, ProviderError> {
        match body.protocol().as_str() {
            "chat" => request::build(body, target),
            "embeddings" => embeddings::build(body, target),
            other => {
                let message = format!("this provider takes no `{other}` requests");
                Err(ProviderError::new(ErrorClass::UnsupportedParameter, message))
            }
        }
    }

    fn parse_response(kind: &str, target: &Target, reply: &Reply) -> Result<Answer, ProviderError> {
        if kind == "embeddings" { embeddings::parse(target, reply) } else { answer::parse(reply) }
    }

    fn classify(_target: &Target, failure: &Failure) -> ProviderError {
        error::classify(failure)
    }

    fn decoder(_kind: &str, _target: &Target) -> Box<dyn Decoder> {
        Box::new(decoder::ChunkDecoder::default())
    }

    fn render(shape: &Shape) -> Option<Reply> {
        Some(dialect::render(shape))
    }
}

seawall_plugin::export_adapter!(Gemini);
