//! The faults, and what must come of each.

use seawall_core::class::Class;
use seawall_sim::{Dialect, Kind, RetryAfter};

/// What a client must see while another target is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// The whole answer, whoever gives it.
    Whole,
    /// The request itself is at fault: whoever asks the faulty target is told so, with this status.
    Told(u16),
    /// Refused by policy: a typed error, or finished so and nothing said.
    Filtered,
}

/// One fault.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    /// None: nobody listens there.
    pub(super) kind: Option<fn() -> Kind>,
    /// By wire format: providers say some things in words that mean something else elsewhere.
    pub(super) expect: fn(Dialect) -> Expect,
    /// What the failure may be called.
    pub(super) classes: &'static [Class],
    /// Whoever is asked first and breaks like this is noted as failed.
    pub(super) fails: bool,
    /// In a stream it strikes after the first content.
    pub(super) late: bool,
}

/// First content, whole answers and silence may take so long here: short, and longer than a busy machine's hiccup.
pub(super) const LIMIT_MS: u64 = 2_000;
const TOO_LONG_MS: u64 = 4 * LIMIT_MS;
/// Over what this gateway takes as one answer or one event.
const HUGE_BYTES: u64 = 1 << 20;

const fn moved(name: &'static str, kind: fn() -> Kind, classes: &'static [Class]) -> Fault {
    Fault { name, kind: Some(kind), expect: |_| Expect::Whole, classes, fails: true, late: false }
}

/// Mended within the stream, or no failure at all.
const fn mended(name: &'static str, kind: fn() -> Kind, classes: &'static [Class]) -> Fault {
    Fault { fails: false, ..moved(name, kind, classes) }
}

const fn late(name: &'static str, kind: fn() -> Kind, classes: &'static [Class]) -> Fault {
    Fault { late: true, ..moved(name, kind, classes) }
}

const fn told(name: &'static str, kind: fn() -> Kind, expect: fn(Dialect) -> Expect) -> Fault {
    const AT_FAULT: &[Class] =
        &[Class::BadRequest, Class::ContentFilter, Class::UnsupportedParameter, Class::ToolCallInvalid];
    Fault { expect, ..moved(name, kind, AT_FAULT) }
}

fn status(status: u16) -> Kind {
    Kind::Status { status: Some(status), code: None, retry_after: None, message: None }
}

fn code(code: &str) -> Kind {
    Kind::Status { status: None, code: Some(code.to_owned()), retry_after: None, message: None }
}

fn limited(hint: RetryAfter) -> Kind {
    Kind::Status { status: Some(429), code: None, retry_after: Some(hint), message: None }
}

/// What a body may be called that ends where it should not, or is none.
const BROKEN: &[Class] = &[Class::StreamBroken, Class::Malformed, Class::ServerError, Class::Connect];
const SLOW: &[Class] = &[Class::TimeoutFirstToken];
const SILENT: &[Class] = &[Class::TimeoutFirstToken, Class::TimeoutStall];
const FAILED: &[Class] = &[Class::ServerError];
const FULL: &[Class] = &[Class::Overloaded];
const LIMITED: &[Class] = &[Class::RateLimited];

pub(super) const FAULTS: [Fault; 50] = [
    Fault {
        name: "refused",
        kind: None,
        expect: |_| Expect::Whole,
        classes: &[Class::Connect],
        fails: true,
        late: false,
    },
    moved("reset", || Kind::Reset {}, &[Class::Connect]),
    moved("hang", || Kind::Hang {}, SLOW),
    moved("429", || status(429), LIMITED),
    moved("429, 30 s", || limited(RetryAfter::Seconds(30.0)), LIMITED),
    moved("429, 1 s", || limited(RetryAfter::Seconds(1.0)), LIMITED),
    moved("429, rubbish", || limited(RetryAfter::Verbatim("soon".to_owned())), LIMITED),
    moved("500", || status(500), FAILED),
    moved("502", || status(502), FAILED),
    moved("503", || status(503), FULL),
    moved("504", || status(504), &[Class::TimeoutFirstToken, Class::ServerError]),
    moved("529", || status(529), FULL),
    moved("capacity", || code("capacity"), FULL),
    moved("timeout", || code("timeout"), &[Class::TimeoutFirstToken, Class::ServerError]),
    moved("an unknown word", || code("gremlins"), FAILED),
    moved("quota", || code("quota"), &[Class::QuotaExhausted, Class::RateLimited]),
    moved("billing", || code("billing"), &[Class::QuotaExhausted]),
    moved("401", || code("auth"), &[Class::Auth]),
    moved("403", || code("permission"), &[Class::Auth]),
    moved("404", || code("model_not_found"), &[Class::ModelNotFound]),
    moved("context length", || code("context_length"), &[Class::ContextLength]),
    moved("413", || code("too_large"), &[Class::ContextLength]),
    told("bad request", || code("bad_request"), |_| Expect::Told(400)),
    told("content policy", || code("content_policy"), |_| Expect::Told(400)),
    told("unsupported parameter", || code("unsupported"), |_| Expect::Whole),
    told(
        "failed tool call",
        || code("tool_failed"),
        |dialect| match dialect {
            Dialect::OpenAi | Dialect::Groq => Expect::Whole,
            Dialect::Anthropic | Dialect::Gemini => Expect::Told(400),
        },
    ),
    moved("slow headers", || Kind::SlowHeaders { ms: TOO_LONG_MS }, SLOW),
    moved("slow first token", || Kind::SlowFirstToken { ms: TOO_LONG_MS }, SLOW),
    moved("heartbeat only", || Kind::HeartbeatOnly { ms: 50 }, SLOW),
    mended("drip", || Kind::Drip { ms_per_event: 20 }, &[]),
    moved("stall before content", || Kind::StallAfter { events: 0, ms: None }, SLOW),
    late("stall", || Kind::StallAfter { events: 3, ms: None }, SILENT),
    late("stall, then cut", || Kind::StallAfter { events: 3, ms: Some(100) }, BROKEN),
    moved("cut before content", || Kind::CutAfter { events: Some(0), bytes: None, reset: false }, BROKEN),
    moved("cut at byte 0", || Kind::CutAfter { events: None, bytes: Some(0), reset: false }, BROKEN),
    moved("reset at byte 9", || Kind::CutAfter { events: None, bytes: Some(9), reset: true }, BROKEN),
    late("cut", || Kind::CutAfter { events: Some(5), bytes: None, reset: false }, BROKEN),
    late("reset in the middle", || Kind::CutAfter { events: Some(5), bytes: None, reset: true }, BROKEN),
    late("clean end in the middle", || Kind::CloseCleanAfter { events: 4 }, BROKEN),
    moved("error in a 200", || Kind::ErrorIn200 { code: None }, FAILED),
    // A provider that says it with the status alone cannot say it in a 200.
    moved(
        "overloaded in a 200",
        || Kind::ErrorIn200 { code: Some("overloaded".to_owned()) },
        &[Class::Overloaded, Class::ServerError],
    ),
    moved(
        "error event at once",
        || Kind::ErrorEventAt { at: 0, code: None },
        &[Class::Overloaded, Class::StreamBroken, Class::Malformed, Class::ServerError],
    ),
    late(
        "error event in the middle",
        || Kind::ErrorEventAt { at: 3, code: None },
        &[Class::Overloaded, Class::StreamBroken, Class::Malformed, Class::ServerError],
    ),
    moved("empty answer", || Kind::EmptyAnswer {}, &[Class::EmptyAnswer]),
    Fault { expect: |_| Expect::Filtered, ..moved("refusal", || Kind::Refusal {}, &[Class::ContentFilter]) },
    moved("a web page", || Kind::Html200 {}, BROKEN),
    moved("huge", || Kind::Huge { bytes: HUGE_BYTES }, BROKEN),
    mended("malformed event", || Kind::MalformedEvent { at: 4 }, BROKEN),
    mended("no terminator", || Kind::NoTerminator {}, &[]),
    late("truncated JSON", || Kind::TruncatedJson {}, BROKEN),
];
