//! Adapter for Groq: OpenAI's dialect with its own capacity status, failed tool calls and usage in streams.

mod models;
#[cfg(test)]
mod tests;

use seawall_plugin::models::{Known, find};
use seawall_plugin::prelude::*;

/// Request members that Groq refuses or does not know; none of them changes what is answered.
const UNSUPPORTED: &[&str] = &[
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "audio",
    "modalities",
    "prediction",
    "web_search_options",
    "verbosity",
    "store",
    "metadata",
    "prompt_cache_key",
    "safety_identifier",
];

/// The adapter.
#[derive(Debug)]
pub struct Groq;

impl ProviderAdapter for Groq {
    fn describe() -> Info {
        Info {
            manifest: Manifest {
                name: "groq".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                description: "Groq chat completions".to_owned(),
                config_schema: Some(include_str!("config.schema.json").to_owned()),
            },
            credential_env: vec!["GROQ_API_KEY".to_owned()],
            telemetry_name: "groq".to_owned(),
            client_headers: Vec::new(),
        }
    }

    fn configure(config: &str) -> Result<Settings, Vec<ConfigProblem>> {
        service_tier(config).map(|_| chat::settings(Some("https://api.groq.com/openai/v1")))
    }

    fn model(name: &str, _config: &str) -> Result<Capabilities, Vec<ConfigProblem>> {
        // Of an unknown model only what every model there has is assumed: n must be 1, few see images.
        let unknown =
            || Capabilities { choices: false, vision: false, json_schema: false, ..chat::capabilities() };
        Ok(find(models::TABLE, name).map_or_else(unknown, Known::capabilities))
    }

    fn build_request(body: &dyn Body, target: &Target) -> Result<HttpRequest, ProviderError> {
        let mut patch = chat::Patch::new(body, target).with_stream_usage();
        if patch.is_chat() {
            for name in UNSUPPORTED {
                patch.drop(name);
            }
            // The configuration was checked when it was loaded.
            if let Ok(Some(tier)) = service_tier(&target.config) {
                patch.set("service_tier", json!(tier));
            }
        }
        // Usage also comes in a member of Groq's own, which only the decoder knows.
        patch.into_request(ReplyFormat::Watched)
    }

    fn classify(_target: &Target, failure: &Failure) -> ProviderError {
        classify(failure)
    }

    fn decoder(_kind: &str, _target: &Target) -> Box<dyn Decoder> {
        Box::new(chat::ChunkDecoder::with_classify(classify))
    }

    fn render(shape: &Shape) -> Option<Reply> {
        DIALECT.render(shape)
    }
}

/// 498 is Groq's own status for a service tier without capacity; elsewhere it means a bad token.
fn classify(failure: &Failure) -> ProviderError {
    chat::classify_with(failure, |_, status| (status == Some(498)).then_some(ErrorClass::Overloaded))
}

fn service_tier(config: &str) -> Result<Option<&'static str>, Vec<ConfigProblem>> {
    let mut options = Options::new(config);
    let tier = options.word("service_tier", &["auto", "on_demand", "flex", "performance"]);
    options.finish(tier)
}

const DIALECT: chat::Dialect = chat::Dialect {
    failure: |class| match class {
        ErrorClass::RateLimited => Some((
            429,
            "tokens",
            json!("rate_limit_exceeded"),
            "Rate limit reached for model on tokens per minute (TPM). Please try again later.",
        )),
        ErrorClass::Overloaded => Some((
            498,
            "service_tier",
            json!("capacity_exceeded"),
            "Flex tier capacity exceeded. Please try again later.",
        )),
        _ => None,
    },
    body: |_, kind, code, message| {
        let mut body = json!({ "error": { "message": message, "type": kind, "code": code } });
        if code == "tool_use_failed"
            && let Some(error) = body.get_mut("error").and_then(Value::as_object_mut)
        {
            error.insert("failed_generation".to_owned(), json!("<function=lookup{\"city\": </function>"));
        }
        body
    },
    named_error_event: true,
    model: "simulated",
};

seawall_plugin::export_adapter!(Groq);
