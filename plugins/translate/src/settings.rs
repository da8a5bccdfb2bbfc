//! The request's knobs, read once and typed.

use seawall_plugin::error::ProviderError;

use crate::Json;

/// How much the model should think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as can be.
    Minimal,
    /// A little.
    Low,
    /// The middle.
    Medium,
    /// Much.
    High,
    /// Very much.
    XHigh,
    /// All it can.
    Max,
}

/// What the answer's text has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format<'a> {
    /// Anything.
    Text,
    /// Some JSON object.
    Object,
    /// JSON of this schema.
    Schema {
        /// The schema's name.
        name: &'a str,
        /// What it is for.
        description: Option<&'a str>,
        /// The schema.
        schema: &'a Json<'a>,
    },
}

/// `reasoning_effort`, also as `reasoning.effort`.
///
/// # Errors
/// `bad-request` for a word that is none.
pub fn effort(body: &Json<'_>) -> Result<Option<Effort>, ProviderError> {
    let Some(word) = body.text("reasoning_effort").or_else(|| body.at(&["reasoning", "effort"])?.as_text())
    else {
        return Ok(None);
    };
    let effort = match word {
        "none" => Effort::None,
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => {
            let message = "reasoning_effort must be none, minimal, low, medium, high, xhigh or max";
            return Err(wrong("reasoning_effort", message));
        }
    };
    Ok(Some(effort))
}

/// `stop`: one sequence or several.
///
/// # Errors
/// `bad-request` when it is neither.
pub fn stops<'a>(body: &'a Json<'_>) -> Result<Vec<&'a str>, ProviderError> {
    match body.get("stop") {
        None => Ok(Vec::new()),
        Some(Json::Text(one)) => Ok(vec![one.as_ref()]),
        Some(Json::List(several)) => {
            let texts: Option<Vec<&str>> = several.iter().map(Json::as_text).collect();
            texts.ok_or_else(|| wrong("stop", "stop must hold strings"))
        }
        Some(_) => Err(wrong("stop", "stop must be a string or a list of strings")),
    }
}

/// `response_format`.
///
/// # Errors
/// `bad-request` for a kind that does not exist or a schema that is missing.
pub fn format<'a>(body: &'a Json<'_>) -> Result<Format<'a>, ProviderError> {
    let Some(format) = body.get("response_format") else { return Ok(Format::Text) };
    match format.text("type") {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::Object),
        Some("json_schema") => {
            let spec = format.get("json_schema");
            let schema = spec.and_then(|spec| spec.get("schema")).filter(|schema| schema.is_object());
            let (Some(spec), Some(schema)) = (spec, schema) else {
                return Err(wrong("response_format.json_schema.schema", "the JSON schema is missing"));
            };
            let name = spec.text("name").unwrap_or("answer");
            Ok(Format::Schema { name, description: spec.text("description"), schema })
        }
        _ => Err(wrong(
            "response_format.type",
            "response_format.type must be text, json_object or json_schema",
        )),
    }
}

/// Choices asked for.
pub fn choices(body: &Json<'_>) -> u64 {
    body.count("n").unwrap_or(1)
}

/// Refuses what neither of the providers behind this crate can give and what an answer without it would hide.
///
/// # Errors
/// `unsupported-parameter`, naming the member.
pub fn refuse_unanswerable(body: &Json<'_>) -> Result<(), ProviderError> {
    if body.flag("logprobs") == Some(true) {
        return Err(ProviderError::unsupported("logprobs", "this provider gives no token probabilities"));
    }
    if body.list("modalities").iter().any(|m| m.as_text().is_some_and(|m| m != "text")) {
        return Err(ProviderError::unsupported("modalities", "this provider answers in text only"));
    }
    for legacy in ["functions", "function_call"] {
        if body.get(legacy).is_some() {
            return Err(ProviderError::unsupported(legacy, "use tools instead of functions"));
        }
    }
    Ok(())
}

/// A request member that is wrong everywhere.
pub fn wrong(param: &str, message: &str) -> ProviderError {
    ProviderError::bad_request(message).with_param(Some(param.to_owned()))
}
