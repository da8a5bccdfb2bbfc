mod answers;
mod failures;
mod recordings;
mod requests;
mod streams;
mod wire;

use seawall_plugin::prelude::*;

fn target(model: &str) -> Target {
    Target { model: model.to_owned(), max_output_tokens: None, streaming: false, config: "{}".to_owned() }
}
