//! Every name that dashboards, alerts and trace queries depend on: metrics, their labels, span attributes. Nothing else
//! in the house spells one. `host/docs/telemetry.md` holds the table that this file prints, and a test compares them, so
//! that a rename is a visible change.
//!
//! A metric has one name, in the notation of OpenTelemetry. Prometheus' is made from it by the usual rule: dots become
//! underscores, the unit and `total` are appended. `http.*` and `gen_ai.*` follow the semantic conventions (the
//! generative ones as of `semantic-conventions-genai`, which are still in development); what no convention covers
//! begins with `seawall.`.

#[cfg(test)]
use std::fmt::Write as _;

/// What is known of a metric before anything is counted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Metric {
    /// In the notation of OpenTelemetry.
    pub(crate) name: &'static str,
    /// What is counted.
    pub(crate) help: &'static str,
    /// How it is counted.
    pub(crate) kind: Kind,
    /// In what.
    pub(crate) unit: Unit,
    /// What its series differ in.
    pub(crate) labels: &'static [&'static str],
}

/// How a metric is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// As it is now.
    Gauge,
    /// How many were how large.
    Histogram,
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things, or a share.
    One,
    /// Seconds.
    Seconds,
    /// Tokens.
    Tokens,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// In the notation of OpenTelemetry (UCUM).
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Seconds => "s",
            Self::Tokens => "{token}",
            Self::Bytes => "By",
        }
    }

    /// What Prometheus' names end in.
    pub(crate) fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Seconds => Some("seconds"),
            Self::Bytes => Some("bytes"),
            // Words in braces are annotations and no part of a name.
            Self::One | Self::Tokens => None,
        }
    }
}

impl Metric {
    /// Prometheus' name, without what its kind appends.
    pub(crate) fn prometheus_base(&self) -> String {
        prometheus(self.name)
    }

    /// Prometheus' name as queries have it.
    #[cfg(test)]
    fn prometheus_name(&self) -> String {
        let mut name = self.prometheus_base();
        if let Some(suffix) = self.unit.suffix() {
            let _ = write!(name, "_{suffix}");
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }
}

/// A label's or metric's name in Prometheus' alphabet.
pub(crate) fn prometheus(name: &str) -> String {
    name.replace('.', "_")
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, help, kind: Kind::Counter, unit: Unit::One, labels }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, help, kind: Kind::Gauge, unit: Unit::One, labels }
}

const fn seconds(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, help, kind: Kind::Histogram, unit: Unit::Seconds, labels }
}

/// Labels of metrics, and attributes of spans.
pub(crate) mod key {
    pub(crate) const ACTION: &str = "action";
    pub(crate) const ALIAS: &str = "alias";
    pub(crate) const BOUND: &str = "bound";
    pub(crate) const CIRCUIT: &str = "circuit";
    pub(crate) const CODE: &str = "code";
    pub(crate) const FAULT: &str = "fault";
    pub(crate) const FIGURE: &str = "figure";
    pub(crate) const GATE: &str = "gate";
    pub(crate) const HALF_LIFE: &str = "half_life";
    pub(crate) const MODE: &str = "mode";
    pub(crate) const OUTCOME: &str = "outcome";
    pub(crate) const PLUGIN: &str = "plugin";
    pub(crate) const QUEUE: &str = "queue";
    pub(crate) const REASON: &str = "reason";
    pub(crate) const RESULT: &str = "result";
    pub(crate) const TARGET: &str = "target";
    pub(crate) const TEMPLATE: &str = "template";
    pub(crate) const VERSION: &str = "version";

    pub(crate) const ERROR_TYPE: &str = "error.type";
    pub(crate) const GEN_AI_OPERATION: &str = "gen_ai.operation.name";
    pub(crate) const GEN_AI_PROVIDER: &str = "gen_ai.provider.name";
    pub(crate) const GEN_AI_REQUEST_MODEL: &str = "gen_ai.request.model";
    pub(crate) const GEN_AI_TOKEN_TYPE: &str = "gen_ai.token.type";
    pub(crate) const GEN_AI_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
    pub(crate) const GEN_AI_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    pub(crate) const GEN_AI_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    pub(crate) const GEN_AI_STREAM: &str = "gen_ai.request.stream";
    pub(crate) const HTTP_METHOD: &str = "http.request.method";
    pub(crate) const HTTP_ROUTE: &str = "http.route";
    pub(crate) const HTTP_STATUS: &str = "http.response.status_code";
    pub(crate) const SERVICE_NAME: &str = "service.name";
    pub(crate) const SERVICE_VERSION: &str = "service.version";

    pub(crate) const SPAN_ALIAS: &str = "seawall.alias";
    pub(crate) const SPAN_ATTEMPTS: &str = "seawall.attempts";
    pub(crate) const SPAN_END: &str = "seawall.attempt.end";
    pub(crate) const SPAN_FAULT: &str = "seawall.fault.injected";
    pub(crate) const SPAN_GENERATION: &str = "seawall.plugin.generation";
    pub(crate) const SPAN_OUTCOME: &str = "seawall.outcome";
    pub(crate) const SPAN_PURPOSE: &str = "seawall.attempt.purpose";
    pub(crate) const SPAN_REQUEST: &str = "seawall.request.id";
    pub(crate) const SPAN_TARGET: &str = "seawall.target";
    pub(crate) const SPAN_TWIN_REASON: &str = "seawall.twin.reason";
}

use key::{
    ACTION, ALIAS, BOUND, CIRCUIT, CODE, ERROR_TYPE, FAULT, FIGURE, GATE, GEN_AI_OPERATION, GEN_AI_PROVIDER,
    GEN_AI_REQUEST_MODEL, GEN_AI_TOKEN_TYPE, HALF_LIFE, HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS, MODE, OUTCOME,
    PLUGIN, QUEUE, REASON, RESULT, TARGET, TEMPLATE, VERSION,
};

/// Defines the metrics, and the list of all of them in the order of the table.
macro_rules! metrics {
    ($($constant:ident = $metric:expr;)*) => {
        $(pub(crate) const $constant: Metric = $metric;)*
        /// Every metric.
        #[cfg(test)]
        const ALL: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    HTTP_DURATION = seconds("http.server.request.duration", &[HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS],
        "Requests at the data port, until the last byte of the answer.");
    HTTP_ACTIVE = gauge("http.server.active_requests", &[HTTP_METHOD, HTTP_ROUTE],
        "Requests and streams under way at the data port.");

    GEN_AI_DURATION = seconds("gen_ai.client.operation.duration",
        &[GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_REQUEST_MODEL, ERROR_TYPE],
        "Upstream calls, each attempt by itself.");
    GEN_AI_FIRST_CHUNK = seconds("gen_ai.client.operation.time_to_first_chunk",
        &[GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_REQUEST_MODEL],
        "From the start of a streamed upstream call to its first content.");
    GEN_AI_TOKENS = Metric { unit: Unit::Tokens, ..seconds("gen_ai.client.token.usage",
        &[GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_REQUEST_MODEL, GEN_AI_TOKEN_TYPE],
        "Tokens of an upstream call, as its provider counted them.") };

    REQUESTS_STARTED = counter("seawall.requests.started", &[], "Requests that came in and were resolved.");
    REQUESTS_REFUSED = counter("seawall.requests.refused", &[HTTP_STATUS, CODE],
        "Requests that were refused before that: no key, no such model, no room.");
    REQUESTS = counter("seawall.requests", &[ALIAS, OUTCOME], "Requests that ended, by what became of them.");
    REQUEST_DURATION = seconds("seawall.request.duration", &[ALIAS],
        "From a request's resolving to its end, all attempts included.");
    SECOND_ROUNDS = counter("seawall.rounds", &[], "Times that a request went over its candidates once more.");
    SPLICES = counter("seawall.splices", &[TARGET, MODE],
        "Broken streams that went on elsewhere, by who went on and how.");

    ATTEMPTS_STARTED = counter("seawall.attempts.started", &[TARGET], "Upstream calls that clients waited for.");
    ATTEMPTS = counter("seawall.attempts", &[TARGET, RESULT],
        "Upstream calls that ended: answered, outrun, given_up, or the class of the failure.");
    PROBES = counter("seawall.probes", &[TARGET], "Of the calls, those that tested a resting target.");
    COST = counter("seawall.cost.usd", &[TARGET], "US dollars spent, where prices and token counts are known.");
    SKIPPED = counter("seawall.candidates.skipped", &[TARGET, REASON], "Candidates passed over without a call.");
    HEDGES = counter("seawall.hedges", &[TARGET, RESULT],
        "Calls beside a late one, by who was called: started, rescue (of those, to leave a suspect), won, lost, failed.");
    HEDGE_WASTE = counter("seawall.hedges.wasted_prompt_tokens", &[],
        "Estimated prompt tokens of calls cancelled because another was first.");
    TWINS = counter("seawall.twins", &[TARGET, RESULT], "Hidden copies of requests: started, or how they ended.");

    BREAKER_STATE = gauge("seawall.breaker.state", &[TARGET, CIRCUIT], "1 for the state that a breaker is in.");
    BREAKER_TRANSITIONS = counter("seawall.breaker.transitions", &[TARGET, CIRCUIT, REASON],
        "Changes of a breaker, by the state it changed to.");
    GATES_CLOSED = counter("seawall.gates.closed", &[TARGET, GATE], "Times that a gate closed.");
    TARGET_IN_FLIGHT = gauge("seawall.target.in_flight", &[TARGET], "Upstream calls under way.");
    TARGET_PREDICTED = Metric { unit: Unit::Seconds, ..gauge("seawall.target.latency.predicted", &[TARGET, MODE],
        "What candidates are compared by: the expected time to first content (streamed) or answer (plain).") };

    AVAILABILITY = gauge("seawall.availability", &[ALIAS, FIGURE, BOUND, HALF_LIFE],
        "Share of requests that are answered: independent and chain predicted, observed; the value and its 95 % band.");
    TARGET_AVAILABILITY = gauge("seawall.target.availability", &[TARGET, BOUND, HALF_LIFE],
        "How often a target answers when it stands first; the value and its 95 % band.");

    FAULTS_ARMED = gauge("seawall.chaos.armed", &[], "Armed faults.");
    FAULTS_INJECTED = counter("seawall.faults.injected", &[TARGET, FAULT, ACTION], "Attempts that a fault acted on.");

    PLUGIN_CALLS = counter("seawall.plugin.calls", &[PLUGIN], "Calls of the serving version.");
    PLUGIN_TIME = Metric { unit: Unit::Seconds, ..counter("seawall.plugin.time", &[PLUGIN],
        "Wall time of the calls of the serving version.") };
    PLUGIN_FAILED = counter("seawall.plugin.faults", &[PLUGIN], "Calls that ended in a fault of the plugin.");
    PLUGIN_INSTANCES = gauge("seawall.plugin.instances", &[PLUGIN], "Live instances.");
    PLUGIN_GENERATION = gauge("seawall.plugin.generation", &[PLUGIN], "The version that serves, counted per file.");
    PLUGIN_LOST = counter("seawall.candidates.lost_to_plugin", &[TARGET, CODE], "Candidates lost to a plugin.");

    PROMPTS_FAILED = counter("seawall.prompts.failed", &[TARGET, TEMPLATE],
        "Prompt templates that failed; the client's own prompt was sent.");

    INGRESS_IN_FLIGHT = gauge("seawall.ingress.in_flight", &[], "Places for requests that are taken.");
    INGRESS_QUEUED = gauge("seawall.ingress.queued", &[], "Requests that wait for a place.");
    INGRESS_REFUSED = counter("seawall.ingress.refused", &[], "Requests refused because there was no room.");

    AUDIT_ENTRIES = counter("seawall.audit.entries", &[RESULT],
        "Entries of the audit trail: produced, and of those stored and dropped; recovered from earlier runs.");
    AUDIT_SPILLED = gauge("seawall.audit.spilled", &[], "Of the entries, those that wait in the spill file.");
    AUDIT_LOST = gauge("seawall.audit.lost_at_most", &[], "Ids of earlier runs that are on record nowhere, at most.");
    AUDIT_TROUBLE = gauge("seawall.audit.trouble", &[], "1 while the trail cannot be written as it should be.");
    AUDIT_SIZE = Metric { unit: Unit::Bytes, ..gauge("seawall.audit.database", &[], "Content of the trail's database.") };

    QUEUE_DROPPED = counter("seawall.queue.dropped", &[QUEUE], "What a full queue of the telemetry lost.");
    WATCHERS = gauge("seawall.stream.watchers", &[], "Open live streams of the admin interface.");
    TASKS_PANICKED = counter("seawall.tasks.panicked", &[], "Tasks that a defect ended.");
    UPTIME = Metric { unit: Unit::Seconds, ..gauge("seawall.uptime", &[], "Since the process began to serve.") };
    BUILD = gauge("seawall.build", &[VERSION], "1, for the version that runs.");
}

/// What events are called, in log lines (`event`) and in the live stream.
pub(crate) mod event {
    pub(crate) const ATTEMPT_FAILED: &str = "attempt.failed";
    pub(crate) const ATTEMPT_STARTED: &str = "attempt.started";
    pub(crate) const BREAKER_CHANGED: &str = "breaker.changed";
    pub(crate) const BREAKER_HELD: &str = "breaker.held_closed";
    pub(crate) const CANDIDATE_SKIPPED: &str = "candidate.skipped";
    pub(crate) const FAULT_INJECTED: &str = "fault.injected";
    pub(crate) const GATE_CLOSED: &str = "gate.closed";
    pub(crate) const HEDGE_ENDED: &str = "hedge.ended";
    pub(crate) const HEDGE_STARTED: &str = "hedge.started";
    pub(crate) const PLUGIN_FAULT: &str = "plugin.fault";
    pub(crate) const PROMPT_FAILED: &str = "prompt.failed";
    pub(crate) const REQUEST_COMMITTED: &str = "request.committed";
    pub(crate) const REQUEST_ENDED: &str = "request.ended";
    pub(crate) const REQUEST_REFUSED: &str = "request.refused";
    pub(crate) const REQUEST_SPLICED: &str = "request.spliced";
    pub(crate) const REQUEST_STARTED: &str = "request.started";
    pub(crate) const ROUND_STARTED: &str = "round.started";
    pub(crate) const TWIN_ENDED: &str = "twin.ended";
    pub(crate) const TWIN_STARTED: &str = "twin.started";
}

/// The table of the documentation.
#[cfg(test)]
pub(crate) fn table() -> String {
    let mut table = "| OpenTelemetry | Prometheus | labels | |\n|---|---|---|---|\n".to_owned();
    for metric in ALL {
        let labels: Vec<String> = metric.labels.iter().map(|label| prometheus(label)).collect();
        let name = metric.prometheus_name();
        let _ = writeln!(table, "| `{}` | `{name}` | {} | {} |", metric.name, labels.join(", "), metric.help);
    }
    table
}
