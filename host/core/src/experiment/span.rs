//! Times as people write them: `500ms`, `30s`, `5m`, `1h`, or a number of seconds.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};
use utoipa::ToSchema;

/// The time that a text says.
pub fn parse(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: f64 = digits.parse().ok().filter(|count: &f64| (0.0..=1e9).contains(count))?;
    let seconds = match text.strip_prefix(digits)? {
        "ms" => count / 1000.0,
        "s" => count,
        "m" => count * 60.0,
        "h" => count * 3600.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(seconds))
}

/// A time as it is written: a number of seconds, or a number with its unit such as `500ms`, `30s`, `5m`, `1h`.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Time)]
pub(super) enum Written {
    Seconds(f64),
    Text(String),
}

impl Written {
    fn read<E: serde::de::Error>(self) -> Result<Duration, E> {
        let bad = |what: &str| E::custom(format!("{what} is no time; write `500ms`, `30s` or `5m`"));
        match self {
            Self::Seconds(seconds) if (0.0..=1e9).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
            Self::Seconds(seconds) => Err(bad(&seconds.to_string())),
            Self::Text(text) => parse(&text).ok_or_else(|| bad(&format!("`{text}`"))),
        }
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Written::deserialize(deserializer).map_err(D::Error::custom)?.read()
}

pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}ms", time.as_millis()))
}

/// The same for a time that may be missing.
pub(super) mod maybe {
    use super::{Deserialize, Deserializer, Duration, Serializer, Written};

    pub(in crate::experiment) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Option::<Written>::deserialize(deserializer)?.map(Written::read).transpose()
    }

    pub(in crate::experiment) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }
}
