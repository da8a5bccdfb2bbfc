//! Where the top-level members of a JSON object lie: byte ranges, so that looking and splicing never re-parse.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::BodyError;

/// The members of one object, in order, duplicates included.
#[derive(Debug)]
pub(crate) struct Index {
    members: Vec<Member>,
    /// End of the last value, or the place after the opening brace: where another member would go.
    tail: usize,
}

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    key: Key,
    /// Its key's opening quote.
    pub(crate) start: usize,
    /// Its value, without white space.
    pub(crate) value: Range<usize>,
}

#[derive(Debug)]
enum Key {
    Plain(Range<usize>),
    Escaped(Box<str>),
}

impl Member {
    /// The decoded key.
    pub(crate) fn key<'a>(&'a self, text: &'a [u8]) -> &'a [u8] {
        match &self.key {
            Key::Plain(range) => text.get(range.clone()).unwrap_or_default(),
            Key::Escaped(key) => key.as_bytes(),
        }
    }
}

impl Index {
    /// Checks the whole text and notes the members of the object that it must be.
    pub(crate) fn of(text: &str) -> Result<Self, BodyError> {
        let Pairs(pairs) = serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Data => BodyError::NotAnObject,
            _ => BodyError::NotJson(error.to_string()),
        })?;
        let bytes = text.as_bytes();
        let base = bytes.as_ptr().addr();
        let mut tail = memchr::memchr(b'{', bytes).map_or(0, |at| at + 1);
        let mut members = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            // Between one value and the next key stand only a comma and white space.
            let gap = memchr::memchr(b'"', bytes.get(tail..).unwrap_or_default()).unwrap_or(0);
            let start = tail + gap;
            let value_start = value.get().as_ptr().addr() - base;
            tail = value_start + value.get().len();
            let key = match key {
                Cow::Borrowed(plain) => Key::Plain(start + 1..start + 1 + plain.len()),
                Cow::Owned(decoded) => Key::Escaped(decoded.into_boxed_str()),
            };
            members.push(Member { key, start, value: value_start..tail });
        }
        Ok(Self { members, tail })
    }

    /// In order, duplicates included.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Members but for those of these names: the decoded name, and name with value as they stand in the text.
    pub(crate) fn others<'a>(
        &'a self,
        text: &'a str,
        own: &'a [&str],
    ) -> impl Iterator<Item = (Cow<'a, str>, &'a str)> {
        self.members.iter().filter_map(move |member| {
            let name = String::from_utf8_lossy(member.key(text.as_bytes()));
            let written = text.get(member.start..member.value.end).unwrap_or_default();
            (!own.contains(&&*name)).then_some((name, written))
        })
    }

    /// The text of the last member of this name.
    pub(crate) fn value_of<'a>(&self, text: &'a str, name: &str) -> Option<&'a str> {
        let member = self.members.iter().rfind(|member| member.key(text.as_bytes()) == name.as_bytes())?;
        text.get(member.value.clone())
    }

    /// Where another member would go.
    pub(crate) fn tail(&self) -> usize {
        self.tail
    }

    /// The value of a member as JSON text; of duplicates the last counts, as with every common parser.
    pub(crate) fn value<'a>(&self, text: &'a [u8], name: &str) -> Option<&'a str> {
        let member = self.members.iter().rev().find(|member| member.key(text) == name.as_bytes())?;
        std::str::from_utf8(text.get(member.value.clone())?).ok()
    }
}

struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct KeyText<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(16);
                while let Some((KeyText(key), value)) = map.next_entry()? {
                    pairs.push((key, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
