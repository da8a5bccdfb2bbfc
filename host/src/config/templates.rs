//! `[templates.NAME]`: the operator's words around clients' system prompts, for the targets that a pattern names.
//!
//! A template that is loaded can be rendered: it parses, knows no variable but the four that it is given, and has been
//! tried on a prompt. What still fails at a request leaves that request's own prompt as it is.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use minijinja::{Environment, UndefinedBehavior, context};
use seawall_core::ports::{PromptFacts, PromptTemplate, TemplateRef};
use seawall_core::target::TargetId;
use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::DeValue;

use super::names::nearest;
use super::reader::{At, Context, Section, wrong_type};
use super::{Problem, value};

/// What a template may name.
const VARIABLES: [&str; 4] = ["system", "model", "provider", "degraded"];
/// Steps of one rendering: a prompt has some hundred, a loop without end has them all.
const FUEL: u64 = 100_000;
/// Of a template's text and of what becomes of it, in bytes.
const LONGEST: usize = 1 << 20;
/// Hexadecimal digits: enough to tell a file's versions apart.
const VERSION_DIGITS: usize = 12;
/// The one name inside an environment.
const TEXT: &str = "system";

/// All templates, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Templates(Vec<(Vec<Pattern>, Arc<Template>)>);

impl Templates {
    /// The first one whose pattern names this target.
    pub fn of(&self, target: &TargetId) -> Option<Arc<dyn PromptTemplate>> {
        if self.0.is_empty() {
            return None;
        }
        let name = target.to_string();
        let (_, template) = self.0.iter().find(|(patterns, _)| patterns.iter().any(|p| p.covers(&name)))?;
        Some(Arc::clone(template) as Arc<dyn PromptTemplate>)
    }

    /// Name and version of each, in the order of the file.
    pub fn list(&self) -> impl Iterator<Item = &TemplateRef> {
        self.0.iter().map(|(_, template)| &template.id)
    }
}

/// A target's name in which `*` stands for any letters.
#[derive(Clone, Debug)]
struct Pattern(String);

impl Pattern {
    fn covers(&self, name: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut pieces = pieces.peekable();
        if pieces.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                return rest.ends_with(piece);
            }
            let Some((_, behind)) = rest.split_once(piece) else { return false };
            rest = behind;
        }
        true
    }
}

#[derive(Debug)]
struct Template {
    id: TemplateRef,
    jinja: Environment<'static>,
}

impl PromptTemplate for Template {
    fn template(&self) -> &TemplateRef {
        &self.id
    }

    fn render(&self, facts: &PromptFacts<'_>) -> Result<String, String> {
        let variables = context! {
            system => facts.system,
            model => &*facts.target.model,
            provider => &*facts.target.provider,
            degraded => facts.degraded,
        };
        let rendered = self.jinja.get_template(TEXT).and_then(|text| text.render(variables));
        let rendered = rendered.map_err(|error| said(&error))?;
        match rendered.trim() {
            text if text.len() > LONGEST => Err(format!("it makes a prompt of {} bytes", text.len())),
            text => Ok(text.to_owned()),
        }
    }
}

/// The kind of error and its line: the rest may quote what a client wrote.
fn said(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    format!("{}{line}", error.kind())
}

/// As typed.
#[derive(Debug)]
pub(super) struct RawTemplate {
    name: At<String>,
    matching: Option<At<Vec<At<String>>>>,
    system: Option<At<Words>>,
}

/// The template's text, or the file that holds it.
#[derive(Clone, Debug)]
enum Words {
    Here(String),
    File(String),
}

impl RawTemplate {
    pub(super) fn read(name: At<String>, section: &mut Section<'_, '_>) -> Self {
        let fix = "match = \"provider/*\", or a list of such patterns";
        let how = "system = \"{{ system }} Answer in short sentences.\" or { file = \"path\" }";
        Self {
            name,
            matching: section.require("match", fix, patterns),
            system: section.require("system", how, words),
        }
    }
}

fn patterns(context: &Context<'_>, item: &Spanned<DeValue<'_>>) -> Result<Vec<At<String>>, Problem> {
    match item.get_ref() {
        DeValue::Array(_) => value::names(context, item),
        _ => Ok(vec![At { value: value::non_empty(context, item)?, at: item.span() }]),
    }
}

fn words(context: &Context<'_>, item: &Spanned<DeValue<'_>>) -> Result<Words, Problem> {
    match item.get_ref() {
        // No variables are filled in: the braces of a template are its own.
        DeValue::String(text) if !text.trim().is_empty() => Ok(Words::Here(text.clone().into_owned())),
        DeValue::Table(_) => {
            let file = context.table(item, "templates.*.system".into(), |section| {
                section.require("file", "system = { file = \"path\" }", value::non_empty)
            });
            let missing =
                || Problem::new("missing-key", "no file is named").fix("system = { file = \"path\" }");
            file.flatten().map(|path| Words::File(path.value)).ok_or_else(missing)
        }
        DeValue::String(_) => value::non_empty(context, item).map(Words::Here),
        other => Err(wrong_type("a text or { file = \"path\" }", other)),
    }
}

/// All that are sound; the problems of the others stand in the context. `base` is where relative paths count from.
pub(super) fn resolve(
    raw: &[RawTemplate],
    providers: &[&str],
    base: &Path,
    context: &Context<'_>,
) -> Templates {
    let resolved = raw.iter().filter_map(|raw| {
        let patterns = raw.matching.as_ref()?.value.iter();
        let patterns: Vec<_> =
            patterns.filter_map(|typed| context.check(pattern(typed, providers))).collect();
        let system = raw.system.as_ref()?;
        let made = text(&system.value, base).and_then(|text| compile(&raw.name.value, text));
        let template = context.check(made.map_err(|problem| problem.or_at(&system.at)))?;
        Some((patterns, Arc::new(template)))
    });
    Templates(resolved.collect())
}

fn pattern(typed: &At<String>, providers: &[&str]) -> Result<Pattern, Problem> {
    let text = &typed.value;
    let bad = |code, cause: String, fix: String| Err(Problem::new(code, cause).at(typed.at.clone()).fix(fix));
    let Some((provider, _)) = text.split_once('/') else {
        let cause = format!("`{text}` names no target");
        return bad("bad-pattern", cause, format!("write \"{text}/*\", or \"*/{text}\" for a model"));
    };
    if !provider.contains('*') && !providers.contains(&provider) {
        let fix = match nearest(provider, providers.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("configured: {}", providers.join(", ")),
        };
        return bad("unknown-provider", format!("provider `{provider}` is not configured"), fix);
    }
    Ok(Pattern(text.clone()))
}

fn text(words: &Words, base: &Path) -> Result<String, Problem> {
    let text = match words {
        Words::Here(text) => text.clone(),
        Words::File(path) => {
            let path = base.join(path);
            fs::read_to_string(&path).map_err(|error| {
                Problem::new("unreadable-template", format!("cannot read {}: {error}", path.display()))
                    .fix("the file holds the template's text as UTF-8 and must be readable for this user")
            })?
        }
    };
    if text.len() > LONGEST {
        let cause = format!("the template has {} bytes", text.len());
        return Err(Problem::new("template-too-long", cause).fix(format!("at most {LONGEST} bytes")));
    }
    Ok(text)
}

fn compile(name: &str, text: String) -> Result<Template, Problem> {
    let bad = |cause: String| Problem::new("bad-template", cause);
    let version: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let version = version.get(..VERSION_DIGITS).unwrap_or_default().into();
    let mut jinja = Environment::new();
    jinja.set_undefined_behavior(UndefinedBehavior::Strict);
    jinja.set_fuel(Some(FUEL));
    jinja.add_template_owned(TEXT, text).map_err(|error| {
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        bad(format!("the template cannot be read: {}{detail}", said(&error)))
            .fix("the syntax is Jinja's: {{ system }}, {% if degraded %} .. {% endif %}")
    })?;
    let named = jinja.get_template(TEXT).map(|text| text.undeclared_variables(false)).unwrap_or_default();
    let is_known =
        |name: &str| VARIABLES.contains(&name) || jinja.globals().any(|(global, _)| global == name);
    let mut unknown: Vec<_> = named.into_iter().filter(|name| !is_known(name)).collect();
    unknown.sort_unstable();
    if let Some(variable) = unknown.first() {
        let fix = match nearest(variable, VARIABLES.into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("a template is given: {}", VARIABLES.join(", ")),
        };
        return Err(bad(format!("the template names `{variable}`, which it is not given")).fix(fix));
    }
    let template = Template { id: TemplateRef { name: name.into(), version }, jinja };
    let target = TargetId::new("provider", "model");
    for degraded in [false, true] {
        for system in ["", "You are helpful."] {
            template.render(&PromptFacts { target: &target, degraded, system }).map_err(|why| {
                bad(format!("the template fails on a prompt: {why}"))
                    .fix("it has to work with any system prompt, also an empty one")
            })?;
        }
    }
    Ok(template)
}
