//! Adapter for Anthropic's Messages API.
//!
//! Takes chat completions, which it translates, and messages, which keep their own bytes.
//!
//! What a chat body cannot say is left at the provider's defaults; what the API cannot do is refused as an unsupported
//! parameter before any call, so that another target may answer. Choices made here:
//! - **JSON schema**: the API's own structured output where the model has it, else a forced tool whose input becomes
//!   the answer's text ([`request::format`]).
//! - **Reasoning**: adaptive thinking with an effort where the model has it, else a token budget
//!   ([`request::thinking`]). Signatures travel as provider state and come back with the next turn ([`state`]).
//! - **Penalties, seed and logit bias** are ignored: an answer without them is still the answer that was asked for.

mod answer;
mod decoder;
mod dialect;
mod error;
mod models;
mod request;
mod state;
mod usage;

#[cfg(test)]
mod tests;

use seawall_plugin::prelude::*;

use models::Model;

/// Where the API lives.
const BASE_URL: &str = "https://api.anthropic.com/v1";
/// The API version that everything in here was written against.
const API_VERSION: &str = "2023-06-01";

/// The adapter.
#[derive(Debug)]
pub struct Anthropic;

impl ProviderAdapter for Anthropic {
    fn describe() -> Info {
        Info {
            manifest: Manifest {
                name: "anthropic".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                description: "Anthropic's Messages API".to_owned(),
                config_schema: Some(
                    r#"{"type":"object","properties":{},"additionalProperties":false}"#.to_owned(),
                ),
            },
            credential_env: vec!["ANTHROPIC_API_KEY".to_owned()],
            telemetry_name: "anthropic".to_owned(),
            client_headers: vec!["anthropic-beta".to_owned(), "anthropic-version".to_owned()],
        }
    }

    fn configure(config: &str) -> Result<Settings, Vec<ConfigProblem>> {
        Options::new(config).finish(Settings {
            default_base_url: Some(BASE_URL.to_owned()),
            auth: Auth::Header("x-api-key".to_owned()),
            accepts: vec!["chat".to_owned(), "messages".to_owned()],
        })
    }

    fn model(name: &str, _config: &str) -> Result<Capabilities, Vec<ConfigProblem>> {
        Ok(Model::of(name).capabilities())
    }

    fn build_request(body: &dyn Body, target: &Target) -> Result<HttpRequest, ProviderError> {
        request::build(body, target)
    }

    fn parse_response(kind: &str, _target: &Target, reply: &Reply) -> Result<Answer, ProviderError> {
        answer::parse(kind, reply)
    }

    fn classify(_target: &Target, failure: &Failure) -> ProviderError {
        error::classify(failure)
    }

    fn decoder(kind: &str, _target: &Target) -> Box<dyn Decoder> {
        Box::new(decoder::MessageDecoder::new(kind))
    }

    fn render(shape: &Shape) -> Option<Reply> {
        Some(dialect::render(shape))
    }
}

seawall_plugin::export_adapter!(Anthropic);
