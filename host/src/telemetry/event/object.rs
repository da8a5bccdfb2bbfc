//! A JSON object that is written member by member, without a tree in between.

use std::fmt::Display;

use serde::Serialize;
use serde::ser::Serializer as _;
use tracing::field::DisplayValue;

/// An object under construction.
#[derive(Debug)]
pub(in super::super) struct Object(Vec<u8>);

/// A member's value, of a type that a log line also takes.
pub(super) trait Member {
    /// `None` leaves the member out.
    fn json(&self) -> Option<serde_json::Result<Vec<u8>>>;
}

macro_rules! members {
    ($($kind:ty),*) => {
        $(impl Member for $kind {
            fn json(&self) -> Option<serde_json::Result<Vec<u8>>> {
                Some(serde_json::to_vec(self))
            }
        })*
    };
}

members!(bool, u16, u32, u64, usize, &str);

impl<T: Display> Member for DisplayValue<T> {
    fn json(&self) -> Option<serde_json::Result<Vec<u8>>> {
        let mut bytes = Vec::new();
        Some(serde_json::Serializer::new(&mut bytes).collect_str(self).map(|()| bytes))
    }
}

impl<T: Member> Member for Option<T> {
    fn json(&self) -> Option<serde_json::Result<Vec<u8>>> {
        self.as_ref().and_then(Member::json)
    }
}

impl Object {
    /// An object without members.
    pub(in super::super) fn new() -> Self {
        Self(vec![b'{'])
    }

    /// A member, unless it is none.
    pub(super) fn put(&mut self, name: &str, value: &impl Member) {
        if let Some(Ok(json)) = value.json() {
            self.member(name, &json);
        }
    }

    /// A member of any shape.
    pub(in super::super) fn value(&mut self, name: &str, value: &impl Serialize) {
        if let Ok(json) = serde_json::to_vec(value) {
            self.member(name, &json);
        }
    }

    /// Names are our own and need no escape.
    fn member(&mut self, name: &str, json: &[u8]) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        self.0.extend_from_slice(json);
    }

    /// The whole object.
    pub(in super::super) fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}
