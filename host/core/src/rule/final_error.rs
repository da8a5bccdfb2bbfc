//! What a client hears when nobody could answer. Official clients obey our status and hints, so this answer decides
//! whether they multiply the load of an outage.

use std::time::Duration;

use super::{Again, scrub};
use crate::class::{Class, Failure};
use crate::note::Gate;
use crate::reply::ClientError;
use crate::target::TargetId;

/// Official clients ignore longer hints and retry soon instead; a longer one is therefore sent together with
/// `x-should-retry: false`.
pub const LONGEST_OBEYED_HINT: Duration = Duration::from_mins(1);

/// Said when a rate limit gave no time: the first step of its gate. A full target has room within about as long.
const RATE_PAUSE: Duration = Duration::from_secs(1);
/// Said when an overload gave no time: the breaker's first open time.
const OVERLOAD_PAUSE: Duration = Duration::from_secs(5);
/// Targets that a message names.
const NAMED_TARGETS: usize = 8;
/// Longest code or parameter name of a provider that is passed on, in characters.
const LONGEST_NAME: usize = 120;

/// How useful an outcome is to the client, most useful first. What the client can act on goes before what it can only
/// wait for without a time; a known time goes first of all but a verdict on the request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The request was judged, and no other target would judge otherwise: 400.
    Verdict,
    /// The request's own time was over: 504.
    Deadline,
    /// Some target will be back at a known time: 429 when all are rate limited, else 503.
    Back,
    /// The request is too large, or needs something nobody had: 400.
    Unfit,
    /// A target was silent: 504.
    Silent,
    /// A target failed: 502.
    Broken,
    /// The operator's allowance is used up: 429.
    Quota,
    /// The operator's credential is refused, or a plugin is missing: 502, 503.
    Setup,
    /// No target knows the model: 404. Last, so that it is said only if it is true of all.
    Unknown,
}

/// One candidate's outcome: how it failed, or why it was not asked.
struct Outcome<'a> {
    target: &'a TargetId,
    rank: Rank,
    label: &'static str,
    failure: Option<&'a Failure>,
    gate: Option<Gate>,
    back_in: Option<Duration>,
}

impl Outcome<'_> {
    /// How it failed, or the failure that its gate stands for; a breaker may have had many.
    fn class(&self) -> Option<Class> {
        let of_gate = |gate| match gate {
            Gate::Rate | Gate::Pace => Some(Class::RateLimited),
            Gate::Concurrency => Some(Class::Overloaded),
            Gate::Quota => Some(Class::QuotaExhausted),
            Gate::Credential => Some(Class::Auth),
            Gate::MissingModel => Some(Class::ModelNotFound),
            Gate::Breaker | Gate::TooSlow | Gate::NoAdapter => None,
        };
        self.failure.map(|failure| failure.class).or_else(|| self.gate.and_then(of_gate))
    }
}

/// The error for a cascade that is over: from every failure in order, and every refusal with the time it will last.
///
/// Of each target its last failure counts, with the longer of the failure's hint and a later refusal's time. Of the
/// outcomes the most useful one decides: a verdict on the request (bad request, content filter) with the provider's own
/// words; the request's deadline; some target that will be back at a known time (429 when everything that could still
/// serve is rate limited, else 503, with the earliest time); a request that is too large or asks for too much; silence
/// (504); failure (502); a used-up allowance (429); a refused credential (502 `upstream_auth`, never 401); an unknown
/// model (404, only if that is true of every target). Everything without an honest time says `x-should-retry: false`.
///
/// The class beside the error is that of the deciding outcome; none when a breaker or a missing adapter decided.
pub fn final_error(
    failures: &[(TargetId, Failure)],
    refusals: &[(TargetId, Gate, Option<Duration>)],
) -> (ClientError, Option<Class>) {
    let outcomes = outcomes(failures, refusals);
    // Of equals the last: it is what the cascade ended with.
    match outcomes.iter().rev().min_by_key(|outcome| outcome.rank) {
        None => (no_retry(ClientError::new(503, "unavailable", "no target may serve this request")), None),
        Some(best) if best.rank == Rank::Back => back_later(best, &outcomes),
        Some(best) => (last_word(best, &outcomes), best.class()),
    }
}

fn outcomes<'a>(
    failures: &'a [(TargetId, Failure)],
    refusals: &'a [(TargetId, Gate, Option<Duration>)],
) -> Vec<Outcome<'a>> {
    let mut outcomes: Vec<Outcome<'a>> = Vec::with_capacity(failures.len() + refusals.len());
    for (target, failure) in failures {
        outcomes.retain(|outcome| outcome.target != target);
        outcomes.push(of_failure(target, failure));
    }
    for (target, gate, retry_in) in refusals {
        match outcomes.iter_mut().find(|outcome| outcome.target == target) {
            Some(known) if known.rank == Rank::Back => known.back_in = known.back_in.max(*retry_in),
            Some(known) if known.failure.is_some() => {}
            _ => outcomes.push(of_refusal(target, *gate, *retry_in)),
        }
    }
    outcomes
}

fn of_failure<'a>(target: &'a TargetId, failure: &'a Failure) -> Outcome<'a> {
    let rank = match failure.class {
        Class::BadRequest | Class::ContentFilter => Rank::Verdict,
        Class::TimeoutTotal => Rank::Deadline,
        Class::RateLimited | Class::Overloaded => Rank::Back,
        Class::ContextLength | Class::UnsupportedParameter => Rank::Unfit,
        Class::TimeoutConnect | Class::TimeoutFirstToken | Class::TimeoutStall => Rank::Silent,
        Class::ServerError
        | Class::Connect
        | Class::StreamBroken
        | Class::Malformed
        | Class::EmptyAnswer
        | Class::ToolCallInvalid
        | Class::PluginFault
        | Class::ClientCancelled => Rank::Broken,
        Class::QuotaExhausted => Rank::Quota,
        Class::Auth => Rank::Setup,
        Class::ModelNotFound => Rank::Unknown,
    };
    let pause = if failure.class == Class::RateLimited { RATE_PAUSE } else { OVERLOAD_PAUSE };
    let back_in = match failure.class.rule().client.again {
        Again::After => Some(failure.retry_after.unwrap_or(pause)),
        Again::No => None,
    };
    Outcome { target, rank, label: failure.class.label(), failure: Some(failure), gate: None, back_in }
}

fn of_refusal(target: &TargetId, gate: Gate, retry_in: Option<Duration>) -> Outcome<'_> {
    let (rank, back_in) = match gate {
        Gate::Rate | Gate::Pace | Gate::Concurrency | Gate::TooSlow => {
            (Rank::Back, Some(retry_in.unwrap_or(RATE_PAUSE)))
        }
        Gate::Breaker => (Rank::Back, Some(retry_in.unwrap_or(OVERLOAD_PAUSE))),
        Gate::Quota => (Rank::Quota, None),
        Gate::Credential | Gate::NoAdapter => (Rank::Setup, None),
        Gate::MissingModel => (Rank::Unknown, None),
    };
    Outcome { target, rank, label: gate.label(), failure: None, gate: Some(gate), back_in }
}

/// At least one target will be back at a known time.
fn back_later(best: &Outcome<'_>, outcomes: &[Outcome<'_>]) -> (ClientError, Option<Class>) {
    let coming_back = || outcomes.iter().filter(|outcome| outcome.rank == Rank::Back);
    let earliest = coming_back().filter_map(|outcome| outcome.back_in).min().unwrap_or(OVERLOAD_PAUSE);
    let rate_limited = |outcome: &Outcome<'_>| outcome.class() == Some(Class::RateLimited);
    // Targets that nobody can use anyway do not make a rate limit something else.
    let could_serve = |outcome: &&Outcome<'_>| outcome.rank <= Rank::Broken && outcome.rank != Rank::Unfit;
    let overloaded = coming_back().any(|outcome| outcome.class() == Some(Class::Overloaded));
    let (class, client, headline) = if outcomes.iter().filter(could_serve).all(rate_limited) {
        (Some(Class::RateLimited), Class::RateLimited.rule().client, "every target is rate limited")
    } else {
        let class = if overloaded { Some(Class::Overloaded) } else { best.class() };
        (class, Class::Overloaded.rule().client, "no target can serve now")
    };
    let code = match client.status {
        503 if !overloaded => "unavailable",
        _ => client.code,
    };
    let mut error = ClientError::new(client.status, code, summary(headline, outcomes));
    error.retry_after = Some(earliest.max(Duration::from_millis(1)));
    error.should_retry = (earliest > LONGEST_OBEYED_HINT).then_some(false);
    (error, class)
}

fn last_word(best: &Outcome<'_>, outcomes: &[Outcome<'_>]) -> ClientError {
    let Some(failure) = best.failure else { return only_refused(best, outcomes) };
    let client = failure.class.rule().client;
    let error = match best.rank {
        Rank::Verdict | Rank::Unfit => {
            let code = failure.code.as_deref().map_or_else(|| client.code.to_owned(), name);
            let mut error = ClientError::new(client.status, code, scrub(&failure.message));
            error.param = failure.param.as_deref().map(name);
            error
        }
        Rank::Unknown => ClientError::new(client.status, client.code, scrub(&failure.message)),
        // The provider's words about the operator's account are not the client's business.
        Rank::Quota => {
            let text = summary("the allowance at the provider is used up", outcomes);
            ClientError::new(client.status, client.code, text)
        }
        Rank::Setup => {
            let text = summary("a provider refuses the gateway's credential", outcomes);
            ClientError::new(client.status, client.code, text)
        }
        Rank::Deadline => {
            let text = summary("the request's time was over before an answer came", outcomes);
            ClientError::new(client.status, client.code, text)
        }
        Rank::Silent | Rank::Broken | Rank::Back => {
            let text = summary("no target could answer", outcomes);
            let said = scrub(&failure.message);
            let text = if said.is_empty() { text } else { format!("{text}; last: {said}") };
            ClientError::new(client.status, client.code, text)
        }
    };
    no_retry(error)
}

/// Nobody was asked, and waiting seconds does not help.
fn only_refused(best: &Outcome<'_>, outcomes: &[Outcome<'_>]) -> ClientError {
    let (client, headline) = match best.gate {
        Some(Gate::Quota) => {
            (Class::QuotaExhausted.rule().client, "the allowance at the provider is used up")
        }
        Some(Gate::Credential) => (Class::Auth.rule().client, "a provider refuses the gateway's credential"),
        Some(Gate::MissingModel) => (Class::ModelNotFound.rule().client, "no target knows the model"),
        _ => {
            let text = summary("the provider's adapter is not loaded", outcomes);
            return no_retry(ClientError::new(503, "no_adapter", text));
        }
    };
    no_retry(ClientError::new(client.status, client.code, summary(headline, outcomes)))
}

fn no_retry(mut error: ClientError) -> ClientError {
    error.should_retry = Some(false);
    error
}

fn summary(headline: &str, outcomes: &[Outcome<'_>]) -> String {
    let named: Vec<_> = outcomes
        .iter()
        .take(NAMED_TARGETS)
        .map(|outcome| format!("{} ({})", outcome.target, outcome.label))
        .collect();
    let more = if outcomes.len() > NAMED_TARGETS { ", ..." } else { "" };
    format!("{headline}: {}{more}", named.join(", "))
}

/// A provider's code or parameter: short, and not a hiding place for anything else.
fn name(text: &str) -> String {
    scrub(text).chars().take(LONGEST_NAME).collect()
}
