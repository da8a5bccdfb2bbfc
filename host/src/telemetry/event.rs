//! What is told about a note: one definition for its log line and for its event in the live stream, so that they cannot
//! differ in name or content.
//!
//! Ordinary steps are for debugging; what an operator should know is information (recovery, a request that fell back)
//! or a warning (a target rests, a credential is refused, a plugin misbehaves). What a provider or a client wrote never
//! appears, but for the beginning of an error code.

mod calls;
mod object;

use std::time::Duration;

use seawall_core::note::{Circuit, Gate, Note, Outcome};
use seawall_core::record::Record;
use seawall_core::request::RequestId;
use tracing::Level;
use tracing::field::display;

pub(super) use self::object::Object;
use super::names::event;

/// In characters.
const LONGEST_CODE: usize = 64;

/// Where a note is told.
pub(super) enum Teller<'a> {
    /// As a log line, if anybody wants it.
    Log,
    /// As members of an object.
    Json(&'a mut Object),
}

/// Tells one thing, to either: its level and message are the log's, all else is the same for both.
macro_rules! say {
    ($teller:expr, $level:ident, $event:expr, $message:expr, $($name:ident = $value:expr),* $(,)?) => {
        match $teller {
            Teller::Log => tracing::event!(Level::$level, event = $event, $($name = $value,)* "{}", $message),
            Teller::Json(object) => {
                object.put("event", &$event);
                $(object.put(stringify!($name), &$value);)*
            }
        }
    };
}

/// Tells a note.
pub(super) fn tell(note: &Note, to: &mut Teller<'_>) {
    match note {
        Note::RequestStarted { id, protocol, model, stream } => say!(
            to,
            DEBUG,
            event::REQUEST_STARTED,
            "request started",
            request = display(id),
            protocol = protocol.as_str(),
            model = &**model,
            stream = *stream
        ),
        Note::RequestRefused { id, protocol, status, code, .. } => say!(
            to,
            DEBUG,
            event::REQUEST_REFUSED,
            "request refused",
            request = display(id),
            protocol = protocol.as_str(),
            status = *status,
            code = code.as_str()
        ),
        Note::Skipped { id, target, gate, retry_in } => say!(
            to,
            DEBUG,
            event::CANDIDATE_SKIPPED,
            "candidate skipped",
            request = display(id),
            target = display(target),
            reason = gate.label(),
            retry_in_ms = retry_in.map(ms)
        ),
        Note::AttemptStarted { id, target, number, probe } => say!(
            to,
            DEBUG,
            event::ATTEMPT_STARTED,
            "attempt started",
            request = display(id),
            target = display(target),
            attempt = *number,
            probe = *probe
        ),
        Note::AttemptFailed { id, target, number, failure, after } => {
            let (class, code) = (failure.class.label(), failure.code.as_deref().map(short));
            say!(
                to,
                INFO,
                event::ATTEMPT_FAILED,
                "attempt failed",
                request = display(id),
                target = display(target),
                attempt = *number,
                class = class,
                status = failure.status,
                code = code.as_deref(),
                after_ms = ms(*after)
            );
        }
        Note::HedgeStarted { id, target, late, rescue, after } => say!(
            to,
            DEBUG,
            event::HEDGE_STARTED,
            "late call doubled",
            request = display(id),
            target = display(target),
            late = display(late),
            rescue = *rescue,
            after_ms = ms(*after)
        ),
        Note::HedgeEnded { id, target, end, wasted_tokens } => say!(
            to,
            DEBUG,
            event::HEDGE_ENDED,
            "double ended",
            request = display(id),
            target = display(target),
            end = end.label(),
            wasted_tokens = *wasted_tokens
        ),
        Note::TwinStarted { id, target, reason } => say!(
            to,
            DEBUG,
            event::TWIN_STARTED,
            "twin started",
            request = display(id),
            target = display(target),
            reason = *reason
        ),
        Note::TwinEnded { id, twin } => say!(
            to,
            DEBUG,
            event::TWIN_ENDED,
            "twin ended",
            request = display(id),
            target = display(&twin.call.target),
            class = twin.call.failure().map(|broke| broke.class.label()),
            after_ms = ms(twin.call.took)
        ),
        Note::RoundStarted { id, round, pause } => say!(
            to,
            DEBUG,
            event::ROUND_STARTED,
            "nobody could serve, asking again",
            request = display(id),
            round = *round,
            pause_ms = ms(*pause)
        ),
        Note::Committed { id, target, after } => say!(
            to,
            DEBUG,
            event::REQUEST_COMMITTED,
            "answer chosen",
            request = display(id),
            target = display(target),
            after_ms = ms(*after)
        ),
        Note::Spliced { id, splice } => say!(
            to,
            INFO,
            event::REQUEST_SPLICED,
            "broken stream goes on elsewhere",
            request = display(id),
            from = display(&splice.from),
            target = display(&splice.to),
            at_char = splice.at_char,
            mode = splice.mode.label()
        ),
        Note::RequestEnded(record) => ended(record, to),
        Note::CircuitChanged { target, from, to: now, reason, open_for, causes } => {
            let requests = words(causes);
            macro_rules! changed {
                ($level:ident) => {
                    say!(
                        to,
                        $level,
                        event::BREAKER_CHANGED,
                        "breaker changed",
                        target = display(target),
                        from = from.label(),
                        to = now.label(),
                        reason = *reason,
                        open_for_ms = open_for.map(ms),
                        requests = requests.as_deref()
                    )
                };
            }
            if *now == Circuit::Open { changed!(WARN) } else { changed!(INFO) }
        }
        Note::WouldOpen { target, reason, causes } => say!(
            to,
            WARN,
            event::BREAKER_HELD,
            "breaker would have opened, but is forced closed",
            target = display(target),
            reason = *reason,
            requests = words(causes).as_deref()
        ),
        Note::GateClosed { target, gate, for_time, id } => {
            macro_rules! closed {
                ($level:ident) => {
                    say!(
                        to,
                        $level,
                        event::GATE_CLOSED,
                        what_to_do(*gate),
                        request = display(id),
                        target = display(target),
                        gate = gate.label(),
                        for_ms = ms(*for_time)
                    )
                };
            }
            // A rate limit is daily business; the others need somebody.
            if *gate == Gate::Rate { closed!(INFO) } else { closed!(WARN) }
        }
        Note::FaultInjected { id, target, kind, action, experiment } => say!(
            to,
            INFO,
            event::FAULT_INJECTED,
            "fault injected",
            request = display(id),
            target = display(target),
            kind = kind.as_str(),
            action = *action,
            experiment = experiment.as_deref()
        ),
        Note::PromptFailed { id, target, template, message } => say!(
            to,
            WARN,
            event::PROMPT_FAILED,
            "prompt template failed, the client's own prompt was sent",
            request = display(id),
            target = display(target),
            template = display(template),
            detail = message.as_str()
        ),
        Note::PluginFault { id, target, code, message } => say!(
            to,
            WARN,
            event::PLUGIN_FAULT,
            "plugin fault",
            request = display(id),
            target = display(target),
            code = *code,
            detail = message.as_str()
        ),
    }
}

fn ended(record: &Record, to: &mut Teller<'_>) {
    macro_rules! ended {
        ($level:ident) => {
            say!(
                to,
                $level,
                event::REQUEST_ENDED,
                "request ended",
                request = display(record.id),
                model = &*record.model,
                outcome = record.outcome.label(),
                target = record.target.as_ref().map(display),
                attempts = u64::try_from(record.attempts.len()).unwrap_or(u64::MAX),
                after_ms = ms(record.after),
                class = record.class.map(|class| class.label())
            )
        };
    }
    match record.outcome {
        Outcome::Primary | Outcome::Cancelled => ended!(DEBUG),
        Outcome::Fallback => ended!(INFO),
        Outcome::Failed | Outcome::Interrupted => ended!(WARN),
    }
    // The waterfall is too long for a line.
    if let Teller::Json(object) = to {
        calls::put(record, object);
    }
}

/// Whether it happens in every request of a good day. Where there is too much to show, these are shown of some requests
/// only.
pub(super) fn is_routine(note: &Note) -> bool {
    match note {
        Note::RequestStarted { .. }
        | Note::AttemptStarted { probe: false, .. }
        | Note::Committed { .. }
        | Note::TwinStarted { .. } => true,
        Note::TwinEnded { twin, .. } => twin.call.failure().is_none(),
        Note::RequestEnded(record) => matches!(record.outcome, Outcome::Primary | Outcome::Cancelled),
        _ => false,
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

/// Requests as one text; none where there are none.
fn words(requests: &[RequestId]) -> Option<String> {
    let requests: Vec<String> = requests.iter().map(ToString::to_string).collect();
    (!requests.is_empty()).then(|| requests.join(" "))
}

/// Codes come from outside: a short beginning of one line is all that is told.
fn short(code: &str) -> String {
    code.chars().take(LONGEST_CODE).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
