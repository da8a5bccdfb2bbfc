//! Whether answering a request does something beyond the answer. Such a request is never called twice on purpose.

use serde::Deserialize;

use super::loose::{List, Text};
use crate::body::RequestBody;
use crate::request::Protocol;

/// Tools of Anthropic's with a type of their own that run at the client all the same, without the date in their names.
const CLIENT_TOOLS: [&str; 4] = ["bash_", "computer_", "memory_", "text_editor_"];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

/// The provider stores the answer, or runs tools itself. Tools whose type is unknown count as the provider's, for a tool
/// that runs twice does more harm than a call that is not doubled.
pub(super) fn has_side_effects(body: &RequestBody) -> bool {
    let said = |name: &str| body.member(name).is_some_and(|value| !matches!(value, "null" | "false" | "[]"));
    let by_client = |kind: &str| match body.protocol() {
        Protocol::Messages => kind == "custom" || CLIENT_TOOLS.iter().any(|tool| kind.starts_with(tool)),
        Protocol::Chat | Protocol::Embeddings => matches!(kind, "function" | "custom"),
    };
    ["store", "web_search_options", "mcp_servers", "container"].into_iter().any(said)
        || any_tool(body, |kind| !by_client(kind))
}

fn any_tool(body: &RequestBody, is_meant: impl Fn(&str) -> bool) -> bool {
    let Some(tools) = body.member("tools") else { return false };
    let tools = serde_json::from_str::<List<Tool<'_>>>(tools).unwrap_or_default();
    // A tool without a type is a function.
    tools.0.iter().any(|tool| tool.kind.some().is_some_and(&is_meant))
}
