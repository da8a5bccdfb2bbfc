//! Bodies as they are stored: JSON in which the names of members and the commonest words are single characters.
//!
//! Two thirds of an entry are names that stand in every other entry, too. What a request costs the trail is mostly the
//! bytes that it keeps, so names are stored as control characters, which JSON itself never holds: `\u{1}` for
//! `"tenant":` and so on, with the comma before it left out. Plain JSON is packed JSON without any of them, so bodies
//! that were written otherwise, and names and words that are not listed, read the same.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// Names of members, the character 1 for the first. What stands in a database is read by this list: it only grows at
/// its end, and up to the character 31.
const NAMES: [&str; 25] = [
    "tenant",
    "model",
    "protocol",
    "stream",
    "outcome",
    "target",
    "took_ms",
    "first_content_ms",
    "cache",
    "routing",
    "by",
    "order",
    "attempts",
    "purpose",
    "began_ms",
    "end",
    "tokens",
    "input",
    "output",
    "plugin",
    "id",
    "generation",
    "digest",
    "rounds",
    "usage",
];
/// Before a letter that stands for a word: `a` for the first. The same holds for this list, up to `z`.
const WORD: u8 = 31;
const WORDS: [&str; 7] = ["default", "chat", "messages", "primary", "none", "operator", "turn"];
const FIRST_WORD: u8 = b'a';

/// As it is stored.
pub(super) fn pack(body: &impl Serialize, room: usize) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(room);
    body.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Packer::default()))?;
    Ok(out)
}

/// As JSON. What nobody has packed comes out as it is.
pub(super) fn unpack(stored: &str) -> String {
    let mut json = String::with_capacity(stored.len() * 2);
    let mut rest = stored.chars();
    while let Some(next) = rest.next() {
        let number = u32::from(next) as usize;
        if let Some(name) = number.checked_sub(1).and_then(|place| NAMES.get(place)) {
            let separator = if json.ends_with('{') { "\"" } else { ",\"" };
            [separator, name, "\":"].into_iter().for_each(|piece| json.push_str(piece));
        } else if next == char::from(WORD) {
            let letter = rest.next().and_then(|letter| u32::from(letter).checked_sub(FIRST_WORD.into()));
            let word = letter.and_then(|place| WORDS.get(place as usize)).unwrap_or(&"");
            ["\"", word, "\""].into_iter().for_each(|piece| json.push_str(piece));
        } else {
            json.push(next);
        }
    }
    json
}

/// Where a name stands in [`NAMES`]: every member of every entry asks.
struct Places([u8; SLOTS]);
const SLOTS: usize = 128;
const NOWHERE: u8 = u8::MAX;
static PLACES: Places = Places::new();

impl Places {
    #[expect(clippy::indexing_slicing, reason = "when it is compiled")]
    const fn new() -> Self {
        let (mut slots, mut place) = ([NOWHERE; SLOTS], 0_u8);
        while (place as usize) < NAMES.len() {
            let slot = Self::slot(NAMES[place as usize].as_bytes());
            assert!(slots[slot] == NOWHERE, "two names share a slot: another factor is needed");
            slots[slot] = place;
            place += 1;
        }
        Self(slots)
    }

    /// By length, middle and end; the factor was found by trying.
    const fn slot(name: &[u8]) -> usize {
        match (name.split_at(name.len() / 2), name) {
            ((_, [middle, ..]), [.., last]) => (name.len() + 13 * *middle as usize + *last as usize) % SLOTS,
            _ => 0,
        }
    }

    fn of(&self, name: &str) -> Option<u8> {
        let place = *self.0.get(Self::slot(name.as_bytes()))?;
        (*NAMES.get(usize::from(place))? == name).then_some(place)
    }
}

/// Writes packed JSON.
#[derive(Default)]
struct Packer(At);

/// What is being written. Nothing of a string is, before it is known whether it is listed.
#[derive(Clone, Copy, Default)]
enum At {
    /// A value that is no string, or one of which something is written.
    #[default]
    Value,
    /// The beginning of a string.
    Start,
    /// A string that has been this word so far.
    Word(u8),
    /// The beginning of a name, the object's first or not.
    Name { first: bool },
    /// A name that has been this one so far.
    Listed { place: u8, first: bool },
    /// Behind a name that was written as one character.
    Named,
}

impl Packer {
    /// There is more to this string than a listed word.
    fn open<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        let (comma, begun) = match std::mem::take(&mut self.0) {
            At::Start => (false, ""),
            At::Word(place) => (false, listed(&WORDS, place)),
            At::Name { first } => (!first, ""),
            At::Listed { place, first } => (!first, listed(&NAMES, place)),
            At::Value | At::Named => return Ok(()),
        };
        writer.write_all(if comma { b",\"" } else { b"\"" })?;
        writer.write_all(begun.as_bytes())
    }
}

fn listed(list: &[&'static str], place: u8) -> &'static str {
    list.get(usize::from(place)).copied().unwrap_or_default()
}

impl Formatter for Packer {
    fn begin_object_key<W: io::Write + ?Sized>(&mut self, _: &mut W, first: bool) -> io::Result<()> {
        self.0 = At::Name { first };
        Ok(())
    }

    fn begin_string<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        if !matches!(self.0, At::Name { .. }) {
            self.0 = At::Start;
        }
        Ok(())
    }

    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        match self.0 {
            At::Name { first } if let Some(place) = PLACES.of(text) => {
                self.0 = At::Listed { place, first };
                Ok(())
            }
            At::Start if let Some(place) = WORDS.iter().position(|word| *word == text) => {
                self.0 = At::Word(u8::try_from(place).unwrap_or(NOWHERE));
                Ok(())
            }
            _ => {
                self.open(writer)?;
                writer.write_all(text.as_bytes())
            }
        }
    }

    fn write_char_escape<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        self.open(writer)?;
        CompactFormatter.write_char_escape(writer, escape)
    }

    fn end_string<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.0 {
            At::Listed { place, .. } => {
                self.0 = At::Named;
                writer.write_all(&[place + 1])
            }
            At::Word(place) => {
                self.0 = At::Value;
                writer.write_all(&[WORD, FIRST_WORD + place])
            }
            _ => {
                self.open(writer)?;
                writer.write_all(b"\"")
            }
        }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        match std::mem::take(&mut self.0) {
            At::Named => Ok(()),
            _ => writer.write_all(b":"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn packed(body: &Value) -> String {
        String::from_utf8(pack(body, 0).unwrap()).unwrap()
    }

    #[test]
    fn usual_entries_shrink_to_less_than_half() {
        let body = json!({
            "tenant": "default", "model": "chat", "protocol": "chat", "stream": false, "outcome": "primary",
            "target": "openai/gpt-4o", "took_ms": 812.345, "cache": "none",
            "routing": { "by": "operator", "order": ["openai/gpt-4o"] },
            "attempts": [{
                "target": "openai/gpt-4o", "purpose": "turn", "began_ms": 0.012, "took_ms": 811.9, "end": "answered",
                "tokens": { "input": 21, "output": 340 },
                "plugin": { "id": "openai", "generation": 1, "digest": "d9a894706b57675b" },
            }],
            "rounds": 1, "usage": { "input": 21, "output": 340 },
        });
        let (packed, plain) = (packed(&body), body.to_string());
        assert!(packed.len() * 2 < plain.len(), "{} of {}", packed.len(), plain.len());
        assert_eq!(unpack(&packed), plain);
    }

    #[test]
    fn what_is_not_listed_stays_as_it_is() {
        for plain in [
            r#"{"other":"word","x":{"y":[1,null,true,"chat x","xchat",""]}}"#,
            r#"{"tenant\n":"chat\n","":"","default":"tenant"}"#,
            "[]",
            "{}",
            "null",
        ] {
            let body: Value = serde_json::from_str(plain).unwrap();
            let packed = packed(&body);
            assert_eq!(serde_json::from_str::<Value>(&unpack(&packed)).unwrap(), body);
            assert_eq!(unpack(plain), plain, "plain JSON is read as it is");
        }
        let some = packed(&json!({ "model": "chat", "x": 1, "y": "chat x" }));
        assert_eq!(some, "{\u{2}\u{1f}b,\"x\":1,\"y\":\"chat x\"}");
    }

    #[test]
    fn whoever_writes_a_word_in_pieces_is_read_right() {
        struct Pieces;
        impl std::fmt::Display for Pieces {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                ["chat", "/", "chat"].into_iter().try_for_each(|piece| f.write_str(piece))
            }
        }
        impl Serialize for Pieces {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        assert_eq!(pack(&[Pieces, Pieces], 0).unwrap(), br#"["chat/chat","chat/chat"]"#);
    }

    #[test]
    fn garbage_is_read_without_panic() {
        for garbage in ["\u{1f}", "\u{1f}~", "\u{1e}", "\u{1}\u{1}", "\u{1f}\u{1f}"] {
            unpack(garbage);
        }
    }

    fn anything() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            proptest::sample::select(NAMES.to_vec()).prop_map(str::to_owned),
            proptest::sample::select(WORDS.to_vec()).prop_map(str::to_owned),
            ".{0,8}",
            "[\u{0}-\u{1f}\"\\\\a]{0,4}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_packed_comes_out_as_it_was(body in anything()) {
            prop_assert_eq!(unpack(&packed(&body)), body.to_string());
        }
    }
}
