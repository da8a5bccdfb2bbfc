//! What is put on record, as it is handed over and as it is written.
//!
//! Handing over copies references and numbers. Everything that costs (formatting, redacting, JSON) happens when a row
//! is made of it, on the audit's own threads.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seawall_core::note::Circuit;
use seawall_core::record::{Attempted, Record, Twin};
use seawall_core::request::{Protocol, RequestId};
use seawall_core::target::TargetId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::content::Heard;
use super::packed::unpack;
use super::redact::Redaction;
use super::shape;

/// Something to be put on record.
#[derive(Debug)]
pub(super) enum Entry {
    /// A request that ended.
    Request(Arc<Record>),
    /// A request that was refused before it was resolved.
    Refusal(Refusal),
    /// A hidden call.
    Twin { request: RequestId, twin: Arc<Twin> },
    /// A breaker changed.
    Breaker(Box<Change>),
    /// An operator did something, or tried to.
    Operator(Box<Deed>),
    /// What client and model said.
    Content(Box<Heard>),
}

/// An entry with what is settled when it is handed over.
#[derive(Debug)]
pub(super) struct Handed {
    /// Its own; a request's is the request's.
    pub(super) id: RequestId,
    pub(super) at: SystemTime,
    pub(super) entry: Entry,
}

/// A request that never came to be one.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// In which protocol the client was told.
    pub protocol: Protocol,
    /// With which status.
    pub status: u16,
    /// And which code.
    pub code: String,
}

/// A change of a breaker.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) target: TargetId,
    pub(super) from: Circuit,
    pub(super) to: Circuit,
    pub(super) reason: &'static str,
    pub(super) open_for: Option<Duration>,
    pub(super) causes: Vec<RequestId>,
}

/// An operator's order, and what came of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditDeed)]
pub struct Deed {
    /// The HTTP method.
    pub method: String,
    /// What it was about.
    pub path: String,
    /// The order itself, cut to a length.
    pub order: String,
    /// The answer's status.
    pub status: u16,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuditKind)]
pub enum Kind {
    /// A request that ended.
    Request,
    /// A request that was refused before it was resolved.
    Refusal,
    /// A hidden call of a request.
    Twin,
    /// A change of a breaker.
    Breaker,
    /// What an operator did.
    Operator,
    /// What client and model said in a request.
    Content,
    /// The beginning or the end of a run of the gateway.
    Run,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Request, Self::Refusal, Self::Twin, Self::Breaker, Self::Operator, Self::Content, Self::Run];

    /// Its name in the database and the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Refusal => "refusal",
            Self::Twin => "twin",
            Self::Breaker => "breaker",
            Self::Operator => "operator",
            Self::Content => "content",
            Self::Run => "run",
        }
    }
}

/// An entry as it is written, to the database or the spill file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) id: u64,
    /// Milliseconds since 1970.
    pub(super) at: i64,
    pub(super) kind: Cow<'static, str>,
    /// The request that it belongs to, where it is none itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) alias: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<Cow<'static, str>>,
    /// What it can be found by, each on a line of its own: see [`Mark`].
    pub(super) marks: String,
    /// JSON, which may be packed.
    pub(super) body: String,
}

/// Something an entry can be found by.
#[derive(Clone, Copy)]
pub(super) enum Mark<'a> {
    /// A target that was called or passed over: the pieces of its name.
    Target([&'a str; 3]),
    /// A class of failure.
    Class(&'a str),
    /// Something remarkable: `injected`, `spliced`, `hedged`, ...
    Tag(&'a str),
    /// A request that caused it.
    Cause(RequestId),
}

impl<'a> Mark<'a> {
    fn of(target: &'a TargetId) -> Self {
        Self::Target([&target.provider, "/", &target.model])
    }

    /// Of a target by its whole name.
    pub(super) fn target(name: &'a str) -> Self {
        Self::Target([name, "", ""])
    }

    /// As it stands in [`Row::marks`]; no name holds a line feed.
    pub(super) fn line(self) -> String {
        let mut line = "\n".to_owned();
        self.end_with(&mut line);
        line
    }

    /// Writes the rest of its line.
    fn end_with(self, to: &mut String) {
        let (kind, [name, more, rest]) = match self {
            Self::Target(target) => ("t:", target),
            Self::Class(class) => ("c:", [class, "", ""]),
            Self::Tag(tag) => ("g:", [tag, "", ""]),
            Self::Cause(id) => ("r:", [&*id.to_string(), "", ""]),
        };
        for piece in [kind, name, more, rest, "\n"] {
            to.push_str(piece);
        }
    }
}

impl Row {
    /// Makes the row of an entry.
    pub(super) fn of(handed: &Handed, redaction: &dyn Redaction) -> Self {
        let Handed { id, at, entry } = handed;
        let row = |kind: Kind, body: String| Self {
            id: id.0,
            at: millis(*at),
            kind: kind.label().into(),
            body,
            ..Self::default()
        };
        match entry {
            Entry::Request(record) => {
                let row = Self {
                    alias: Some(Arc::clone(&record.model)),
                    outcome: Some(record.outcome.label().into()),
                    marks: marks_of(record),
                    ..row(Kind::Request, shape::request(record, redaction))
                };
                row.with_clean(&record.model, redaction)
            }
            Entry::Refusal(refusal) => Self {
                outcome: Some("refused".into()),
                marks: Mark::Class(&refusal.code).line(),
                ..row(Kind::Refusal, shape::refusal(refusal))
            },
            Entry::Twin { request, twin } => Self {
                request: Some(request.0),
                marks: marks_of_twin(&twin.call),
                ..row(Kind::Twin, shape::twin(*request, &twin.call, redaction))
            }
            .with_clean(&twin.call.target.text(), redaction),
            Entry::Breaker(change) => Self {
                outcome: Some(change.to.label().into()),
                marks: marks_of_change(change),
                ..row(Kind::Breaker, shape::breaker(change))
            }
            .with_clean(&change.target.text(), redaction),
            Entry::Operator(deed) => row(Kind::Operator, shape::operator(deed, redaction)),
            Entry::Content(heard) => Self {
                request: Some(heard.request.0),
                alias: Some(Arc::clone(&heard.alias)),
                ..row(Kind::Content, heard.shape(redaction))
            },
        }
    }

    /// The same row with this name as it may be kept, wherever it stands: a client may have made it up, and targets are
    /// called after it.
    fn with_clean(mut self, name: &str, redaction: &dyn Redaction) -> Self {
        if let Cow::Owned(clean) = redaction.redact(name) {
            let in_json = |name: &str| {
                let quoted = Value::from(name).to_string();
                quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
            };
            // Packed, a name may not look like itself.
            self.body = unpack(&self.body).replace(&in_json(name), &in_json(&clean));
            self.marks = self.marks.replace(name, &clean);
            self.alias = self.alias.map(|alias| alias.replace(name, &clean).into());
        }
        self
    }

    /// What the gateway itself says about one of its runs.
    pub(super) fn run(id: RequestId, at: SystemTime, outcome: &'static str, body: String) -> Self {
        Self {
            id: id.0,
            at: millis(at),
            kind: Kind::Run.label().into(),
            outcome: Some(outcome.into()),
            body,
            ..Self::default()
        }
    }
}

pub(super) fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Adds each mark once; a line feed between two belongs to both.
struct Marks(String);

impl Marks {
    fn new() -> Self {
        // Room for what most requests have: one target.
        let mut line = String::with_capacity(64);
        line.push('\n');
        Self(line)
    }

    fn add(&mut self, mark: Mark<'_>) {
        let end = self.0.len();
        mark.end_with(&mut self.0);
        // The first has none before it.
        let known = self.0.get(..end).zip(self.0.get(end - 1..)).filter(|_| end > 1);
        if known.is_some_and(|(before, line)| before.contains(line)) {
            self.0.truncate(end);
        }
    }

    fn done(self) -> String {
        if self.0.len() > 1 { self.0 } else { String::new() }
    }
}

fn marks_of(record: &Record) -> String {
    let mut marks = Marks::new();
    for attempt in &record.attempts {
        marks.add(Mark::of(&attempt.target));
        if let Some(broke) = attempt.failure() {
            marks.add(Mark::Class(broke.class.label()));
        }
        if attempt.injected().is_some() {
            marks.add(Mark::Tag("injected"));
        }
        // `turn` says nothing: nearly every attempt is one.
        match attempt.purpose.label() {
            "turn" => {}
            purpose => marks.add(Mark::Tag(purpose)),
        }
        if attempt.probe {
            marks.add(Mark::Tag("probe"));
        }
    }
    for skipped in &record.skipped {
        marks.add(Mark::of(&skipped.target));
        marks.add(Mark::Tag(skipped.gate.label()));
    }
    if let Some(class) = record.class {
        marks.add(Mark::Class(class.label()));
    }
    if !record.splices.is_empty() {
        marks.add(Mark::Tag("spliced"));
    }
    marks.done()
}

fn marks_of_twin(twin: &Attempted) -> String {
    let mut marks = Marks::new();
    marks.add(Mark::of(&twin.target));
    if let Some(broke) = twin.failure() {
        marks.add(Mark::Class(broke.class.label()));
    }
    if twin.injected().is_some() {
        marks.add(Mark::Tag("injected"));
    }
    marks.done()
}

fn marks_of_change(change: &Change) -> String {
    let mut marks = Marks::new();
    marks.add(Mark::of(&change.target));
    marks.add(Mark::Tag(change.reason));
    change.causes.iter().for_each(|cause| marks.add(Mark::Cause(*cause)));
    marks.done()
}

/// A provider's own word, free of what must not be kept.
pub(super) fn clean<'t>(text: &'t str, redaction: &dyn Redaction) -> Cow<'t, str> {
    redaction.redact(text)
}
