//! Token counts between OpenAI's usage object and the contract's record.

use serde_json::{Value, json};

use crate::adapter::Usage;

/// Reads a usage object of chat completions or embeddings; `None` when it holds no counts.
pub fn read_usage(usage: &Value) -> Option<Usage> {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    let first = |pointers: &[&str]| pointers.iter().find_map(|pointer| count(pointer));
    let input = first(&["/prompt_tokens", "/input_tokens"]);
    let output = first(&["/completion_tokens", "/output_tokens"]);
    // Embeddings may come with a total only.
    let input = if output.is_none() { input.or_else(|| count("/total_tokens")) } else { input };
    if input.is_none() && output.is_none() {
        return None;
    }
    let (input_tokens, written) = (input.unwrap_or(0), output.unwrap_or(0));
    let reasoning_tokens = first(&["/completion_tokens_details/reasoning_tokens", "/reasoning_tokens"]);
    // Some servers count reasoning beside the completion; their own total tells.
    let apart = reasoning_tokens.filter(|reasoning| {
        *reasoning > 0
            && count("/total_tokens") == Some(input_tokens.saturating_add(written).saturating_add(*reasoning))
    });
    Some(Usage {
        input_tokens,
        output_tokens: written.saturating_add(apart.unwrap_or(0)),
        cache_read_tokens: first(&[
            "/prompt_tokens_details/cached_tokens",
            "/prompt_cache_hit_tokens",
            "/cached_tokens",
        ]),
        cache_write_tokens: first(&["/prompt_tokens_details/cache_write_tokens"]),
        reasoning_tokens,
        native: Some(usage.to_string()),
    })
}

/// Writes a usage object of chat completions.
pub fn write_usage(usage: &Usage) -> Value {
    let mut written = json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
    });
    let Some(members) = written.as_object_mut() else { return written };
    let mut prompt = serde_json::Map::new();
    if let Some(read) = usage.cache_read_tokens {
        prompt.insert("cached_tokens".to_owned(), json!(read));
    }
    if let Some(stored) = usage.cache_write_tokens {
        prompt.insert("cache_write_tokens".to_owned(), json!(stored));
    }
    if !prompt.is_empty() {
        members.insert("prompt_tokens_details".to_owned(), Value::Object(prompt));
    }
    if let Some(reasoning) = usage.reasoning_tokens {
        members.insert("completion_tokens_details".to_owned(), json!({ "reasoning_tokens": reasoning }));
    }
    written
}
