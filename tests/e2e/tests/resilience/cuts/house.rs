//! One gateway, with a primary and a fallback of its own for each case.

use seawall_e2e::Stage;
use seawall_e2e::client::{Ending, Front, Question, Seen, said_by};
use seawall_sim::{Dialect, Sim, SimOptions};

use super::case::{Case, Fallback};

pub(super) struct House {
    pub(super) front: Front,
    pub(super) fallback: Fallback,
    sim: Sim,
    stage: Stage,
    cases: Vec<Case>,
}

fn dialect(front: Front) -> (Dialect, &'static str) {
    match front {
        Front::Chat => (Dialect::OpenAi, "openai"),
        Front::Messages => (Dialect::Anthropic, "anthropic"),
    }
}

const LIMITS: &str = "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
                      [defaults.timeouts]\nfirst_token = \"900ms\"\nanswer = \"900ms\"\nstall = \"500ms\"\ntotal = \"20s\"\n";

/// The length of an undisturbed stream in this wire format.
pub(super) async fn healthy_bytes(front: Front, model: &str) -> usize {
    let sim = Sim::start(SimOptions::default()).expect("a free port");
    let (dialect, adapter) = dialect(front);
    let base = sim.base_url("a", dialect);
    let config = format!("{LIMITS}[providers.a]\nadapter = \"{adapter}\"\nbase_url = \"{base}\"\n");
    let stage = Stage::start(&config).await;
    let question = Question { front, model: format!("a/{model}"), stream: true, text: "go".to_owned() };
    let seen = stage.ask(&question).await;
    assert_eq!(seen.reading.status, 200, "{}", seen.short());
    let sent = sim.lane("a").log().last().map_or(0, |entry| entry.sent_bytes);
    usize::try_from(sent).expect("a short answer")
}

impl House {
    pub(super) async fn open(front: Front, fallback: Fallback, cases: Vec<Case>) -> Self {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let (dialect, adapter) = dialect(front);
        let mut config = LIMITS.to_owned();
        for (number, case) in cases.iter().enumerate() {
            for role in ["p", "f"] {
                let name = format!("{role}{number}");
                let base = sim.base_url(&name, dialect);
                config.push_str(&format!(
                    "[providers.{name}]\nadapter = \"{adapter}\"\nbase_url = \"{base}\"\n\
                     [providers.{name}.models.\"{}\"]\ncontinues_assistant_prefix = {}\n",
                    case.model,
                    fallback.declared()
                ));
            }
            config.push_str(&format!(
                "[models.case-{number}]\ntargets = [\"p{number}/{0}\", \"f{number}/{0}\"]\n",
                case.model
            ));
            sim.lane(&format!("p{number}")).arm(case.fault());
            sim.lane(&format!("f{number}")).configure(|settings| settings.prefill = fallback.prefill());
        }
        let stage = Stage::start(&config).await;
        Self { front, fallback, sim, stage, cases }
    }

    /// Names for reports, and what [`Self::play`] takes.
    pub(super) fn cases(&self) -> impl Iterator<Item = (String, (&Self, usize))> {
        (0..self.cases.len()).map(move |number| (self.name(number), (self, number)))
    }

    pub(super) fn name(&self, number: usize) -> String {
        format!("{}, {}: {}", self.front.label(), self.fallback.label(), self.cases[number].name())
    }

    /// What the client saw, the text that it had to get, and what is wrong with it.
    pub(super) async fn play(&self, number: usize) -> (Seen, String, Vec<String>) {
        let model = format!("case-{number}");
        let seen =
            self.stage.ask(&Question { front: self.front, model, stream: true, text: "go".to_owned() }).await;
        let mut text = said_by(&self.sim, self.cases[number].model).await;
        // Broken before its first content, the primary leaves no trace: the answer is the fallback's, in its own words.
        if self.fallback == Fallback::Diverges && seen.header("x-seawall-target").starts_with('f') {
            text.insert_str(0, "Well: ");
        }
        let ending = seen.ending(&text);
        // An answer that goes on must be whole: only a divergent fallback, or one that ignores what the operator said
        // it would do, may leave the gateway without a way.
        let must_be_whole =
            matches!(self.fallback, Fallback::Accepts | Fallback::Refuses | Fallback::Repeats);
        let complaint = match ending {
            Ending::Whole => None,
            Ending::Error(_) if !must_be_whole => None,
            Ending::Error(_) => Some(seen.short()),
            Ending::Wrong(what) => Some(what),
        };
        (seen, text, complaint.into_iter().collect())
    }
}
