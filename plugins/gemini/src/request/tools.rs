//! Tools and their choice.

use seawall_plugin::error::ProviderError;
use seawall_translate::Json;
use seawall_translate::tool::{Choice, Function, Tool, Toolbox};

use crate::request::schema;

/// The provider's own tools, as chat requests name them and as the API does.
const NATIVE: [(&str, &str); 5] = [
    ("google_search", "googleSearch"),
    ("code_execution", "codeExecution"),
    ("url_context", "urlContext"),
    ("google_maps", "googleMaps"),
    ("file_search", "fileSearch"),
];

pub(super) fn write<'a>(toolbox: &Toolbox<'a>, request: &mut Json<'a>) -> Result<(), ProviderError> {
    let mut functions = Vec::new();
    let mut tools = Vec::new();
    for tool in &toolbox.tools {
        match tool {
            Tool::Function(function) => functions.push(declaration(function)),
            Tool::Native(native) => tools.push(own(native)?),
        }
    }
    let has_functions = !functions.is_empty();
    if has_functions {
        tools.insert(0, Json::object().with("functionDeclarations", functions));
    }
    if tools.is_empty() {
        return Ok(());
    }
    request.push("tools", tools);
    let calling = match &toolbox.choice {
        None | Some(Choice::Auto) => None,
        Some(Choice::None) => Some(mode("NONE")),
        Some(Choice::Required) => Some(mode("ANY")),
        Some(Choice::Function(name)) => {
            Some(mode("ANY").with("allowedFunctionNames", vec![Json::from(*name)]))
        }
    };
    if let Some(calling) = calling.filter(|_| has_functions) {
        request.push("toolConfig", Json::object().with("functionCallingConfig", calling));
    }
    Ok(())
}

fn mode(word: &str) -> Json<'_> {
    Json::object().with("mode", word)
}

fn declaration<'a>(function: &Function<'a>) -> Json<'a> {
    Json::object()
        .with("name", function.name)
        .with("description", function.description.unwrap_or_default())
        .with_some("parametersJsonSchema", function.parameters.map(schema::clean))
}

fn own<'a>(native: &'a Json<'_>) -> Result<Json<'a>, ProviderError> {
    let kind = native.text("type").unwrap_or_default();
    let Some((_, name)) = NATIVE.iter().find(|(word, name)| *word == kind || *name == kind) else {
        return Err(ProviderError::unsupported("tools", format!("this provider has no tool `{kind}`")));
    };
    let mut settings = Json::object();
    for (member, value) in native.members().unwrap_or_default() {
        if member != "type" {
            settings.push(&**member, value);
        }
    }
    Ok(Json::object().with(*name, settings))
}
