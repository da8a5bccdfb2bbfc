//! How the answer is to be made.

use seawall_plugin::adapter::Target;
use seawall_plugin::error::ProviderError;
use seawall_translate::Json;
use seawall_translate::settings::{self, Effort, Format};

use crate::models::Model;
use crate::request::schema;

pub(super) fn write<'a>(
    chat: &'a Json<'_>,
    target: &Target,
    model: Model<'_>,
    format: Format<'a>,
) -> Result<Json<'a>, ProviderError> {
    let in_body = chat.count("max_completion_tokens").or_else(|| chat.count("max_tokens"));
    let max_tokens = target.max_output_tokens.map(u64::from).or(in_body);
    let stops = settings::stops(chat)?;
    let stops = (!stops.is_empty()).then(|| stops.into_iter().map(Json::from).collect::<Json<'_>>());
    let choices = Some(settings::choices(chat)).filter(|n| *n > 1);
    let (mime, schema) = match format {
        Format::Text => (None, None),
        Format::Object => (Some("application/json"), None),
        Format::Schema { schema, .. } => (Some("application/json"), Some(schema::clean(schema))),
    };
    // Some models refuse a penalty, even one of nothing.
    let penalty = |name: &str| chat.number(name).filter(|penalty| *penalty != 0.0);
    Ok(Json::object()
        .with_some("temperature", chat.number("temperature"))
        .with_some("topP", chat.number("top_p"))
        .with_some("topK", chat.count("top_k"))
        .with_some("maxOutputTokens", max_tokens)
        .with_some("stopSequences", stops)
        .with_some("candidateCount", choices)
        .with_some("seed", seed(chat))
        .with_some("presencePenalty", penalty("presence_penalty"))
        .with_some("frequencyPenalty", penalty("frequency_penalty"))
        .with_some("responseMimeType", mime)
        .with_some("responseJsonSchema", schema)
        .with_some("thinkingConfig", settings::effort(chat)?.and_then(|effort| thinking(effort, model))))
}

/// Chat seeds have 64 bits, these have 32: equal seeds stay equal.
fn seed(chat: &Json<'_>) -> Option<u32> {
    const POSITIVE: u64 = 0x7fff_ffff;
    let seed = chat.number("seed")?.abs();
    u32::try_from((seed as u64) & POSITIVE).ok()
}

fn thinking(effort: Effort, model: Model<'_>) -> Option<Json<'static>> {
    let shows = effort != Effort::None;
    let config = if model.thinks_by_level() {
        Json::object().with("thinkingLevel", level(effort, model))
    } else if model.thinks_by_budget() {
        Json::object().with("thinkingBudget", budget(effort, model))
    } else {
        return None;
    };
    Some(config.with("includeThoughts", shows))
}

fn level(effort: Effort, model: Model<'_>) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal if model.knows_minimal() => "minimal",
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium if model.knows_medium() => "medium",
        Effort::Medium | Effort::High | Effort::XHigh | Effort::Max => "high",
    }
}

/// In tokens.
fn budget(effort: Effort, model: Model<'_>) -> u32 {
    const LEAST: u32 = 128;
    match effort {
        Effort::None if model.always_thinks() => LEAST,
        Effort::None => 0,
        Effort::Minimal => 512,
        Effort::Low => 1_024,
        Effort::Medium => 8_192,
        Effort::High | Effort::XHigh | Effort::Max => 24_576,
    }
}
