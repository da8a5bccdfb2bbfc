//! One structured line a note. Ordinary steps are for debugging; what an operator should know is information (recovery,
//! a request that fell back) or a warning (a target rests, a credential is refused, a plugin misbehaves).

use std::time::Duration;

use seawall_core::note::{Circuit, Gate, Note, Outcome};
use seawall_core::record::Record;
use tracing::{Level, debug, enabled, info, warn};

/// In characters.
const LONGEST_CODE: usize = 64;

/// Writes the line, if anybody wants it.
pub(super) fn line(note: &Note) {
    match note {
        Note::RequestStarted { id, protocol, model, stream } => {
            debug!(request = %id, %protocol, %model, stream, "request started");
        }
        Note::RequestRefused { id, status, code, .. } => {
            debug!(request = %id, status, code, "request refused");
        }
        Note::Skipped { id, target, gate, retry_in } => {
            debug!(request = %id, %target, reason = gate.label(), retry_in_ms = retry_in.map(ms), "candidate skipped");
        }
        Note::AttemptStarted { id, target, number, probe } => {
            debug!(request = %id, %target, attempt = number, probe, "attempt started");
        }
        Note::AttemptFailed { id, target, number, failure, after } => {
            info!(
                request = %id, %target, attempt = number, class = failure.class.label(), status = failure.status,
                code = failure.code.as_deref().map(short), after_ms = ms(*after), "attempt failed"
            );
        }
        Note::HedgeStarted { id, target, late, rescue, after } => {
            debug!(request = %id, %target, %late, rescue, after_ms = ms(*after), "late call doubled");
        }
        Note::HedgeEnded { id, target, end, wasted_tokens } => {
            debug!(request = %id, %target, end = end.label(), wasted_tokens, "double ended");
        }
        Note::TwinStarted { id, target, reason } => {
            debug!(request = %id, %target, reason, "twin started");
        }
        Note::TwinEnded { id, twin } => {
            let class = twin.failure().map(|broke| broke.class.label());
            debug!(request = %id, target = %twin.target, class, after_ms = ms(twin.took), "twin ended");
        }
        Note::RoundStarted { id, round, pause } => {
            debug!(request = %id, round, pause_ms = ms(*pause), "nobody could serve, asking again");
        }
        Note::Committed { id, target, after } => {
            debug!(request = %id, %target, after_ms = ms(*after), "answer chosen");
        }
        Note::Spliced { id, splice } => {
            let (from, to, at_char, mode) = (&splice.from, &splice.to, splice.at_char, splice.mode.label());
            info!(request = %id, %from, %to, at_char, mode, "broken stream goes on elsewhere");
        }
        Note::RequestEnded(record) => ended(record),
        Note::CircuitChanged { target, from, to, reason, open_for, causes } => {
            let (from, open_for_ms) = (from.label(), open_for.map(ms));
            if *to == Circuit::Open {
                let requests = enabled!(Level::WARN).then(|| format!("{causes:?}"));
                warn!(%target, from, to = to.label(), reason, open_for_ms, requests, "breaker changed");
            } else {
                info!(%target, from, to = to.label(), reason, open_for_ms, "breaker changed");
            }
        }
        Note::WouldOpen { target, reason, causes } => {
            let requests = enabled!(Level::WARN).then(|| format!("{causes:?}"));
            warn!(%target, reason, requests, "breaker would have opened, but is forced closed");
        }
        Note::GateClosed { target, gate, for_time, id } => {
            let for_ms = ms(*for_time);
            // A rate limit is daily business; the others need somebody.
            if *gate == Gate::Rate {
                info!(request = %id, %target, gate = gate.label(), for_ms, "gate closed");
            } else {
                warn!(request = %id, %target, gate = gate.label(), for_ms, "{}", what_to_do(*gate));
            }
        }
        Note::FaultInjected { id, target, kind, action, .. } => {
            info!(request = %id, %target, kind, action, "fault injected");
        }
        Note::PromptFailed { id, target, template, message } => {
            warn!(request = %id, %target, %template, message, "prompt template failed, the client's own prompt was sent");
        }
        Note::PluginFault { id, target, code, message } => {
            warn!(request = %id, %target, code, message, "plugin fault");
        }
    }
}

fn ended(record: &Record) {
    let (id, outcome, attempts) = (record.id, record.outcome.label(), record.attempts.len());
    let target = || record.target.as_ref().map(tracing::field::display);
    let (class, after_ms) = (record.class.map(|class| class.label()), ms(record.after));
    match record.outcome {
        Outcome::Primary | Outcome::Cancelled => debug!(
            request = %id, outcome, target = target(), attempts, after_ms, class, "request ended"
        ),
        Outcome::Fallback => info!(
            request = %id, outcome, target = target(), attempts, after_ms, class, "request ended"
        ),
        Outcome::Failed | Outcome::Interrupted => warn!(
            request = %id, outcome, target = target(), attempts, after_ms, class, "request ended"
        ),
    }
}

/// What somebody who is woken by a closed gate should look at.
fn what_to_do(gate: Gate) -> &'static str {
    match gate {
        Gate::Credential => "gate closed: the provider refuses the configured credential; check the key",
        Gate::Quota => "gate closed: the credential's allowance is used up; check the account",
        Gate::MissingModel => "gate closed: the provider does not know the model; check its name",
        Gate::Breaker | Gate::Rate | Gate::Pace | Gate::Concurrency | Gate::TooSlow | Gate::NoAdapter => {
            "gate closed"
        }
    }
}

/// Codes come from outside: a short beginning of one line is all that a log takes.
fn short(code: &str) -> String {
    code.chars().take(LONGEST_CODE).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
