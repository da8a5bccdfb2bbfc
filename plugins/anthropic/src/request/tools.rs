//! Tools and their choice.

use seawall_translate::Json;
use seawall_translate::tool::{Choice, Function, Tool, Toolbox};

use crate::models::Model;
use crate::request::format::JSON_ANSWER;
use crate::request::schema;
use crate::request::turns::Conversation;

/// Tools in the API's shape.
#[derive(Debug)]
pub(super) struct Tools<'a> {
    tools: Vec<Json<'a>>,
    choice: Option<Json<'a>>,
}

impl<'a> Tools<'a> {
    pub(super) fn write(self, request: &mut Json<'a>) {
        if self.tools.is_empty() {
            return;
        }
        request.push("tools", self.tools);
        if let Some(choice) = self.choice {
            request.push("tool_choice", choice);
        }
    }
}

/// `answer_tool` is the tool whose input is the answer, where the model has no structured output.
pub(super) fn write<'a>(
    toolbox: &Toolbox<'a>,
    model: Model,
    conversation: &Conversation<'a>,
    answer_tool: Option<Json<'a>>,
) -> Tools<'a> {
    let mut tools: Vec<Json<'_>> = toolbox.tools.iter().map(|tool| tool_of(tool, model)).collect();
    let has_own = !tools.is_empty();
    if !has_own {
        // The API wants every tool defined that the conversation calls, even when none may be called any more.
        tools.extend(conversation.called().into_iter().map(|name| function(name, None, None)));
    }
    if let Some(answer) = answer_tool {
        tools.push(answer);
        let choice = if has_own && toolbox.choice != Some(Choice::None) {
            Json::object().with("type", "any")
        } else {
            Json::object().with("type", "tool").with("name", JSON_ANSWER)
        };
        return Tools { tools, choice: Some(limit(choice, toolbox.single_call)) };
    }
    if !has_own {
        return Tools { tools, choice: Some(Json::object().with("type", "none")) };
    }
    let choice = match &toolbox.choice {
        None if !toolbox.single_call => None,
        None | Some(Choice::Auto) => Some(Json::object().with("type", "auto")),
        Some(Choice::None) => return Tools { tools, choice: Some(Json::object().with("type", "none")) },
        Some(Choice::Required) => Some(Json::object().with("type", "any")),
        Some(Choice::Function(name)) => Some(Json::object().with("type", "tool").with("name", *name)),
    };
    Tools { tools, choice: choice.map(|choice| limit(choice, toolbox.single_call)) }
}

fn limit(choice: Json<'_>, single_call: bool) -> Json<'_> {
    choice.with_some("disable_parallel_tool_use", single_call.then_some(true))
}

fn tool_of<'a>(tool: &Tool<'a>, model: Model) -> Json<'a> {
    match tool {
        Tool::Native(native) => native.lend(),
        Tool::Function(Function { name, description, parameters, strict, raw }) => {
            let strict = *strict && model.has_structured_output();
            let parameters =
                parameters.map(|schema| if strict { schema::strict(schema) } else { schema.lend() });
            function(name, *description, parameters)
                .with_some("strict", strict.then_some(true))
                .with_some("cache_control", raw.get("cache_control"))
        }
    }
}

fn function<'a>(name: &'a str, description: Option<&'a str>, schema: Option<Json<'a>>) -> Json<'a> {
    Json::object()
        .with("name", name)
        .with_some("description", description)
        .with("input_schema", schema::object(schema.unwrap_or_else(Json::object)))
}
