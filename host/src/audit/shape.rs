//! The JSON of what is on record. These member names are what operators' scripts read: a rename breaks them.
//!
//! An entry's id and moment stand beside it (as columns, as members of what lists it) and not in it again: what a request
//! costs the trail is mostly the bytes that it keeps.

use std::borrow::Cow;
use std::time::Duration;

use seawall_core::event::Usage;
use seawall_core::ports::PluginRef;
use seawall_core::record::{Attempted, Record, RoutedBy};
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::Figures;
use super::content::Kept;
use super::entry::{Change, Deed, Refusal, clean};
use super::packed;
use super::redact::Redaction;
use super::writer::Killed;

/// Longest policy's reason in characters.
const REASON_CHARS: usize = 200;
/// Hexadecimal digits of a plugin's digest: nobody makes two files by chance that agree in 64 bits.
const DIGEST_DIGITS: usize = 16;

/// What is on record, by what the entry is about.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = AuditBody)]
pub(super) enum Body<'a> {
    Request(Request<'a>),
    Refusal(Refused<'a>),
    Twin(Hidden<'a>),
    Breaker(Changed),
    Operator(Deed),
    Content(Kept),
    /// A run that ended as it should.
    Stopped(Figures),
    Killed(Killed),
}

/// A request that ended. Members that say nothing are left out.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditRequest)]
pub(super) struct Request<'a> {
    tenant: &'a str,
    model: &'a str,
    #[serde(serialize_with = "text")]
    #[schema(value_type = String)]
    protocol: seawall_core::request::Protocol,
    stream: bool,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    target: Option<Name<'a>>,
    took_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_content_ms: Option<f64>,
    /// No answer comes from a cache yet.
    cache: &'static str,
    routing: Routing<'a>,
    #[schema(value_type = Vec<Attempt<'a>>)]
    attempts: Attempts<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<Skipped>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    splices: Vec<Spliced>,
    rounds: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Tokens>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spent: Option<Tokens>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditRouting)]
struct Routing<'a> {
    by: &'static str,
    #[schema(value_type = Vec<String>)]
    order: Names<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Plugin<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditAttempt)]
struct Attempt<'a> {
    #[schema(value_type = String)]
    target: Name<'a>,
    purpose: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    twin_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    probe: bool,
    began_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_content_ms: Option<f64>,
    took_ms: f64,
    end: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Tokens>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
    plugin: Plugin<'a>,
    /// Name and version of the template that wrote its system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditPlugin)]
struct Plugin<'a> {
    id: &'a str,
    generation: u64,
    /// The beginning of its file's SHA-256.
    digest: &'a str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditFault)]
struct Fault<'a> {
    id: u64,
    kind: &'a str,
    action: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditTokens)]
struct Tokens {
    input: u64,
    output: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditSkipped)]
struct Skipped {
    target: String,
    gate: &'static str,
    times: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in_ms: Option<f64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditSpliced)]
struct Spliced {
    from: String,
    to: String,
    at_char: usize,
    mode: &'static str,
    at_ms: f64,
}

/// A request that was refused before it was resolved.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditRefusal)]
pub(super) struct Refused<'a> {
    outcome: &'static str,
    protocol: &'static str,
    status: u16,
    code: &'a str,
}

/// A hidden call, and whose copy it was.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditTwin)]
pub(super) struct Hidden<'a> {
    #[serde(serialize_with = "text")]
    #[schema(value_type = String)]
    request: RequestId,
    #[serde(flatten)]
    attempt: Attempt<'a>,
}

/// A change of a breaker, and the requests that caused it.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditBreaker)]
pub(super) struct Changed {
    target: String,
    from: &'static str,
    to: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_for_ms: Option<f64>,
    causes: Vec<String>,
}

/// A request that ended.
pub(super) fn request(record: &Record, redaction: &dyn Redaction) -> String {
    let skipped = record.skipped.iter().map(|skipped| Skipped {
        target: skipped.target.to_string(),
        gate: skipped.gate.label(),
        times: skipped.times,
        retry_in_ms: skipped.retry_in.map(ms),
    });
    let splices = record.splices.iter().map(|spliced| Spliced {
        from: spliced.splice.from.to_string(),
        to: spliced.splice.to.to_string(),
        at_char: spliced.splice.at_char,
        mode: spliced.splice.mode.label(),
        at_ms: ms(spliced.at),
    });
    packed(&Body::Request(Request {
        tenant: &record.tenant,
        model: &record.model,
        protocol: record.protocol,
        stream: record.stream,
        outcome: record.outcome.label(),
        class: record.class.map(|class| class.label()),
        target: record.target.as_ref().map(Name),
        took_ms: ms(record.after),
        first_content_ms: record.committed.map(ms),
        cache: "none",
        routing: routing(record, redaction),
        attempts: Attempts { made: &record.attempts, redaction },
        skipped: skipped.collect(),
        splices: splices.collect(),
        rounds: record.rounds,
        usage: record.usage.as_ref().map(tokens),
        spent: record.spent_together.as_ref().map(tokens),
        cost_usd: record.cost_usd(),
    }))
}

fn routing<'a>(record: &'a Record, redaction: &dyn Redaction) -> Routing<'a> {
    let (policy, reason) = match &record.routing.by {
        RoutedBy::Policy { plugin: by, reason } => {
            let reason: String = reason.chars().take(REASON_CHARS).collect();
            (
                Some(plugin(by)),
                Some(clean(&reason, redaction).into_owned()).filter(|reason| !reason.is_empty()),
            )
        }
        RoutedBy::Operator | RoutedBy::Forecast => (None, None),
    };
    Routing { by: record.routing.by.label(), order: Names(&record.routing.order), policy, reason }
}

fn attempt<'a>(made: &'a Attempted, redaction: &dyn Redaction) -> Attempt<'a> {
    let broke = made.failure();
    Attempt {
        target: Name(&made.target),
        purpose: made.purpose.label(),
        twin_reason: made.purpose.reason(),
        probe: made.probe,
        began_ms: ms(made.began),
        first_content_ms: made.first_content.map(ms),
        took_ms: ms(made.took),
        end: made.end.label(),
        class: broke.map(|broke| broke.class.label()),
        status: broke.and_then(|broke| broke.status),
        code: broke.and_then(|broke| broke.code.as_deref()).map(|code| clean(code, redaction)),
        tokens: made.tokens.as_ref().map(tokens),
        cost_usd: made.cost_usd(),
        plugin: plugin(&made.adapter),
        template: made.template.as_ref().map(ToString::to_string),
        fault: made.injected().map(|fault| Fault {
            id: fault.fault,
            kind: &fault.kind,
            action: fault.action,
        }),
    }
}

fn plugin(plugin: &PluginRef) -> Plugin<'_> {
    let digest = plugin.digest.get(..DIGEST_DIGITS).unwrap_or(&plugin.digest);
    Plugin { id: &plugin.id, generation: plugin.generation, digest }
}

fn tokens(usage: &Usage) -> Tokens {
    Tokens {
        input: usage.input_tokens,
        output: usage.output_tokens,
        cache_read: usage.cache_read_tokens,
        cache_write: usage.cache_write_tokens,
        reasoning: usage.reasoning_tokens,
    }
}

/// A request that was refused.
pub(super) fn refusal(refusal: &Refusal) -> String {
    let (protocol, status, code) = (refusal.protocol.as_str(), refusal.status, refusal.code.as_str());
    json(&Body::Refusal(Refused { outcome: "refused", protocol, status, code }))
}

/// A hidden call.
pub(super) fn twin(request: RequestId, twin: &Attempted, redaction: &dyn Redaction) -> String {
    packed(&Body::Twin(Hidden { request, attempt: attempt(twin, redaction) }))
}

/// A change of a breaker.
pub(super) fn breaker(change: &Change) -> String {
    json(&Body::Breaker(Changed {
        target: change.target.to_string(),
        from: change.from.label(),
        to: change.to.label(),
        reason: change.reason,
        open_for_ms: change.open_for.map(ms),
        causes: change.causes.iter().map(ToString::to_string).collect(),
    }))
}

/// What an operator did.
pub(super) fn operator(deed: &Deed, redaction: &dyn Redaction) -> String {
    let order = clean(&deed.order, redaction).into_owned();
    let path = clean(&deed.path, redaction).into_owned();
    json(&Body::Operator(Deed { order, path, ..deed.clone() }))
}

/// Milliseconds, to the microsecond.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// A target by its name.
struct Name<'a>(&'a TargetId);

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        text(self.0, serializer)
    }
}

/// Targets by their names.
struct Names<'a>(&'a [TargetId]);

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Name))
    }
}

/// Attempts, each shaped when it is written.
struct Attempts<'a> {
    made: &'a [Attempted],
    redaction: &'a dyn Redaction,
}

impl Serialize for Attempts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.made.iter().map(|made| attempt(made, self.redaction)))
    }
}

pub(super) fn text<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Every body has a JSON form; this one is packed.
fn packed(body: &Body<'_>) -> String {
    // Room for the entry of a usual request.
    packed::pack(body, 512).ok().and_then(|text| String::from_utf8(text).ok()).unwrap_or_default()
}

/// The same as plain JSON, for what is rare.
pub(super) fn json(body: &Body<'_>) -> String {
    serde_json::to_string(body).unwrap_or_default()
}
