//! JSON that keeps the order of members.
//!
//! Order carries meaning here: models fill a schema in the order of its properties, and a call's arguments should come
//! out as they went in. The usual map either sorts its members or needs a random seed, which a component does not get.
//! Members are found by a linear search, which is fine for the handful that protocol objects have.
//!
//! Texts are borrowed, from the body that was read or from the code that knows them: most of them go on as they came, and
//! in a component an allocation is dear. Only what was escaped, or made here, is owned.

mod write;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// A member's name, or a text.
pub type Word<'a> = Cow<'a, str>;

/// Room for what most lists of a body hold, and most objects: growing costs an allocation and a copy each time.
const FEW: usize = 2;
const SEVERAL: usize = 8;

/// Any JSON value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Json<'a> {
    /// `null`; readers treat it like an absent member.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(Word<'a>),
    /// An array.
    List(Vec<Json<'a>>),
    /// An object, its members in order; of two with one name the last counts.
    Object(Vec<(Word<'a>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// An object to add members to.
    pub fn object() -> Self {
        Self::Object(Vec::with_capacity(SEVERAL))
    }

    /// Reads JSON text; nested deeper than 128 levels is refused.
    ///
    /// # Errors
    /// Where and why it is no JSON.
    pub fn parse(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// The same object with one more member at its end.
    #[must_use]
    pub fn with(mut self, name: impl Into<Word<'a>>, value: impl Into<Self>) -> Self {
        self.push(name, value);
        self
    }

    /// The same object with one more member, if there is a value for it.
    #[must_use]
    pub fn with_some(self, name: impl Into<Word<'a>>, value: Option<impl Into<Self>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a member at the end; anything but an object stays as it is.
    pub fn push(&mut self, name: impl Into<Word<'a>>, value: impl Into<Self>) {
        if let Self::Object(members) = self {
            members.push((name.into(), value.into()));
        }
    }

    /// Replaces a member where it stands, or adds it at the end.
    pub fn set(&mut self, name: impl Into<Word<'a>>, value: impl Into<Self>) {
        let name = name.into();
        match self.get_mut(&name) {
            Some(place) => *place = value.into(),
            None => self.push(name, value),
        }
    }

    /// A member of an object; `None` when it is absent or null.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        let found = members.iter().rev().find(|(n, _)| n == name);
        found.map(|(_, value)| value).filter(|value| **value != Self::Null)
    }

    /// A member to change; `None` when it is absent.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Object(members) = self else { return None };
        members.iter_mut().rev().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// Follows member names.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, name| value.get(name))
    }

    /// A member that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// A member that is a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Self::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    /// A member that is a number without sign and fraction.
    pub fn count(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Self::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// A member that is a boolean.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Self::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A member's elements; none when it is no list.
    pub fn list(&self, name: &str) -> &[Self] {
        self.get(name).and_then(Self::as_list).unwrap_or_default()
    }

    /// The string, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The elements, if it is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The members, if it is an object.
    pub fn members(&self) -> Option<&[(Word<'a>, Self)]> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// Whether it is an object or a list without anything in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Object(members) => members.is_empty(),
            Self::List(items) => items.is_empty(),
            _ => false,
        }
    }

    /// As bytes of a body.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes_of_about(write::room_for(self))
    }

    /// As text, without the detour through a formatter that `to_string` takes.
    pub fn to_text(&self) -> String {
        String::from_utf8(self.to_bytes()).unwrap_or_default()
    }

    /// As bytes of a body of which is known about how long it becomes.
    pub fn to_bytes_of_about(&self, length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(length);
        write::value(&mut out, self);
        out
    }

    /// Takes a member that is a string out of an object, which keeps an empty one.
    pub fn take_text(&mut self, name: &str) -> Option<String> {
        match self.get_mut(name)? {
            Self::Text(text) => Some(std::mem::take(text).into_owned()),
            _ => None,
        }
    }

    /// The same value, borrowing its texts from this one.
    pub fn lend(&self) -> Json<'_> {
        self.each_word(&|word| Cow::Borrowed(word))
    }

    /// The same value with texts of its own, for what outlives the body that it was read from.
    pub fn to_own(&self) -> Json<'static> {
        self.each_word(&|word| Cow::Owned(word.clone().into_owned()))
    }

    fn each_word<'s, 'w>(&'s self, word: &impl Fn(&'s Word<'a>) -> Word<'w>) -> Json<'w> {
        match self {
            Self::Null => Json::Null,
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Number(number) => Json::Number(number.clone()),
            Self::Text(text) => Json::Text(word(text)),
            Self::List(items) => items.iter().map(|item| item.each_word(word)).collect(),
            Self::Object(members) => Json::Object(
                members.iter().map(|(name, value)| (word(name), value.each_word(word))).collect(),
            ),
        }
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<Cow<'a, str>> for Json<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Json<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<bool> for Json<'_> {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<u32> for Json<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Json<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl From<i32> for Json<'_> {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

/// What is no number in JSON becomes `null`.
impl From<f64> for Json<'_> {
    fn from(number: f64) -> Self {
        Number::from_f64(number).map_or(Self::Null, Self::Number)
    }
}

impl<'a> From<Vec<Json<'a>>> for Json<'a> {
    fn from(items: Vec<Json<'a>>) -> Self {
        Self::List(items)
    }
}

impl<'a> From<&'a Json<'_>> for Json<'a> {
    fn from(value: &'a Json<'_>) -> Self {
        value.lend()
    }
}

impl<'a> FromIterator<Json<'a>> for Json<'a> {
    fn from_iter<I: IntoIterator<Item = Json<'a>>>(items: I) -> Self {
        Self::List(items.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Json::from(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::from(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::from(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json<'de>, E> {
        Ok(Json::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::with_capacity(FEW);
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let mut object = Vec::with_capacity(SEVERAL);
        while let Some((Name(name), value)) = members.next_entry()? {
            object.push((name, value));
        }
        Ok(Json::Object(object))
    }
}

/// A member's name while it is read.
struct Name<'a>(Word<'a>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor).map(Self)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Word<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Word<'de>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Word<'de>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests;
