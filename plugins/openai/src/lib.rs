//! Adapter for OpenAI: the client's body with another model name, and replies that keep their own bytes.

mod models;
#[cfg(test)]
mod tests;

use seawall_plugin::models::capabilities;
use seawall_plugin::prelude::*;

/// The adapter.
#[derive(Debug)]
pub struct OpenAi;

impl ProviderAdapter for OpenAi {
    fn describe() -> Info {
        Info {
            manifest: Manifest {
                name: "openai".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                description: "OpenAI chat completions and embeddings".to_owned(),
                config_schema: Some(include_str!("config.schema.json").to_owned()),
            },
            credential_env: vec!["OPENAI_API_KEY".to_owned()],
            telemetry_name: "openai".to_owned(),
            client_headers: Vec::new(),
        }
    }

    fn configure(config: &str) -> Result<Settings, Vec<ConfigProblem>> {
        account(config).map(|_| chat::settings(Some("https://api.openai.com/v1")))
    }

    fn model(name: &str, _config: &str) -> Result<Capabilities, Vec<ConfigProblem>> {
        Ok(capabilities(models::TABLE, models::base(name)))
    }

    fn build_request(body: &dyn Body, target: &Target) -> Result<HttpRequest, ProviderError> {
        let mut patch = chat::Patch::new(body, target).with_stream_usage();
        if patch.is_chat() && models::reasons(&target.model) {
            // These models refuse the older name of the limit, which most clients still send.
            patch.rename("max_tokens", "max_completion_tokens");
        }
        // The configuration was checked when it was loaded.
        for (name, value) in account(&target.config).unwrap_or_default() {
            patch.header(name, &value);
        }
        patch.into_request(ReplyFormat::Same)
    }
}

/// Headers that say on whose account a call runs.
fn account(config: &str) -> Result<Vec<(&'static str, String)>, Vec<ConfigProblem>> {
    let mut options = Options::new(config);
    let mut headers = Vec::new();
    for (setting, header) in [("organization", "openai-organization"), ("project", "openai-project")] {
        if let Some(id) = options.string(setting) {
            if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic()) {
                options.refuse(setting, "expected an id without blanks", None);
            }
            headers.push((header, id));
        }
    }
    options.finish(headers)
}

seawall_plugin::export_adapter!(OpenAi);
