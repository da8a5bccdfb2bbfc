//! Token counts. The API counts cached input beside the rest, the contract counts all input.

use seawall_plugin::adapter::Usage;
use seawall_translate::Json;

/// A stream tells its counts twice; later ones replace earlier ones member by member.
pub(crate) fn merge(known: &mut Json<'static>, update: &Json<'_>) {
    if !known.is_object() {
        *known = Json::object();
    }
    for (name, value) in update.members().unwrap_or_default() {
        if *value != Json::Null {
            known.set(name.clone().into_owned(), value.to_own());
        }
    }
}

/// The contract's record; `None` when there are no counts.
pub(crate) fn read(usage: &Json<'_>) -> Option<Usage> {
    let input = usage.count("input_tokens");
    let output = usage.count("output_tokens");
    if input.is_none() && output.is_none() {
        return None;
    }
    let cache_read = usage.count("cache_read_input_tokens");
    let cache_write = usage.count("cache_creation_input_tokens");
    let all_input = [input, cache_read, cache_write].into_iter().flatten().fold(0, u64::saturating_add);
    Some(Usage {
        input_tokens: all_input,
        output_tokens: output.unwrap_or(0),
        cache_read_tokens: cache_read,
        cache_write_tokens: cache_write,
        reasoning_tokens: usage
            .get("output_tokens_details")
            .and_then(|details| details.count("thinking_tokens")),
        native: Some(usage.to_text()),
    })
}
