//! The text a configuration came from, kept for diagnostics that are found after reading it.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

/// A named text. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
}

impl Source {
    /// A text and what to call it in messages, a path as a rule.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// What to call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte, both counted from 1, the column in characters.
    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }

    /// Where a value stands; where a step is missing, the place of the last one that exists. Array elements are named
    /// by their number.
    pub fn locate<'p>(&self, path: impl IntoIterator<Item = &'p str>) -> Option<Range<usize>> {
        let document = DeTable::parse(&self.text).ok()?;
        let mut steps = path.into_iter();
        let mut value = document.get_ref().get(steps.next()?)?;
        for step in steps {
            let next = match value.get_ref() {
                DeValue::Table(table) => table.get(step),
                DeValue::Array(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
                _ => None,
            };
            match next {
                Some(inner) => value = inner,
                None => break,
            }
        }
        Some(value.span())
    }

    /// The same text with these places blotted out, so that quoting it shows no secret. Lengths and lines stay.
    pub(super) fn masked(&self, places: &[Range<usize>]) -> Self {
        let hidden = |at: usize| places.iter().any(|place| place.contains(&at));
        let mask = |(at, c): (usize, char)| match c {
            '\n' | '"' | '\'' => c.to_string(),
            _ if hidden(at) => "*".repeat(c.len_utf8()),
            _ => c.to_string(),
        };
        Self { name: self.name.clone(), text: self.text.char_indices().map(mask).collect::<String>().into() }
    }
}
