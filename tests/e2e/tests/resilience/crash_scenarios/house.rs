//! One primary and one fallback behind one alias, and what came of asking it.

use std::time::Duration;

use futures_util::future::join_all;
use seawall_e2e::client::{Ending, Front, Question, Seen, said_by};
use seawall_e2e::{Complaints, Stage};
use seawall_sim::{Dialect, Entry, Fault, Prefill, Sim, SimOptions};
use tokio::time::{Instant, sleep_until};

/// Words of the canonical answer; each is one token and one event.
pub(super) const WORDS: usize = 60;
/// The two models say the same and have different names.
pub(super) const PRIMARY: &str = "prose-60";
pub(super) const FALLBACK: &str = "spare-prose-60";

/// Which wire format the fallback speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spare {
    /// The client's own, as the primary does.
    SameFormat,
    /// The other protocol's.
    OtherFormat,
}

impl Spare {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::SameFormat => "same format",
            Self::OtherFormat => "other format",
        }
    }
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schedule {
    /// One.
    Once,
    /// One, and when it is over one more.
    Twice,
    /// Twenty, one each four seconds, whatever becomes of those before.
    TwentyEveryFourSeconds,
}

pub(super) struct House {
    front: Front,
    sim: Sim,
    stage: Stage,
    text: String,
}

fn provider(dialect: Dialect) -> &'static str {
    if dialect == Dialect::OpenAi { "openai" } else { "anthropic" }
}

impl House {
    /// The benchmark's baseline: what an operator must know (the windows, and that the fallback goes on from a given
    /// beginning) is configured, everything else is left as it comes.
    pub(super) async fn open(front: Front, spare: Spare) -> Self {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let (own, other) = match front {
            Front::Chat => (Dialect::OpenAi, Dialect::Anthropic),
            Front::Messages => (Dialect::Anthropic, Dialect::OpenAi),
        };
        let spare = if spare == Spare::SameFormat { own } else { other };
        let stage = Stage::start(&format!(
            r#"
[server]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[providers.primary]
adapter = "{}"
base_url = "{}"
[providers.primary.models."{PRIMARY}"]
context_window = 8192
[providers.fallback]
adapter = "{}"
base_url = "{}"
[providers.fallback.models."{FALLBACK}"]
context_window = 131072
continues_assistant_prefix = true
[models.chat]
targets = ["primary/{PRIMARY}", "fallback/{FALLBACK}"]
"#,
            provider(own),
            sim.base_url("primary", own),
            provider(spare),
            sim.base_url("fallback", spare),
        ))
        .await;
        let text = said_by(&sim, PRIMARY).await;
        assert_eq!(text.split_whitespace().count(), WORDS, "{text}");
        Self { front, sim, stage, text }
    }

    fn question(&self, model: &str) -> Question {
        Question { front: self.front, model: model.to_owned(), stream: true, text: "go".to_owned() }
    }

    /// Breaks the primary and asks.
    pub(super) async fn run(&self, faults: Vec<Fault>, prefill: Prefill, schedule: Schedule) -> Run {
        const PACE: Duration = Duration::from_secs(4);
        self.sim.lane("fallback").configure(|settings| settings.prefill = prefill);
        let began = Instant::now();
        self.sim.lane("primary").set_faults(faults);
        let question = self.question("chat");
        let seen = match schedule {
            Schedule::Once => vec![self.stage.ask(&question).await],
            Schedule::Twice => vec![self.stage.ask(&question).await, self.stage.ask(&question).await],
            Schedule::TwentyEveryFourSeconds => {
                let each = |turn: u32| {
                    let question = &question;
                    async move {
                        sleep_until(began + PACE * turn).await;
                        self.stage.ask(question).await
                    }
                };
                join_all((0..20).map(each)).await
            }
        };
        let (primary, fallback) = (self.sim.lane("primary").log(), self.sim.lane("fallback").log());
        Run { text: self.text.clone(), seen, primary, fallback }
    }
}

/// What clients saw and what the upstreams were asked.
pub(super) struct Run {
    pub(super) text: String,
    pub(super) seen: Vec<Seen>,
    pub(super) primary: Vec<Entry>,
    pub(super) fallback: Vec<Entry>,
}

impl Run {
    /// The first request's answer.
    pub(super) fn first(&self) -> &Seen {
        self.seen.first().expect("every scenario asks")
    }

    /// Calls to either.
    pub(super) fn attempts(&self) -> usize {
        self.primary.len() + self.fallback.len()
    }

    /// Calls to the primary within so long of the first one.
    pub(super) fn primary_within(&self, time: Duration) -> usize {
        let first = self.primary.first().map_or(0, |entry| entry.monotonic_ms);
        let limit = first + u64::try_from(time.as_millis()).expect("a short time");
        self.primary.iter().filter(|entry| entry.monotonic_ms < limit).count()
    }

    /// The time between the first and the second call to the primary.
    pub(super) fn primary_gap(&self) -> Option<Duration> {
        let (first, second) = (self.primary.first()?, self.primary.get(1)?);
        Some(Duration::from_millis(second.monotonic_ms - first.monotonic_ms))
    }

    /// Whatever happens: the whole text, or a typed error.
    pub(super) fn never_lies(&self, seen: &Seen, complaints: &mut Complaints) {
        if let Ending::Wrong(what) = seen.ending(&self.text) {
            complaints.0.push(what);
        }
    }

    /// Complete, with usage, and with the name of a model that took part.
    pub(super) fn answered(&self, seen: &Seen, complaints: &mut Complaints) {
        complaints.expect(seen.ending(&self.text) == Ending::Whole, || {
            format!(
                "no whole answer: {}; primary asked {}, fallback asked {}",
                seen.short(),
                self.primary.len(),
                self.fallback.len()
            )
        });
        complaints.expect(seen.reading.usage.is_some_and(|(input, output)| input > 0 && output > 0), || {
            format!("no usage: {:?}", seen.reading.usage)
        });
        let known = |model: &String| [PRIMARY, FALLBACK].contains(&model.as_str());
        complaints.expect(!seen.models.is_empty() && seen.models.iter().all(known), || {
            format!("models {:?}", seen.models)
        });
    }

    /// Answered by the fallback alone, which is named.
    pub(super) fn answered_by_fallback(&self, complaints: &mut Complaints) {
        let seen = self.first();
        self.answered(seen, complaints);
        complaints.expect(seen.models == [FALLBACK], || format!("models {:?}", seen.models));
        // Headers that had to go out before anybody had answered, to keep the connection, cannot say who did.
        let known = !seen.header("x-seawall-target").is_empty();
        complaints.expect(!known || seen.header("x-seawall-degraded") == "fallback", || {
            format!("x-seawall-degraded {:?}", seen.header("x-seawall-degraded"))
        });
    }

    /// Begun by the primary, ended by the fallback, and labelled so.
    pub(super) fn spliced(&self, complaints: &mut Complaints) {
        let seen = self.first();
        self.answered(seen, complaints);
        complaints.expect(seen.models.first().is_some_and(|model| model == PRIMARY), || {
            format!("models {:?}", seen.models)
        });
        complaints.expect(seen.wire.contains("\"seawall\""), || "the splice has no label".to_owned());
    }
}
