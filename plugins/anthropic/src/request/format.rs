//! Answers that have to be JSON.

use seawall_translate::Json;
use seawall_translate::settings::Format;

use crate::models::Model;
use crate::request::schema;

/// The reserved tool whose input is the answer. The name alone tells it from a client's tool, because a decoder knows
/// nothing of the request.
pub(crate) const JSON_ANSWER: &str = "seawall_json_answer";

/// The API has no mode for any JSON object, so the model is asked for it.
pub(super) const OBJECT_INSTRUCTION: &str = "Answer with a single valid JSON object and nothing else: no prose before or after it, no code fence around it.";

/// The API's own structured output, where the model has it.
pub(super) fn native(format: Format<'_>, model: Model) -> Option<Json<'_>> {
    match format {
        Format::Schema { schema, .. } if model.has_structured_output() => {
            Some(Json::object().with("type", "json_schema").with("schema", schema::strict(schema)))
        }
        _ => None,
    }
}

/// Elsewhere a tool that takes the answer as its input.
pub(super) fn answer_tool(format: Format<'_>, model: Model) -> Option<Json<'_>> {
    match format {
        Format::Schema { description, schema, .. } if !model.has_structured_output() => {
            let description = description.unwrap_or("Gives the final answer. Its input is the answer.");
            let tool = Json::object().with("name", JSON_ANSWER).with("description", description);
            Some(tool.with("input_schema", schema::object(schema.lend())))
        }
        _ => None,
    }
}
