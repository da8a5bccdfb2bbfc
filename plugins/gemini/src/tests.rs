mod answers;
mod embeddings;
mod failures;
mod recordings;
mod requests;

use seawall_plugin::prelude::*;

fn target(model: &str) -> Target {
    Target { model: model.to_owned(), max_output_tokens: None, streaming: false, config: "{}".to_owned() }
}

fn reply(body: &Value) -> Reply {
    Reply { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() }
}
