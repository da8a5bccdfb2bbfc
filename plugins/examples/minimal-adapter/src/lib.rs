//! The smallest adapter: a server that speaks OpenAI's chat completions and takes a bearer token.
//!
//! Copy this folder, change the three constants, build with `cargo build --release --target wasm32-wasip2`, and drop
//! the `.wasm` file into the gateway's plugins directory. Everything else (requests, streams, failures, usage) is a
//! default of the SDK; override a method of `ProviderAdapter` where the server differs.

use seawall_plugin::prelude::*;

const NAME: &str = "minimal-adapter";
const BASE_URL: &str = "https://llm.example/v1";
const KEY_VARIABLE: &str = "EXAMPLE_API_KEY";

/// The adapter.
#[derive(Debug)]
pub struct Minimal;

impl ProviderAdapter for Minimal {
    fn describe() -> Info {
        Info {
            manifest: Manifest {
                name: NAME.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                description: "A server that speaks OpenAI's chat completions".to_owned(),
                config_schema: None,
            },
            credential_env: vec![KEY_VARIABLE.to_owned()],
            telemetry_name: NAME.to_owned(),
            client_headers: Vec::new(),
        }
    }

    fn configure(config: &str) -> Result<Settings, Vec<ConfigProblem>> {
        Options::new(config).finish(chat::settings(Some(BASE_URL)))
    }
}

seawall_plugin::export_adapter!(Minimal);
