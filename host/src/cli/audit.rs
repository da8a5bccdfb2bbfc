//! `seawall audit tail|show|export`: the trail of this machine's gateway, read from its files, so that it can be read
//! whether the gateway runs or not. Over the network, `/admin/audit` gives the same.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use serde::Deserialize;

use super::config::DEFAULT_FILE;
use super::output::{Paint, aside, json, line};
use super::{CliError, Verdict};
use crate::audit::{Filter, Kind, LARGEST_PAGE, Listed, QueryError, Reader, parse_id, parse_moment};
use crate::config::{Config, Environment, default_audit_dir};

/// Between two looks of `tail --follow`.
const PACE: Duration = Duration::from_millis(250);

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Show the last entries, and with --follow those to come.
    Tail {
        #[command(flatten)]
        trail: Trail,
        #[command(flatten)]
        wanted: Wanted,
        /// How many.
        #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT")]
        count: usize,
        /// Go on with what is stored from now on, until interrupted.
        #[arg(long, short)]
        follow: bool,
        /// One JSON object a line, for scripts.
        #[arg(long)]
        json: bool,
    },
    /// Show everything on record about one request or other entry; exit code 1 when it is not on record.
    Show {
        #[command(flatten)]
        trail: Trail,
        /// Its id, as clients get it in `x-seawall-request-id`.
        #[arg(value_name = "ID")]
        id: String,
        /// Compact JSON, for scripts.
        #[arg(long)]
        json: bool,
    },
    /// Write all entries that fit to standard output, one JSON object a line, the oldest first.
    Export {
        #[command(flatten)]
        trail: Trail,
        #[command(flatten)]
        wanted: Wanted,
    },
}

/// Which trail.
#[derive(Debug, Args)]
pub(super) struct Trail {
    /// The configuration whose trail is meant; default: seawall.toml, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The trail's folder, instead of what the configuration says.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Which entries.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// Begun at or after: 15m (ago), 2026-01-31T12:00:00Z, or milliseconds.
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Begun before.
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Of clients that asked for this alias or target.
    #[arg(long, value_name = "NAME")]
    alias: Option<String>,
    /// For which this target was called or passed over.
    #[arg(long, value_name = "PROVIDER/MODEL")]
    target: Option<String>,
    /// That ended so: primary, fallback, failed, interrupted, cancelled, refused.
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// In which a failure of this class occurred.
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// With something remarkable: injected, spliced, retry, hedge, rescue, probe, or a gate's name.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Of these kinds: request, refusal, twin, breaker, operator, run, content (comma-separated).
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = kind)]
    kind: Vec<Kind>,
}

fn kind(word: &str) -> Result<Kind, String> {
    let known = Kind::ALL.map(Kind::label).join(", ");
    Kind::ALL.into_iter().find(|kind| kind.label() == word).ok_or_else(|| format!("kinds are {known}"))
}

impl AuditCommand {
    pub(super) fn run(self) -> Result<Verdict, CliError> {
        match self {
            Self::Tail { trail, wanted, count, follow, json } => tail(&trail, &wanted, count, follow, json),
            Self::Show { trail, id, json } => show(&trail, &id, json),
            Self::Export { trail, wanted } => export(&trail, &wanted),
        }
    }
}

impl Trail {
    fn reader(&self) -> Result<Reader, CliError> {
        if let Some(dir) = &self.dir {
            return Ok(Reader::new(dir));
        }
        let usual = PathBuf::from(DEFAULT_FILE);
        let file = self.config.clone().or_else(|| Some(usual).filter(|file| file.exists()));
        Ok(match file {
            Some(file) => Reader::new(&Config::load(&file, &Environment::Process)?.audit.dir),
            None => Reader::new(&default_audit_dir(&Environment::Process)?),
        })
    }
}

impl Wanted {
    fn filter(&self) -> Result<Filter, String> {
        let now = SystemTime::now();
        let moment = |text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => parse_moment(text, now)
                .map(Some)
                .ok_or_else(|| format!("`{text}` is no moment; write 15m (ago) or 2026-01-31T12:00:00Z")),
        };
        Ok(Filter {
            from_ms: moment(&self.from)?,
            to_ms: moment(&self.to)?,
            alias: self.alias.clone(),
            target: self.target.clone(),
            outcome: self.outcome.clone(),
            class: self.class.clone(),
            tag: self.tag.clone(),
            kinds: self.kind.clone(),
            ..Filter::default()
        })
    }
}

fn tail(trail: &Trail, wanted: &Wanted, count: usize, follow: bool, json: bool) -> Result<Verdict, CliError> {
    let reader = trail.reader()?;
    let filter = match wanted.filter() {
        Ok(filter) => filter,
        Err(wrong) => return Ok(bad(&wrong)),
    };
    let paint = Paint::for_stdout();
    let print = |entry: &Listed| {
        let text = if json { compact(entry) } else { told(entry, paint) };
        writeln!(std::io::stdout().lock(), "{text}").is_ok()
    };
    let page = reader.page(&Filter { limit: Some(count.max(1)), ..filter.clone() })?;
    let mut open = page.entries.iter().rev().all(print);
    let mut last = page.last_seq;
    // Whoever reads us may leave (`| head`).
    while follow && open {
        std::thread::sleep(PACE);
        let page = reader.page(&Filter { after: Some(last), limit: Some(LARGEST_PAGE), ..filter.clone() })?;
        open = page.entries.iter().all(print);
        last = page.last_seq;
    }
    Ok(Verdict::Good)
}

fn show(trail: &Trail, id: &str, as_json: bool) -> Result<Verdict, CliError> {
    let Some(id) = parse_id(id) else { return Ok(bad(&format!("`{id}` is no id; one is `req_0123...`"))) };
    match trail.reader()?.whole(id) {
        Ok(whole) if as_json => {
            line(serde_json::to_string(&whole).unwrap_or_default());
            Ok(Verdict::Good)
        }
        Ok(whole) => {
            // Through a value, so that what is on record is set in lines, too.
            json(&serde_json::to_value(&whole).unwrap_or_default());
            Ok(Verdict::Good)
        }
        Err(QueryError::Unknown(why)) => Ok(bad(&why)),
        Err(other) => Err(other.into()),
    }
}

fn export(trail: &Trail, wanted: &Wanted) -> Result<Verdict, CliError> {
    let reader = trail.reader()?;
    let filter = match wanted.filter() {
        Ok(filter) => filter,
        Err(wrong) => return Ok(bad(&wrong)),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut last = 0;
    loop {
        let page = reader.page(&Filter { after: Some(last), limit: Some(LARGEST_PAGE), ..filter.clone() })?;
        last = page.last_seq;
        let open = page.entries.iter().all(|entry| writeln!(out, "{}", compact(entry)).is_ok());
        if !open || page.entries.len() < LARGEST_PAGE {
            drop(out.flush());
            return Ok(Verdict::Good);
        }
    }
}

fn bad(why: &str) -> Verdict {
    aside(why);
    Verdict::Bad
}

fn compact(entry: &Listed) -> String {
    serde_json::to_string(entry).unwrap_or_default()
}

/// What is shown of an entry in one line; members that its kind does not have are left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Shown {
    model: Option<String>,
    outcome: Option<String>,
    class: Option<String>,
    target: Option<String>,
    took_ms: Option<f64>,
    attempts: Vec<serde::de::IgnoredAny>,
    end: Option<String>,
    from: Option<String>,
    to: Option<String>,
    reason: Option<String>,
    method: Option<String>,
    path: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    produced: Option<u64>,
    stored: Option<u64>,
    lost_at_most: Option<u64>,
}

fn told(entry: &Listed, paint: Paint) -> String {
    let shown: Shown = serde_json::from_str(entry.entry.get()).unwrap_or_default();
    let word = |text: &Option<String>| text.clone().unwrap_or_default();
    let said = match entry.kind.as_str() {
        "request" => {
            let outcome = word(&shown.outcome);
            let outcome = match outcome.as_str() {
                "primary" => paint.green(&outcome),
                "fallback" => paint.yellow(&outcome),
                "cancelled" => paint.dim(&outcome),
                _ => paint.red(&outcome),
            };
            let class = shown.class.as_ref().map(|class| format!(" {class}")).unwrap_or_default();
            let by = shown.target.as_ref().map(|target| format!(" by {target}")).unwrap_or_default();
            let calls = match shown.attempts.len() {
                1 => "1 call".to_owned(),
                calls => format!("{calls} calls"),
            };
            let took = shown.took_ms.unwrap_or_default();
            format!("{} {outcome}{class}{by} in {took:.0} ms, {calls}", word(&shown.model))
        }
        "refusal" => {
            paint.red(&format!("refused {} {}", shown.status.unwrap_or_default(), word(&shown.code)))
        }
        "twin" => paint.dim(&format!("hidden call to {} {}", word(&shown.target), word(&shown.end))),
        "breaker" => paint.yellow(&format!(
            "breaker of {} {} -> {} ({})",
            word(&shown.target),
            word(&shown.from),
            word(&shown.to),
            word(&shown.reason)
        )),
        "operator" => paint.bold(&format!(
            "operator {} {} -> {}",
            word(&shown.method),
            word(&shown.path),
            shown.status.unwrap_or_default()
        )),
        "run" => match (shown.lost_at_most, shown.produced) {
            (Some(lost), _) => paint.bold(&format!(
                "run left behind: {} on record, at most {lost} lost",
                shown.stored.unwrap_or(0)
            )),
            (None, produced) => paint.bold(&format!("run ended, {} entries", produced.unwrap_or(0))),
        },
        other => other.to_owned(),
    };
    format!("{} {} {said}", paint.dim(&clock(entry.at_ms)), paint.dim(&entry.id))
}

/// Time of day in UTC.
fn clock(at_ms: i64) -> String {
    let seconds = at_ms.div_euclid(1_000);
    let (hour, minute, second) = (seconds.div_euclid(3_600) % 24, seconds.div_euclid(60) % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{:03}", at_ms.rem_euclid(1_000))
}
