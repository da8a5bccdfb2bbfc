//! Reading the trail: pages from the newest back, or on from a place; one entry with all that belongs to it.
//!
//! Readers have connections of their own and never keep the writer waiting. A question that would look at too much is
//! given up after a while, with the advice to narrow it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row as SqlRow, params_from_iter};
use seawall_core::request::RequestId;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::entry::{Kind, Mark, millis};
use super::ids::Run;
use super::packed::unpack;
use super::shape::Body;
use super::store::{self, signed};

/// Entries of a page.
pub(super) const PAGE: usize = 100;
/// At most.
pub const LARGEST_PAGE: usize = 1_000;
/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 10_000;

/// What is looked for; nothing set finds everything but content.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Begun at or after this moment, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Begun before it.
    pub to_ms: Option<i64>,
    /// Of this request, with what belongs to it.
    pub id: Option<RequestId>,
    /// The alias or target that the client asked for.
    pub alias: Option<String>,
    /// A target that was called or passed over.
    pub target: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// A class of failure that occurred.
    pub class: Option<String>,
    /// Something remarkable: `injected`, `spliced`, `hedge`, `retry`, a gate's name.
    pub tag: Option<String>,
    /// Kinds of entries.
    pub kinds: Vec<Kind>,
    /// Entries of the page.
    pub limit: Option<usize>,
    /// Older than this place.
    pub before: Option<Place>,
    /// Stored behind this number, the oldest first: for whoever follows the trail.
    pub after: Option<i64>,
}

/// Where a page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    at: i64,
    seq: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at, self.seq)
    }
}

impl std::str::FromStr for Place {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let read = || {
            let (at, seq) = text.split_once('-')?;
            Some(Self { at: at.parse().ok()?, seq: seq.parse().ok()? })
        };
        read().ok_or(QueryError::BadPlace)
    }
}

/// One entry as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditListed)]
pub struct Listed {
    /// Its number in the order of storing.
    pub seq: i64,
    /// Its id.
    pub id: String,
    /// What it is about.
    #[schema(value_type = Kind)]
    pub kind: String,
    /// When it began, in milliseconds since 1970.
    pub at_ms: i64,
    /// What is on record.
    #[schema(value_type = Body<'_>)]
    pub entry: Box<RawValue>,
}

/// Some entries, and where the next page begins.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub struct Page {
    /// The newest first, unless asked for those behind a place.
    pub entries: Vec<Listed>,
    /// `before` of the next page; none at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// `after` of whoever wants to follow on from here.
    pub last_seq: i64,
}

/// One entry, and what belongs to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditWhole)]
pub struct Whole {
    /// The entry itself.
    #[serde(flatten)]
    pub entry: Listed,
    /// Hidden calls, content, breakers that it changed.
    pub related: Vec<Listed>,
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Not on record.
    #[error("{0}")]
    Unknown(String),
    /// A cursor that is none.
    #[error("`before` is no place in the trail; take `next` of the page before")]
    BadPlace,
    /// It would look at too much.
    #[error("the question takes too long; narrow it by time")]
    TooLong,
    /// No trail yet.
    #[error("there is no audit trail in {}", .0.display())]
    None(PathBuf),
    /// SQLite says why.
    #[error("the audit database cannot be read: {0}")]
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::TooLong,
            _ => Self::Database(error),
        }
    }
}

/// Reads a trail.
#[derive(Clone, Debug)]
pub struct Reader {
    dir: PathBuf,
}

const COLUMNS: &str = "seq, id, kind, at, body";

impl Reader {
    /// Of the trail in this folder, whether its gateway runs or not.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Entries that fit. Blocks while it reads.
    pub fn page(&self, filter: &Filter) -> Result<Page, QueryError> {
        let connection = self.open()?;
        let mut question = Question::new(filter);
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
        let order = if filter.after.is_some() { "seq" } else { "at DESC, seq DESC" };
        let text = format!("SELECT {COLUMNS} FROM entries {} ORDER BY {order} LIMIT ?", question.clause());
        question.values.push(Sql::Integer(i64::try_from(limit + 1).unwrap_or(i64::MAX)));
        let mut asked = connection.prepare_cached(&text)?;
        let mut entries: Vec<Listed> =
            asked.query_map(params_from_iter(question.values), listed)?.collect::<Result<_, _>>()?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more && filter.after.is_none());
        let next = next.map(|last| Place { at: last.at_ms, seq: last.seq }.to_string());
        let last_seq = match filter.after {
            Some(after) => entries.last().map_or(after, |last| last.seq),
            None => {
                connection.query_row("SELECT coalesce(max(seq), 0) FROM entries", [], |row| row.get(0))?
            }
        };
        Ok(Page { entries, next, last_seq })
    }

    /// One entry by its id, with what belongs to it.
    pub fn whole(&self, id: RequestId) -> Result<Whole, QueryError> {
        let connection = self.open()?;
        let one = format!("SELECT {COLUMNS} FROM entries WHERE id = ?1");
        let entry = connection.query_row(&one, [signed(id.0)], listed).optional()?;
        let Some(entry) = entry else { return Err(QueryError::Unknown(missing(&connection, id)?)) };
        let belongs = format!(
            "SELECT {COLUMNS} FROM entries WHERE request = ?1 \
             UNION ALL SELECT {COLUMNS} FROM entries WHERE kind = 'breaker' AND instr(marks, ?2) ORDER BY seq LIMIT 100"
        );
        let mut asked = connection.prepare_cached(&belongs)?;
        let cause = Mark::Cause(id).line();
        let related = asked.query_map(rusqlite::params![signed(id.0), cause], listed)?;
        Ok(Whole { entry, related: related.collect::<Result<_, _>>()? })
    }

    /// Whether the database is whole; what is wrong with it otherwise. Reads all of it.
    pub fn check(&self) -> Result<Result<(), String>, QueryError> {
        let connection = self.open_patiently(None)?;
        let said: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
        Ok(if said == "ok" { Ok(()) } else { Err(said) })
    }

    fn open(&self) -> Result<Connection, QueryError> {
        self.open_patiently(Some(PATIENCE))
    }

    fn open_patiently(&self, at_most: Option<Duration>) -> Result<Connection, QueryError> {
        let path = store::path(&self.dir);
        if !path.exists() {
            return Err(QueryError::None(self.dir.clone()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        if let Some(at_most) = at_most {
            let until = Instant::now() + at_most;
            connection.progress_handler(STEPS, Some(move || Instant::now() > until))?;
        }
        Ok(connection)
    }
}

/// Why an id is not on record, as far as that is known.
fn missing(connection: &Connection, id: RequestId) -> Result<String, QueryError> {
    let run = Run::of(id).digits();
    let killed = "SELECT body FROM entries WHERE kind = 'run' AND outcome IN ('killed', 'taken_in') \
                  AND instr(body, ?1) LIMIT 1";
    let of_run = format!("\"run\":\"{run}\"");
    let found: Option<String> = connection.query_row(killed, [of_run], |row| row.get(0)).optional()?;
    Ok(match found {
        Some(_) => format!(
            "{id} is not on record: it was given out by run {run}, which was killed before it was written, or it has \
             been deleted since"
        ),
        None => format!("{id} is not on record: it never was, is under way, or has been deleted since"),
    })
}

fn listed(row: &SqlRow<'_>) -> rusqlite::Result<Listed> {
    let id: i64 = row.get(1)?;
    let body: String = row.get(4)?;
    let entry = RawValue::from_string(unpack(&body)).or_else(|_| RawValue::from_string("null".to_owned()));
    let entry = entry.map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Listed {
        seq: row.get(0)?,
        id: RequestId(id.unsigned_abs()).to_string(),
        kind: row.get(2)?,
        at_ms: row.get(3)?,
        entry,
    })
}

/// A filter as SQL. Names never stand in the text, only in its values.
struct Question {
    clauses: Vec<String>,
    values: Vec<Sql>,
}

impl Question {
    fn new(filter: &Filter) -> Self {
        let mut question = Self { clauses: Vec::new(), values: Vec::new() };
        question.kinds(&filter.kinds);
        let text = |value: &String| Sql::Text(value.clone());
        question.has("at >= ?", filter.from_ms.map(Sql::Integer));
        question.has("at < ?", filter.to_ms.map(Sql::Integer));
        question.has("alias = ?", filter.alias.as_ref().map(text));
        question.has("outcome = ?", filter.outcome.as_ref().map(text));
        if let Some(id) = filter.id {
            question.has("(id = ? OR request = ?)", Some(Sql::Integer(signed(id.0))));
            question.values.push(Sql::Integer(signed(id.0)));
        }
        let marks = [
            filter.target.as_deref().map(Mark::target),
            filter.class.as_deref().map(Mark::Class),
            filter.tag.as_deref().map(Mark::Tag),
        ];
        for mark in marks.into_iter().flatten() {
            question.has("instr(marks, ?)", Some(Sql::Text(mark.line())));
        }
        question.has("seq > ?", filter.after.map(Sql::Integer));
        if let Some(Place { at, seq }) = filter.before {
            question.has("(at, seq) < (?, ?)", Some(Sql::Integer(at)));
            question.values.push(Sql::Integer(seq));
        }
        question
    }

    fn kinds(&mut self, kinds: &[Kind]) {
        if kinds.is_empty() {
            self.clauses.push("kind <> 'content'".to_owned());
            return;
        }
        let places = vec!["?"; kinds.len()].join(", ");
        self.clauses.push(format!("kind IN ({places})"));
        self.values.extend(kinds.iter().map(|kind| Sql::Text(kind.label().to_owned())));
    }

    fn has(&mut self, clause: &str, value: Option<Sql>) {
        if let Some(value) = value {
            self.clauses.push(clause.to_owned());
            self.values.push(value);
        }
    }

    fn clause(&self) -> String {
        format!("WHERE {}", self.clauses.join(" AND "))
    }
}

/// A moment as operators write it: milliseconds since 1970, `2026-01-31` with or without `T12:00:00Z`, or how long ago
/// (`15m`, `2h`, `7d`).
pub fn parse_moment(text: &str, now: SystemTime) -> Option<i64> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    const UNITS: [(&str, i64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let ago = UNITS.iter().find_map(|(unit, seconds)| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(*seconds)?.checked_mul(1_000)
    });
    if let Some(ago) = ago {
        return Some(millis(now).saturating_sub(ago));
    }
    let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00Z"));
    let mut day = day.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (day.next()??, day.next()??, day.next()??);
    let mut time = time.trim_end_matches('Z').split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) =
        (time.next()??, time.next().unwrap_or(Some(0))?, time.next().unwrap_or(Some(0))?);
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    in_range.then(|| ((days(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1_000)
}

/// Days from 1970 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that a leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let table = [
            ("1700000000000", Some(1_700_000_000_000)),
            ("1970-01-02", Some(86_400_000)),
            ("2024-02-29T12:30:15Z", Some(1_709_209_815_000)),
            ("2024-02-29 12:30", Some(1_709_209_800_000)),
            ("15m", Some((1_000_000 - 900) * 1_000)),
            ("1d", Some((1_000_000 - 86_400) * 1_000)),
            ("yesterday", None),
            ("2024-13-01", None),
            ("", None),
            ("99999999999999999999d", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_moment(text, now), expected, "{text}");
        }
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = Place { at: 12, seq: 3 };
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        assert!("12".parse::<Place>().is_err() && "a-b".parse::<Place>().is_err());
    }
}
