//! Tools that the model may call.

use seawall_plugin::error::ProviderError;

use crate::Json;
use crate::settings::wrong;

/// One tool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tool<'a> {
    /// A function of the client's.
    Function(Function<'a>),
    /// A tool of the provider's own, in the provider's own words: passed on as it is.
    Native(&'a Json<'a>),
}

/// A function of the client's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it does.
    pub description: Option<&'a str>,
    /// JSON schema of its arguments; none means that it takes none.
    pub parameters: Option<&'a Json<'a>>,
    /// Arguments must obey the schema.
    pub strict: bool,
    /// The definition, for extensions.
    pub raw: &'a Json<'a>,
}

/// Whether and what the model has to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// As the model likes.
    Auto,
    /// Nothing.
    None,
    /// Something.
    Required,
    /// This one.
    Function(&'a str),
}

/// The tools and how they are to be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Toolbox<'a> {
    /// Tools; already narrowed to those that the choice allows.
    pub tools: Vec<Tool<'a>>,
    /// The choice, if the client made one.
    pub choice: Option<Choice<'a>>,
    /// At most one call in an answer.
    pub single_call: bool,
}

impl<'a> Toolbox<'a> {
    /// Reads `tools`, `tool_choice` and `parallel_tool_calls`.
    ///
    /// # Errors
    /// `bad-request` for a tool or a choice that is none, `unsupported-parameter` for free-form (custom) tools.
    pub fn of(body: &'a Json<'_>) -> Result<Self, ProviderError> {
        let tools = body.list("tools").iter().enumerate().map(|(i, tool)| read_tool(i, tool));
        let mut tools = tools.collect::<Result<Vec<_>, _>>()?;
        let choice = match body.get("tool_choice") {
            None => None,
            Some(choice) => Some(read_choice(choice, &mut tools)?),
        };
        Ok(Self { tools, choice, single_call: body.flag("parallel_tool_calls") == Some(false) })
    }

    /// Whether the model must call something.
    pub fn forces_a_call(&self) -> bool {
        matches!(self.choice, Some(Choice::Required | Choice::Function(_)))
    }
}

fn read_tool<'a>(index: usize, tool: &'a Json<'_>) -> Result<Tool<'a>, ProviderError> {
    let at = |member: &str| format!("tools[{index}]{member}");
    match tool.text("type") {
        Some("function") => {}
        Some("custom") => {
            return Err(ProviderError::unsupported(&at(""), "this provider has no free-form tools"));
        }
        Some(_) => return Ok(Tool::Native(tool)),
        None => return Err(wrong(&at(".type"), "a tool needs a type")),
    }
    let function = tool.get("function");
    let named = function.and_then(|function| Some((function, function.text("name")?)));
    let Some((function, name)) = named else {
        return Err(wrong(&at(".function.name"), "a function needs a name"));
    };
    Ok(Tool::Function(Function {
        name,
        description: function.text("description"),
        parameters: function.get("parameters").filter(|schema| !schema.is_empty()),
        strict: function.flag("strict") == Some(true),
        raw: tool,
    }))
}

fn read_choice<'a>(choice: &'a Json<'_>, tools: &mut Vec<Tool<'a>>) -> Result<Choice<'a>, ProviderError> {
    if let Some(word) = choice.as_text() {
        return read_word(word);
    }
    if let Some(name) = choice.at(&["function", "name"]).and_then(Json::as_text) {
        return Ok(Choice::Function(name));
    }
    if let Some(allowed) = choice.get("allowed_tools") {
        let name_of =
            |tool: &'a Json<'_>| tool.at(&["function", "name"]).or_else(|| tool.get("name"))?.as_text();
        let names: Vec<&str> = allowed.list("tools").iter().filter_map(name_of).collect();
        tools.retain(|tool| matches!(tool, Tool::Function(function) if names.contains(&function.name)));
        return read_word(allowed.text("mode").unwrap_or("auto"));
    }
    Err(wrong("tool_choice", "tool_choice must be auto, none, required or a function"))
}

fn read_word(word: &str) -> Result<Choice<'static>, ProviderError> {
    match word {
        "auto" => Ok(Choice::Auto),
        "none" => Ok(Choice::None),
        "required" | "any" => Ok(Choice::Required),
        _ => Err(wrong("tool_choice", "tool_choice must be auto, none, required or a function")),
    }
}
