//! Types for reading what others wrote: a member of an unexpected type is as good as absent, and only costs itself.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A visitor's answers to everything that it did not expect.
macro_rules! anything_else {
    ($($kind:ident),*) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }
        $(anything_else!(@ $kind);)*
    };
    (@ bool) => { fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok(Default::default()) } };
    (@ number) => {
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok(Default::default()) }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok(Default::default()) }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok(Default::default()) }
    };
    (@ unit) => { fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok(Default::default()) } };
    (@ str) => { fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok(Default::default()) } };
    (@ seq) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Default::default())
        }
    };
    (@ map) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Default::default())
        }
    };
}

/// A string, borrowed where it has no escapes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Text<'a>(Option<Cow<'a, str>>);

impl<'a> Text<'a> {
    /// The string; an empty one counts as absent.
    pub(super) fn some(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    /// The string, empty if absent.
    pub(super) fn or_empty(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// An owned copy of [`Self::some`].
    pub(super) fn to_owned(&self) -> Option<String> {
        self.some().map(str::to_owned)
    }

    /// The string as it stands in the input; `None` if it has escapes.
    pub(super) fn borrowed(&self) -> Option<&'a str> {
        match &self.0 {
            Some(Cow::Borrowed(text)) => Some(text),
            _ => None,
        }
    }

    /// Takes the string out, absent ones as empty.
    pub(super) fn into_cow(self) -> Cow<'a, str> {
        self.0.unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(text.to_owned()))))
            }
            anything_else!(bool, number, unit, seq, map);
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A count, from a number of any kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Count(pub(super) Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;
        impl<'de> Visitor<'de> for CountVisitor {
            type Value = Count;
            fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
                Ok(Count(Some(count)))
            }
            fn visit_i64<E>(self, count: i64) -> Result<Count, E> {
                Ok(Count(u64::try_from(count).ok()))
            }
            fn visit_f64<E>(self, count: f64) -> Result<Count, E> {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "saturates, as wanted"
                )]
                let whole = count as u64;
                Ok(Count((count >= 0.0).then_some(whole)))
            }
            anything_else!(bool, unit, str, seq, map);
        }
        deserializer.deserialize_any(CountVisitor)
    }
}

/// Whether there is anything: not null, false, "", [] or {}.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Presence(pub(super) bool);

impl<'de> Deserialize<'de> for Presence {
    /// Looks at the value as it is written: skipping is cheaper than reading, and answers are long.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let is_empty = match raw.as_bytes() {
            b"null" | b"false" | b"\"\"" => true,
            [b'[' | b'{', inside @ .., b']' | b'}'] => inside.trim_ascii().is_empty(),
            _ => false,
        };
        Ok(Self(!is_empty))
    }
}

/// The elements of an array; anything else is an empty one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = seq.next_element()? {
                    list.push(element);
                }
                Ok(List(list))
            }
            anything_else!(bool, number, unit, str, map);
        }
        deserializer.deserialize_any(ListVisitor(std::marker::PhantomData))
    }
}

/// Message content: a string, or typed blocks as some providers of reasoning models send them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Content<'a> {
    /// Absent, or nothing that has text.
    #[default]
    None,
    /// A string.
    Text(Text<'a>),
    /// Blocks.
    Blocks(Vec<Block<'a>>),
}

/// One block of [`Content`].
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Content<'a>,
}

impl Content<'_> {
    /// Calls for each piece of text; the flag says that it is reasoning.
    pub(super) fn each(&self, sink: &mut impl FnMut(&str, bool)) {
        self.walk(false, sink);
    }

    fn walk(&self, is_reasoning: bool, sink: &mut impl FnMut(&str, bool)) {
        match self {
            Self::None => {}
            Self::Text(text) => text.some().into_iter().for_each(|text| sink(text, is_reasoning)),
            Self::Blocks(blocks) => {
                for block in blocks {
                    block.text.some().into_iter().for_each(|text| sink(text, is_reasoning));
                    // Bounded: the JSON reader refuses deep nesting.
                    block.thinking.walk(true, sink);
                }
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;
        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content<'de>;
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Text(Text(Some(Cow::Borrowed(text)))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(Text(Some(Cow::Owned(text.to_owned())))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut blocks = Vec::new();
                while let Some(block) = seq.next_element()? {
                    blocks.push(block);
                }
                Ok(Content::Blocks(blocks))
            }
            anything_else!(bool, number, unit, map);
        }
        deserializer.deserialize_any(ContentVisitor)
    }
}
