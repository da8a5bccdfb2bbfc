//! `GET /v1/models` in the two forms that clients know.

use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;

use crate::request::Protocol;

/// One name that clients may use as `model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelEntry<'a> {
    /// The name.
    pub id: &'a str,
    /// Seconds since the epoch.
    pub created_s: u64,
    /// Who stands behind it.
    pub owned_by: &'a str,
}

/// Which client's form a list takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelListForm {
    /// OpenAI's.
    OpenAi,
    /// Anthropic's.
    Anthropic,
}

impl ModelListForm {
    /// The form that a request's headers ask for.
    pub fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key("anthropic-version") { Self::Anthropic } else { Self::OpenAi }
    }

    /// The protocol that errors for such a client are written in.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::OpenAi => Protocol::Chat,
            Self::Anthropic => Protocol::Messages,
        }
    }
}

#[derive(Serialize)]
struct OpenAiList<'a> {
    object: &'static str,
    data: Vec<OpenAiModel<'a>>,
}

#[derive(Serialize)]
struct OpenAiModel<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

#[derive(Serialize)]
struct AnthropicList<'a> {
    data: Vec<AnthropicModel<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct AnthropicModel<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
}

/// The list as JSON, in the order given.
pub fn models_list(entries: &[ModelEntry<'_>], form: ModelListForm) -> Bytes {
    let json = match form {
        ModelListForm::OpenAi => serde_json::to_vec(&OpenAiList {
            object: "list",
            data: entries.iter().map(OpenAiModel::of).collect(),
        }),
        ModelListForm::Anthropic => serde_json::to_vec(&AnthropicList {
            data: entries.iter().map(AnthropicModel::of).collect(),
            has_more: false,
            first_id: entries.first().map(|entry| entry.id),
            last_id: entries.last().map(|entry| entry.id),
        }),
    };
    Bytes::from(json.unwrap_or_default())
}

impl<'a> OpenAiModel<'a> {
    fn of(entry: &ModelEntry<'a>) -> Self {
        Self { id: entry.id, object: "model", created: entry.created_s, owned_by: entry.owned_by }
    }
}

impl<'a> AnthropicModel<'a> {
    fn of(entry: &ModelEntry<'a>) -> Self {
        Self { kind: "model", id: entry.id, display_name: entry.id, created_at: rfc3339(entry.created_s) }
    }
}

/// Midnight-based UTC date of a time stamp; the civil calendar is Howard Hinnant's `civil_from_days`.
fn rfc3339(epoch_s: u64) -> String {
    const SECONDS_PER_DAY: u64 = 86_400;
    let (days, second) = (epoch_s / SECONDS_PER_DAY, epoch_s % SECONDS_PER_DAY);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}
