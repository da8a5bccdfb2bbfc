//! Walks a parsed TOML document, collecting problems instead of stopping at the first one.
//!
//! A [`Section`] knows which keys were asked of it; what is left when it closes is an unknown key, and the nearest known
//! one is the advice. Nothing has to be listed twice.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::names::nearest;
use super::{Environment, Problem};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
}

/// What reading shares: variables, and what was found so far.
#[derive(Debug)]
pub(super) struct Context<'e> {
    pub(super) env: &'e Environment,
    problems: RefCell<Vec<Problem>>,
    secrets: RefCell<Vec<Range<usize>>>,
}

impl<'e> Context<'e> {
    pub(super) fn new(env: &'e Environment) -> Self {
        Self { env, problems: RefCell::default(), secrets: RefCell::default() }
    }

    /// Remembers a problem.
    pub(super) fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Remembers the problem of a result, if it is one.
    pub(super) fn check<T>(&self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.report(problem)).ok()
    }

    /// This place holds a secret that should not be here; no message may quote it.
    pub(super) fn hide(&self, at: Range<usize>) {
        self.secrets.borrow_mut().push(at);
    }

    /// All problems, and the places to blot out before quoting.
    pub(super) fn into_findings(self) -> (Vec<Problem>, Vec<Range<usize>>) {
        (self.problems.into_inner(), self.secrets.into_inner())
    }

    /// Reads a whole document; syntax errors are problems like all others.
    pub(super) fn document<T>(&self, text: &str, read: impl FnOnce(&mut Section<'_, '_>) -> T) -> T {
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let at = error.span().unwrap_or(0..0);
            let (cause, fix) = syntax(error.message());
            self.report(Problem::new("syntax", cause).at(at).fix(fix));
        }
        self.close_after(Section::new(self, document.get_ref(), document.span(), String::new()), read)
    }

    /// Reads a value that has to be a table; `path` is what messages call it.
    pub(super) fn table<T>(
        &self,
        value: &Spanned<DeValue<'_>>,
        path: String,
        read: impl FnOnce(&mut Section<'_, '_>) -> T,
    ) -> Option<T> {
        let DeValue::Table(table) = value.get_ref() else {
            self.report(wrong_type("a table", value.get_ref()).at(value.span()));
            return None;
        };
        Some(self.close_after(Section::new(self, table, value.span(), path), read))
    }

    fn close_after<T>(
        &self,
        mut section: Section<'_, '_>,
        read: impl FnOnce(&mut Section<'_, '_>) -> T,
    ) -> T {
        let result = read(&mut section);
        section.report_unknown_keys();
        result
    }
}

/// One table of the document.
#[derive(Debug)]
pub(super) struct Section<'c, 'i> {
    pub(super) context: &'c Context<'c>,
    table: &'c DeTable<'i>,
    at: Range<usize>,
    path: String,
    known: Vec<&'static str>,
}

impl<'c, 'i> Section<'c, 'i> {
    fn new(context: &'c Context<'_>, table: &'c DeTable<'i>, at: Range<usize>, path: String) -> Self {
        Self { context, table, at, path, known: Vec::new() }
    }

    /// Where this table stands: its header, or its braces.
    pub(super) fn place(&self) -> Range<usize> {
        self.at.clone()
    }

    /// Whether a key is there at all, good or bad.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// An optional value; a bad one is reported and counts as absent.
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Context<'_>, &Spanned<DeValue<'_>>) -> Result<T, Problem>,
    ) -> Option<At<T>> {
        self.known.push(key);
        let value = self.table.get(key)?;
        let read = read(self.context, value).map_err(|problem| problem.or_at(&value.span()));
        self.context.check(read).map(|found| At { value: found, at: value.span() })
    }

    /// A value that must be there.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        fix: &str,
        read: impl FnOnce(&Context<'_>, &Spanned<DeValue<'_>>) -> Result<T, Problem>,
    ) -> Option<At<T>> {
        if !self.has(key) {
            let cause = format!("`{key}` is missing in [{}]", self.path);
            self.context.report(Problem::new("missing-key", cause).at(self.place()).fix(fix));
        }
        self.get(key, read)
    }

    /// A table inside.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, '_>) -> T,
    ) -> Option<T> {
        self.known.push(key);
        let value = self.table.get(key)?;
        self.context.table(value, self.path_of(key), read)
    }

    /// A list of tables inside (`[[key]]`).
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_, '_>) -> T,
    ) -> Vec<T> {
        self.known.push(key);
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            let problem = wrong_type("a list of tables", value.get_ref()).at(value.span());
            self.context.report(problem.fix(format!("write [[{}]]", self.path_of(key))));
            return Vec::new();
        };
        let path = self.path_of(key);
        items.iter().filter_map(|item| self.context.table(item, path.clone(), &mut read)).collect()
    }

    /// Tables inside whose names are the operator's (`[key.NAME]`), in the order of the file.
    pub(super) fn named_tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(At<String>, &mut Section<'_, '_>) -> T,
    ) -> Vec<T> {
        self.known.push(key);
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let DeValue::Table(entries) = value.get_ref() else {
            self.context.report(wrong_type("a table of tables", value.get_ref()).at(value.span()));
            return Vec::new();
        };
        let mut entries: Vec<_> = entries.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let table = |(name, value): (&Spanned<_>, &Spanned<_>)| {
            let text: &std::borrow::Cow<'_, str> = name.get_ref();
            let path = format!("{}.{text}", self.path_of(key));
            let name = At { value: text.clone().into_owned(), at: name.span() };
            self.context.table(value, path, |section| read(name, section))
        };
        entries.into_iter().filter_map(table).collect()
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn report_unknown_keys(&self) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let place = if self.path.is_empty() { "here".to_owned() } else { format!("in [{}]", self.path) };
            let cause = format!("unknown key `{name}` {place}");
            let fix = match nearest(name, self.known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known keys: {}", self.known.join(", ")),
            };
            self.context.report(Problem::new("unknown-key", cause).at(key.span()).fix(fix));
        }
    }
}

/// Something else was expected.
pub(super) fn wrong_type(wanted: &str, found: &DeValue<'_>) -> Problem {
    let fix = match (wanted, found) {
        ("a string", DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_)) => "put it in quotes",
        ("a table", DeValue::Array(_)) => "[NAME] in single brackets, or { key = value }, is a table",
        (_, DeValue::String(_)) => "take the quotes away, if what is in them is meant",
        _ => "examples/seawall.toml shows every key",
    };
    Problem::new("wrong-type", format!("expected {wanted}, found {}", found.type_str())).fix(fix)
}

/// The parser's words, and what usually helps.
fn syntax(message: &str) -> (String, &'static str) {
    let cause = message.trim_end();
    if cause == "duplicate key" {
        return (
            "this key or table was given before".to_owned(),
            "each may stand once: give one another name, or put them together",
        );
    }
    let fix = if cause.contains("string") {
        "text stands in quotes that are closed on the same line: key = \"value\""
    } else {
        "a line is [table], [[list]], or key = value; text stands in quotes"
    };
    (cause.to_owned(), fix)
}
