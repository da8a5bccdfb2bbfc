//! OpenAI chat completions, the dialect that most servers speak: the defaults of an adapter.
//!
//! [`request`] writes a merge patch, so a body keeps its own bytes; [`classify`] reads every known shape of an error
//! body; [`ChunkDecoder`] reads streams; [`parse_response`] reads plain answers and finds the failures among them.

mod calls;
mod classify;
mod error_body;
mod finish;
mod plain;
mod render;
mod request;
mod stream;
mod usage;
mod words;

pub use classify::{classify, classify_with};
pub use error_body::ErrorBody;
pub use finish::{finish_reason, finish_word};
pub use plain::{flatten, normalise, parse_response};
pub use render::{Dialect, Words, render};
pub use request::{Patch, request};
pub use stream::{ChunkDecoder, Classify};
pub use usage::{read_usage, write_usage};
pub use words::{class_of_status, class_of_word};

use crate::adapter::{Auth, Capabilities, Settings};

/// Settings of a chat server: bearer token, chat and embeddings taken.
pub fn settings(base_url: Option<&str>) -> Settings {
    Settings {
        default_base_url: base_url.map(str::to_owned),
        auth: Auth::Bearer,
        accepts: vec!["chat".to_owned(), "embeddings".to_owned()],
    }
}

/// What is assumed of a model that nobody described: everything usual, sizes and prices unknown.
pub fn capabilities() -> Capabilities {
    Capabilities {
        streams: true,
        tools: true,
        vision: true,
        json_schema: true,
        choices: true,
        continues_assistant_prefix: false,
        context_window: None,
        input_price_per_1m: None,
        output_price_per_1m: None,
    }
}

#[cfg(test)]
mod tests;
