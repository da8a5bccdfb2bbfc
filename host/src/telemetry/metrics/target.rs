//! What is counted of one target.

use std::borrow::Cow;
use std::sync::OnceLock;

use seawall_core::class::Class;
use seawall_core::note::{Circuit, Gate, HedgeEnd};
use seawall_core::ports::TemplateRef;
use seawall_core::record::{Attempted, End, Record};
use seawall_core::request::Protocol;
use seawall_core::splice::Mode;
use seawall_core::target::TargetId;

use super::super::figures::{CALL_TIMES, Counter, Histogram, Label, Sheet, TOKENS};
use super::super::names::{self, Metric, key};
use super::of;
use super::rare::{Rare, Words};
use crate::lanes::Lanes;

const MODES: [Mode; 3] = [Mode::Prefill, Mode::Restart, Mode::Instruct];

#[derive(Debug)]
pub(super) struct TargetFigures {
    /// The model is `other` where several are counted together.
    id: TargetId,
    pub(super) label: String,
    busy: Lanes<Busy>,
    probes: Counter,
    outrun: Counter,
    given_up: Counter,
    failed: [Counter; Class::ALL.len()],
    skipped: [Counter; Gate::ALL.len()],
    gates: [Counter; Gate::ALL.len()],
    hedges: Hedges,
    twins: Twins,
    splices: [Counter; MODES.len()],
    transitions: Rare,
    opened: Counter,
    faults: Rare,
    lost: Rare,
    prompts: Rare,
}

/// What every call counts.
#[derive(Debug, Default)]
struct Busy {
    started: Counter,
    answered: Counter,
    billionths_usd: Counter,
    /// By operation; most targets only ever see one.
    calls: [OnceLock<Box<Calls>>; Operation::ALL.len()],
}

#[derive(Debug, Default)]
struct Hedges {
    started: Counter,
    rescues: Counter,
    won: Counter,
    lost: Counter,
    failed: Counter,
}

#[derive(Debug, Default)]
struct Twins {
    started: Counter,
    answered: Counter,
    failed: Counter,
}

impl Busy {
    fn calls(&self, operation: Operation) -> Option<&Calls> {
        of(&Operation::ALL, &self.calls, operation)?.get().map(AsRef::as_ref)
    }
}

/// What the generative conventions call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Operation {
    Chat,
    Embeddings,
}

impl Operation {
    const ALL: [Self; 2] = [Self::Chat, Self::Embeddings];

    /// The conventions' word for it.
    pub(in super::super) fn label(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
        }
    }
}

impl From<Protocol> for Operation {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Chat | Protocol::Messages => Self::Chat,
            Protocol::Embeddings => Self::Embeddings,
        }
    }
}

/// Upstream calls of one operation.
#[derive(Debug)]
struct Calls {
    answered: Histogram,
    /// Made when the first one fails so.
    failed: [OnceLock<Histogram>; Class::ALL.len()],
    /// Calls that were cancelled, by us or by the client.
    cancelled: OnceLock<Histogram>,
    first_content: Histogram,
    input: Histogram,
    output: Histogram,
}

/// `error.type` of a call that was cancelled.
pub(in super::super) const CANCELLED: &str = "cancelled";

impl Calls {
    fn new() -> Self {
        Self {
            answered: Histogram::new(&CALL_TIMES),
            failed: Default::default(),
            cancelled: OnceLock::new(),
            first_content: Histogram::new(&CALL_TIMES),
            input: Histogram::new(&TOKENS),
            output: Histogram::new(&TOKENS),
        }
    }

    fn ended(&self, stream: bool, attempt: &Attempted) {
        let new = || Histogram::new(&CALL_TIMES);
        let durations = match &attempt.end {
            End::Answered => Some(&self.answered),
            End::Failed(broke) => {
                of(&Class::ALL, &self.failed, broke.class).map(|slot| slot.get_or_init(new))
            }
            End::Outrun | End::GivenUp | End::Open => Some(self.cancelled.get_or_init(new)),
        };
        durations.into_iter().for_each(|durations| durations.took(attempt.took));
        if let Some(first) = attempt.first_content.filter(|_| stream) {
            self.first_content.took(first);
        }
        if let Some(tokens) = &attempt.tokens {
            self.input.observe(tokens.input_tokens);
            self.output.observe(tokens.output_tokens);
        }
    }
}

impl TargetFigures {
    pub(super) fn new(id: TargetId, label: String) -> Self {
        Self {
            id,
            label,
            busy: Lanes::default(),
            probes: Counter::default(),
            outrun: Counter::default(),
            given_up: Counter::default(),
            failed: Default::default(),
            skipped: Default::default(),
            gates: Default::default(),
            hedges: Hedges::default(),
            twins: Twins::default(),
            splices: Default::default(),
            transitions: Rare::default(),
            opened: Counter::default(),
            faults: Rare::default(),
            lost: Rare::default(),
            prompts: Rare::default(),
        }
    }

    pub(super) fn started(&self, probe: bool) {
        self.busy.mine().started.one();
        if probe {
            self.probes.one();
        }
    }

    pub(super) fn failed(&self, class: Class) {
        of(&Class::ALL, &self.failed, class).into_iter().for_each(Counter::one);
    }

    /// A call of a request that has ended. Its failure was told when it happened.
    pub(super) fn ended(&self, record: &Record, attempt: &Attempted) {
        let busy = self.busy.mine();
        match attempt.end {
            End::Answered => busy.answered.one(),
            End::Outrun => self.outrun.one(),
            End::GivenUp | End::Open => self.given_up.one(),
            End::Failed(_) => {}
        }
        if let Some(usd) = attempt.cost_usd().filter(|usd| *usd > 0.0) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive, far below 2^64"
            )]
            busy.billionths_usd.add((usd * 1e9).round() as u64);
        }
        let operation = Operation::from(record.protocol);
        if let Some(calls) = of(&Operation::ALL, &busy.calls, operation) {
            calls.get_or_init(|| Box::new(Calls::new())).ended(record.stream, attempt);
        }
    }

    pub(super) fn skipped(&self, gate: Gate) {
        of(&Gate::ALL, &self.skipped, gate).into_iter().for_each(Counter::one);
    }

    pub(super) fn gate_closed(&self, gate: Gate) {
        of(&Gate::ALL, &self.gates, gate).into_iter().for_each(Counter::one);
    }

    pub(super) fn hedge_started(&self, rescue: bool) {
        self.hedges.started.one();
        if rescue {
            self.hedges.rescues.one();
        }
    }

    pub(super) fn hedge_ended(&self, end: HedgeEnd) {
        match end {
            HedgeEnd::Won => self.hedges.won.one(),
            HedgeEnd::Lost => self.hedges.lost.one(),
            HedgeEnd::Failed => self.hedges.failed.one(),
        }
    }

    pub(super) fn twin_started(&self) {
        self.twins.started.one();
    }

    pub(super) fn twin_ended(&self, twin: &Attempted) {
        if twin.failure().is_some() { self.twins.failed.one() } else { self.twins.answered.one() }
    }

    pub(super) fn spliced(&self, mode: Mode) {
        of(&MODES, &self.splices, mode).into_iter().for_each(Counter::one);
    }

    pub(super) fn changed(&self, to: Circuit, reason: &'static str) {
        if to == Circuit::Open {
            self.opened.one();
        }
        self.transitions.one([to.label().into(), reason.into()]);
    }

    pub(super) fn injected(&self, kind: &str, action: &'static str) {
        self.faults.one([Cow::Owned(kind.to_owned()), action.into()]);
    }

    pub(super) fn lost_to_plugin(&self, code: &'static str) {
        self.lost.one([code.into(), "".into()]);
    }

    pub(super) fn prompt_failed(&self, template: &TemplateRef) {
        self.prompts.one([Cow::Owned(template.name.to_string()), "".into()]);
    }

    pub(super) fn is_used(&self) -> bool {
        self.attempts() + self.twins.started.get() > 0 || self.skipped.iter().any(|count| count.get() > 0)
    }
}

/// Those of the counters that ever counted, with their labels.
fn counted<'a, L: Copy>(
    labels: &'a [L],
    counters: &'a [Counter],
    name: impl Fn(L) -> &'static str + 'a,
) -> impl Iterator<Item = (&'static str, u64)> + 'a {
    let all = labels.iter().zip(counters).map(move |(label, counter)| (name(*label), counter.get()));
    all.filter(|(_, count)| *count > 0)
}

/// For the sums.
impl TargetFigures {
    pub(super) fn attempts(&self) -> u64 {
        self.busy.sum(|busy| &busy.started)
    }

    pub(super) fn probes(&self) -> u64 {
        self.probes.get()
    }

    pub(super) fn hedges(&self) -> (u64, u64, u64) {
        (self.hedges.started.get(), self.hedges.rescues.get(), self.hedges.won.get())
    }

    pub(super) fn twins(&self) -> u64 {
        self.twins.started.get()
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        counted(&Class::ALL, &self.failed, Class::label)
    }

    pub(super) fn skips(&self) -> impl Iterator<Item = (&'static str, u64)> {
        counted(&Gate::ALL, &self.skipped, Gate::label)
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened.get()
    }

    pub(super) fn gates_closed(&self) -> u64 {
        self.gates.iter().map(Counter::get).sum()
    }

    pub(super) fn faults_injected(&self) -> u64 {
        self.faults.sum()
    }

    pub(super) fn prompts_failed(&self) -> u64 {
        self.prompts.sum()
    }

    pub(super) fn plugin_faults(&self) -> u64 {
        self.lost.sum()
    }
}

/// For the sheet.
impl TargetFigures {
    pub(super) fn gather(&self, sheet: &mut Sheet, provider: &dyn Fn(&str) -> Option<String>) {
        sheet.put(&names::ATTEMPTS_STARTED, [self.target()], self.attempts());
        let answered = self.busy.sum(|busy| &busy.answered);
        let ends = [("answered", answered), ("outrun", self.outrun.get()), ("given_up", self.given_up.get())];
        for (result, count) in ends {
            sheet.put(&names::ATTEMPTS, [self.target(), (key::RESULT, result.into())], count);
        }
        self.labelled(sheet, &names::ATTEMPTS, key::RESULT, self.failures());
        sheet.put(&names::PROBES, [self.target()], &self.probes);
        let billionths_usd = self.busy.sum(|busy| &busy.billionths_usd);
        sheet.put(&names::COST, [self.target()], billionths_usd as f64 / 1e9);
        self.labelled(sheet, &names::SKIPPED, key::REASON, self.skips());
        let gates = counted(&Gate::ALL, &self.gates, Gate::label);
        self.labelled(sheet, &names::GATES_CLOSED, key::GATE, gates);
        let Hedges { started, rescues, won, lost, failed } = &self.hedges;
        let hedges =
            [("started", started), ("rescue", rescues), ("won", won), ("lost", lost), ("failed", failed)];
        self.used(sheet, &names::HEDGES, hedges);
        let Twins { started, answered, failed } = &self.twins;
        self.used(sheet, &names::TWINS, [("started", started), ("answered", answered), ("failed", failed)]);
        self.labelled(sheet, &names::SPLICES, key::MODE, counted(&MODES, &self.splices, Mode::label));
        self.rare(sheet, &names::BREAKER_TRANSITIONS, [key::CIRCUIT, key::REASON], &self.transitions);
        self.rare(sheet, &names::FAULTS_INJECTED, [key::FAULT, key::ACTION], &self.faults);
        for ([code, _], count) in self.lost.read() {
            sheet.put(&names::PLUGIN_LOST, [self.target(), (key::CODE, code)], count);
        }
        for ([template, _], count) in self.prompts.read() {
            sheet.put(&names::PROMPTS_FAILED, [self.target(), (key::TEMPLATE, template)], count);
        }
        for operation in Operation::ALL {
            self.gather_calls(sheet, operation, provider);
        }
    }

    fn target(&self) -> Label {
        (key::TARGET, Cow::Owned(self.label.clone()))
    }

    fn labelled(
        &self,
        sheet: &mut Sheet,
        metric: &'static Metric,
        label: &'static str,
        counts: impl Iterator<Item = (&'static str, u64)>,
    ) {
        for (value, count) in counts {
            sheet.put(metric, [self.target(), (label, value.into())], count);
        }
    }

    /// All of these, once the first has counted.
    fn used<const N: usize>(
        &self,
        sheet: &mut Sheet,
        metric: &'static Metric,
        counters: [(&'static str, &Counter); N],
    ) {
        if counters.iter().any(|(_, counter)| counter.get() > 0) {
            for (result, counter) in counters {
                sheet.put(metric, [self.target(), (key::RESULT, result.into())], counter);
            }
        }
    }

    fn rare(&self, sheet: &mut Sheet, metric: &'static Metric, labels: [&'static str; 2], counts: &Rare) {
        for (words, count) in counts.read() {
            let [first, second]: Words = words;
            let [one, other] = labels;
            sheet.put(metric, [self.target(), (one, first), (other, second)], count);
        }
    }

    fn gather_calls(
        &self,
        sheet: &mut Sheet,
        operation: Operation,
        provider: &dyn Fn(&str) -> Option<String>,
    ) {
        let provider = provider(&self.id.provider).unwrap_or_else(|| self.id.provider.to_string());
        // What has not happened yet would only be noise.
        let mut put = |metric: &'static Metric,
                       more: Option<Label>,
                       of_calls: &dyn Fn(&Calls) -> Option<&Histogram>| {
            let spread = self.busy.spread(|busy| busy.calls(operation).and_then(of_calls));
            if let Some(spread) = spread.filter(|spread| spread.count() > 0) {
                let usual = [
                    (key::GEN_AI_OPERATION, operation.label().into()),
                    (key::GEN_AI_PROVIDER, Cow::Owned(provider.clone())),
                    (key::GEN_AI_REQUEST_MODEL, Cow::Owned(self.id.model.to_string())),
                ];
                sheet.put(metric, usual.into_iter().chain(more), spread);
            }
        };
        let error = |name: &'static str| Some((key::ERROR_TYPE, name.into()));
        put(&names::GEN_AI_DURATION, None, &|calls| Some(&calls.answered));
        for class in Class::ALL {
            let failed = error(class.label());
            put(&names::GEN_AI_DURATION, failed, &|calls| of(&Class::ALL, &calls.failed, class)?.get());
        }
        put(&names::GEN_AI_DURATION, error(CANCELLED), &|calls| calls.cancelled.get());
        put(&names::GEN_AI_FIRST_CHUNK, None, &|calls| Some(&calls.first_content));
        let tokens = |kind: &'static str| Some((key::GEN_AI_TOKEN_TYPE, kind.into()));
        put(&names::GEN_AI_TOKENS, tokens("input"), &|calls| Some(&calls.input));
        put(&names::GEN_AI_TOKENS, tokens("output"), &|calls| Some(&calls.output));
    }
}
