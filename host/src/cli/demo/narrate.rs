//! Notes as sentences: at most one short line for each thing that happened, and none for what went as it should.
//!
//! A failure waits for what comes next, so that "failed; trying the next one" is one line, and a breaker's change waits
//! for the line of the request that caused it. What is remembered of requests under way and of breakers is bounded; a
//! request that fell out of memory is told without its alias.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seawall_core::class::Failure;
use seawall_core::note::{Circuit, Gate, Note, Outcome};
use seawall_core::record::Record;
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;

use super::super::output::Paint;

/// Requests remembered at a time.
const MEMORY: usize = 256;
/// Breakers remembered at a time.
const BREAKERS: usize = 64;
/// Changes that wait for one request's next line.
const CONSEQUENCES: usize = 8;

/// Tells one line at a time.
#[derive(Debug)]
pub(super) struct Narrator {
    paint: Paint,
    /// Oldest first.
    under_way: VecDeque<Story>,
    /// The last known state of breakers, the latest change last.
    circuits: VecDeque<(TargetId, Circuit)>,
}

/// What is remembered of a request under way.
#[derive(Debug)]
struct Story {
    id: RequestId,
    model: Arc<str>,
    /// What went wrong since the last line.
    untold: Vec<String>,
    /// What it caused, for after its next line.
    consequences: Vec<String>,
}

impl Narrator {
    pub(super) fn new(paint: Paint) -> Self {
        Self { paint, under_way: VecDeque::new(), circuits: VecDeque::new() }
    }

    /// The lines for this note, if it is worth any.
    pub(super) fn tell(&mut self, note: &Note, now: SystemTime) -> Vec<String> {
        let sentence = self.sentence(note);
        let mut lines: Vec<String> = sentence.into_iter().collect();
        if let Some(id) = note.request().filter(|_| !lines.is_empty()) {
            lines.append(&mut self.story(id).map(|story| take(&mut story.consequences)).unwrap_or_default());
        }
        if let Note::RequestEnded(record) = note {
            self.under_way.retain(|story| story.id != record.id);
        }
        let time = self.paint.dim(&clock(now));
        lines.iter().map(|line| format!("{time} {line}")).collect()
    }

    fn sentence(&mut self, note: &Note) -> Option<String> {
        match note {
            Note::RequestStarted { id, model, .. } => {
                if self.under_way.len() >= MEMORY {
                    self.under_way.pop_front();
                }
                let (untold, consequences) = (Vec::new(), Vec::new());
                self.under_way.push_back(Story { id: *id, model: Arc::clone(model), untold, consequences });
                None
            }
            Note::Skipped { id, target, gate, retry_in } => {
                let rest = retry_in.map(|rest| format!(", {} to go", span(rest))).unwrap_or_default();
                let why = match (gate, self.circuit_of(target)) {
                    (Gate::Breaker, Some(Circuit::Closed)) => "it gets its traffic back step by step",
                    (Gate::Breaker, Some(Circuit::HalfOpen)) => "another request is testing it",
                    _ => reason(*gate),
                };
                self.remember(*id, self.paint.yellow(&format!("{target} skipped: {why}{rest}")))
            }
            Note::AttemptFailed { id, target, failure, after, .. } => {
                let what = format!("{target} failed: {} after {}", cause(failure), span(*after));
                self.remember(*id, self.paint.red(&what))
            }
            Note::AttemptStarted { id, target, probe: true, .. } => {
                self.remember(*id, format!("{target} is being tested"))
            }
            Note::AttemptStarted { id, target, probe: false, .. } => {
                let untold = self.untold(*id)?;
                Some(format!("{}{untold}; trying {target}", self.opening(*id)))
            }
            Note::HedgeStarted { id, target, late, .. } => self
                .remember(*id, self.paint.yellow(&format!("{late} is late, {target} is called beside it"))),
            Note::TwinStarted { id, target, .. } => {
                self.remember(*id, format!("{target} is being tested with a hidden copy"))
            }
            Note::RoundStarted { id, pause, .. } => {
                self.remember(*id, self.paint.yellow(&format!("once more in {}", span(*pause))))
            }
            Note::RequestRefused { .. } | Note::HedgeEnded { .. } | Note::TwinEnded { .. } => None,
            Note::FaultInjected { id, target, kind, action, .. } => {
                let what = format!("{target}: fault {kind} ({action})");
                Some(format!("{}{}", self.opening(*id), self.paint.yellow(&what)))
            }
            Note::PromptFailed { id, target, template, message } => {
                let what = format!("{target}: template {template} failed: {message}");
                Some(format!("{}{}", self.opening(*id), self.paint.red(&what)))
            }
            Note::PluginFault { id, target, code, message } => {
                let what = format!("{target}: plugin fault {code}: {message}");
                Some(format!("{}{}", self.opening(*id), self.paint.red(&what)))
            }
            Note::Committed { id, target, .. } => {
                // Else a stream's breaker would wait for the stream's end.
                if self.story(*id).is_none_or(|story| story.consequences.is_empty()) {
                    return None;
                }
                let untold = self.untold(*id).map(|untold| format!("{untold}; ")).unwrap_or_default();
                Some(format!(
                    "{}{untold}{}",
                    self.opening(*id),
                    self.paint.green(&format!("{target} answers"))
                ))
            }
            Note::Spliced { id, splice } => {
                let what = format!(
                    "{} goes on where {} broke off ({})",
                    splice.to,
                    splice.from,
                    splice.mode.label()
                );
                Some(format!("{}{}", self.opening(*id), self.paint.yellow(&what)))
            }
            Note::RequestEnded(record) => Some(self.ending(record)),
            Note::CircuitChanged { target, to, reason, open_for, causes, .. } => {
                self.know_circuit(target, *to);
                let line = self.circuit(target, *to, reason, *open_for);
                let decided = matches!(to, Circuit::Open | Circuit::Closed);
                let cause = causes.last().filter(|_| decided).and_then(|cause| self.story(*cause));
                match cause.filter(|story| story.consequences.len() < CONSEQUENCES) {
                    Some(story) => {
                        story.consequences.push(line);
                        None
                    }
                    None => Some(line),
                }
            }
            Note::WouldOpen { target, reason, .. } => Some(self.paint.yellow(&format!(
                "breaker of {target} would open ({}), but is forced closed",
                reason.replace('_', " ")
            ))),
            Note::GateClosed { target, gate, for_time, .. } => {
                Some(self.paint.yellow(&format!("{target} rests for {}: {}", span(*for_time), reason(*gate))))
            }
        }
    }

    fn ending(&mut self, record: &Record) -> String {
        let opening = self.opening(record.id);
        let untold = self.untold(record.id).map(|untold| format!("{untold}; ")).unwrap_or_default();
        let calls = match record.attempts.len() {
            1 => "1 call".to_owned(),
            calls => format!("{calls} calls"),
        };
        let by = record.target.as_ref().map(|target| format!("{target} ")).unwrap_or_default();
        let class = record.class.map(|class| format!(": {class}")).unwrap_or_default();
        let end = match record.outcome {
            Outcome::Primary => self.paint.green(&format!("{by}answered")),
            Outcome::Fallback => self.paint.yellow(&format!("{by}answered as a fallback")),
            Outcome::Failed => self.paint.red(&format!("no answer{class}")),
            Outcome::Interrupted => self.paint.red(&format!("{by}broke off, the client was told{class}")),
            Outcome::Cancelled => self.paint.dim("the client left"),
        };
        format!("{opening}{untold}{end} in {}, {calls}", span(record.after))
    }

    fn circuit(&self, target: &TargetId, to: Circuit, reason: &str, open_for: Option<Duration>) -> String {
        let rest = open_for.map(|rest| format!(" for {}", span(rest))).unwrap_or_default();
        let name = self.paint.bold(&format!("breaker of {target}"));
        let change = match to {
            Circuit::Open | Circuit::ForcedOpen => self.paint.red(&format!("opens{rest}")),
            Circuit::HalfOpen => self.paint.yellow("half open: one call may test it"),
            Circuit::Closed | Circuit::ForcedClosed => self.paint.green("closes, it is healthy again"),
        };
        format!("{name} {change} {}", self.paint.dim(&format!("({})", reason.replace('_', " "))))
    }

    fn circuit_of(&self, target: &TargetId) -> Option<Circuit> {
        self.circuits.iter().find(|(known, _)| known == target).map(|(_, circuit)| *circuit)
    }

    fn know_circuit(&mut self, target: &TargetId, circuit: Circuit) {
        self.circuits.retain(|(known, _)| known != target);
        if self.circuits.len() >= BREAKERS {
            self.circuits.pop_front();
        }
        self.circuits.push_back((target.clone(), circuit));
    }

    fn story(&mut self, id: RequestId) -> Option<&mut Story> {
        self.under_way.iter_mut().rev().find(|story| story.id == id)
    }

    /// Keeps a clause for the request's next line; a request that fell out of memory gets its line at once.
    fn remember(&mut self, id: RequestId, clause: String) -> Option<String> {
        match self.story(id) {
            Some(story) => {
                story.untold.push(clause);
                None
            }
            None => Some(format!("{}{clause}", self.opening(id))),
        }
    }

    fn untold(&mut self, id: RequestId) -> Option<String> {
        let clauses = take(&mut self.story(id)?.untold);
        (!clauses.is_empty()).then(|| clauses.join("; "))
    }

    fn opening(&mut self, id: RequestId) -> String {
        // Short enough to be read at a glance, long enough to tell apart what is on the screen.
        let short = format!("req_{:04x}", id.0 & 0xffff);
        let model = self.story(id).map(|story| format!("{}: ", story.model)).unwrap_or_default();
        format!("{} {model}", self.paint.dim(&short))
    }
}

/// The class, and what stood in the way: a status, or what the transport saw.
fn cause(failure: &Failure) -> String {
    let words = failure.class.label().replace('_', " ");
    match (failure.status, &failure.code) {
        (Some(status), _) => format!("{words} ({status})"),
        (None, Some(code)) => format!("{words} ({code})"),
        (None, None) => words,
    }
}

fn reason(gate: Gate) -> &'static str {
    match gate {
        Gate::Breaker => "its breaker is open",
        Gate::Rate => "it asked for a pause",
        Gate::Credential => "it refuses our credential",
        Gate::Quota => "its allowance is used up",
        Gate::MissingModel => "it does not know the model",
        Gate::Pace => "it takes no more calls a second",
        Gate::Concurrency => "it takes no more calls at once",
        Gate::TooSlow => "it would take longer than there is time",
        Gate::NoAdapter => "no adapter is loaded for it",
    }
}

fn span(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// Time of day in UTC.
fn clock(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests;
