//! Adapter for any server that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, OpenRouter, DeepSeek,
//! Mistral, Azure OpenAI, xAI, Perplexity, Together, Hugging Face and others.
//!
//! Such servers take liberties: typed content blocks, reasoning under two names, tool calls without an index, errors
//! inside a 200 or inside a choice. Plain replies are therefore read here, and changed only where they bend the format.
//! Streams keep their own bytes, and what a server adds to them, unless the model is known to stream typed blocks;
//! `"replies": "translated"` has every stream written anew. What differs between installations is a setting, checked
//! when it is loaded.

mod config;
mod models;
#[cfg(test)]
mod tests;

use seawall_plugin::models::capabilities;
use seawall_plugin::prelude::*;

use config::{Config, Replies};

/// The adapter.
#[derive(Debug)]
pub struct Compatible;

impl ProviderAdapter for Compatible {
    fn describe() -> Info {
        Info {
            manifest: Manifest {
                name: "openai-compatible".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                description: "Any server that speaks OpenAI's chat completions; needs a base URL".to_owned(),
                config_schema: Some(include_str!("config.schema.json").to_owned()),
            },
            credential_env: Vec::new(),
            telemetry_name: "openai_compatible".to_owned(),
            client_headers: Vec::new(),
        }
    }

    fn configure(config: &str) -> Result<Settings, Vec<ConfigProblem>> {
        let config = Config::read(config)?;
        Ok(Settings { auth: config.auth, ..chat::settings(None) })
    }

    fn model(name: &str, _config: &str) -> Result<Capabilities, Vec<ConfigProblem>> {
        Ok(capabilities(models::TABLE, name))
    }

    fn build_request(body: &dyn Body, target: &Target) -> Result<HttpRequest, ProviderError> {
        let config = Config::read(&target.config).map_err(|_| {
            // The host configures before it calls; this is its own mistake, not the client's.
            ProviderError::malformed("the adapter's configuration is not valid")
        })?;
        let mut patch = chat::Patch::new(body, target);
        if config.stream_usage {
            patch = patch.with_stream_usage();
        }
        if patch.is_chat() {
            config.apply(&mut patch);
        }
        for (name, value) in &config.headers {
            patch.header(name, value);
        }
        for (name, value) in &config.query {
            patch.query(name, value);
        }
        let translate = !target.streaming || models::streams_typed_blocks(&target.model);
        patch.into_request(match config.replies {
            Replies::Translated => ReplyFormat::Custom(Framing::Auto),
            Replies::Auto if translate => ReplyFormat::Custom(Framing::Auto),
            Replies::Auto | Replies::Watched => ReplyFormat::Watched,
            Replies::Same => ReplyFormat::Same,
        })
    }

    fn classify(_target: &Target, failure: &Failure) -> ProviderError {
        classify(failure)
    }

    fn parse_response(kind: &str, _target: &Target, reply: &Reply) -> Result<Answer, ProviderError> {
        chat::parse_response(kind, reply, classify)
    }

    fn decoder(_kind: &str, _target: &Target) -> Box<dyn Decoder> {
        Box::new(chat::ChunkDecoder::with_classify(classify))
    }
}

/// As every chat server; besides, 498 is a bad token (Cohere), and an aggregator carries the limiting provider's
/// headers inside its body.
fn classify(failure: &Failure) -> ProviderError {
    let mut carried = None;
    let error = chat::classify_with(failure, |body, status| {
        carried = carried_hint(&body.object, &failure.headers);
        let named = body.words.iter().any(|word| chat::class_of_word(word).is_some());
        (status == Some(498) && !named).then_some(ErrorClass::Auth)
    });
    let hint = error.retry_after_ms.or(carried);
    error.with_retry_after_ms(hint)
}

/// The hint in `metadata.headers` of an error, measured against the reply's own date.
fn carried_hint(error: &Value, outer: &[seawall_plugin::adapter::Header]) -> Option<u64> {
    let carried = error.pointer("/metadata/headers")?.as_object()?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut all: Vec<_> =
        carried.iter().map(|(name, value)| headers::header(name.as_str(), text(value))).collect();
    all.extend(headers::get(outer, "date").map(|date| headers::header("date", date)));
    retry::hint_ms(&all)
}

seawall_plugin::export_adapter!(Compatible);
