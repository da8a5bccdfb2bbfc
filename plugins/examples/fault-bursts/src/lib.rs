//! Template: a fault of one's own. Frames of a stream come in bursts, with pauses from a distribution that no bundled fault
//! has (exponential). Built, it is one file; dropped into the plugins folder it stands in the catalogue.

use seawall_plugin::fault::{Attempt, FaultTable, Frame, Step, Transform, Verdict};
use seawall_plugin::kinds::{Form, Kind, Param, Values};
use seawall_plugin::random::Draws;

/// The injector.
#[derive(Debug)]
pub struct Bursts;

impl FaultTable for Bursts {
    const NAME: &'static str = "fault-bursts";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "Streams that come in bursts";
    const KINDS: &'static [Kind] = &[Kind {
        name: "drip-bursts",
        layer: "stream",
        about: "Frames come in bursts, with exponential pauses between them",
        params: &[
            Param {
                name: "mean_ms",
                about: "The mean pause",
                form: Form::Number { low: 0.0, high: 60_000.0, usual: 200.0 },
            },
            Param {
                name: "burst",
                about: "Frames at a time",
                form: Form::Whole { low: 1, high: 1000, usual: 3 },
            },
        ],
    }];

    fn verdict(_kind: &str, attempt: &Attempt, _values: &Values) -> Verdict {
        if attempt.streaming { Verdict::rewrite() } else { Verdict::pass() }
    }

    fn rewrite(_kind: &str, attempt: &Attempt, values: &Values) -> Box<dyn Transform> {
        let (mean_ms, burst) = (values.number("mean_ms"), values.whole("burst").max(1));
        Box::new(Bursting { draws: attempt.draws(), mean_ms, burst, seen: 0 })
    }
}

struct Bursting {
    draws: Draws,
    mean_ms: f64,
    burst: u64,
    seen: u64,
}

impl Transform for Bursting {
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step> {
        let mut steps = Vec::with_capacity(frames.len() * 2);
        for frame in frames {
            if self.seen.is_multiple_of(self.burst) {
                // 1 - unit is never 0, so the logarithm is finite.
                let pause_ms = -self.mean_ms * (1.0 - self.draws.unit()).ln();
                steps.push(Step::WaitMs(pause_ms.round() as u32));
            }
            self.seen += 1;
            steps.push(Step::Send(frame));
        }
        steps
    }
}

seawall_plugin::export_fault!(Bursts);
