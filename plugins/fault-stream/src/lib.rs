//! Faults of streams, made of real frames: the provider's own answer, but late, in drops, cut, doubled or damaged. A plain
//! answer has no frames to damage and passes.

mod damage;
mod pace;
#[cfg(test)]
mod tests;

use seawall_plugin::delay::Delay;
use seawall_plugin::fault::{Attempt, ErrorClass, FaultTable, Step, Transform, Untouched, Verdict};
use seawall_plugin::kinds::{Form, Kind, Param, Values};

use damage::{CrlfMix, Duplicate, EndAfter, Malformed, SplitUtf8};
use pace::{Drip, Heartbeats, SlowFirst};

/// The injector.
#[derive(Debug)]
pub struct Streams;

const fn after(usual: u32) -> Param {
    Param {
        name: "after",
        about: "Frames that come before it; a frame is about a token",
        form: Form::Whole { low: 0, high: 1_000_000, usual },
    }
}

const fn kind(name: &'static str, about: &'static str, params: &'static [Param]) -> Kind {
    Kind { name, layer: "stream", about, params }
}

impl FaultTable for Streams {
    const NAME: &'static str = "fault-stream";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "Streams that break, stall, drip or lie";
    const KINDS: &'static [Kind] = &[
        kind(
            "slow-first-token",
            "The stream opens at once, its first frame comes late",
            &[Param { name: "", about: "", form: Form::Delay { usual: Delay::around(4000.0) } }],
        ),
        kind(
            "drip",
            "Frames come one by one, slowly",
            &[Param {
                name: "tokens_per_s",
                about: "How many a second",
                form: Form::Number { low: 0.01, high: 10_000.0, usual: 5.0 },
            }],
        ),
        kind("stall-after", "Nothing more comes after some frames, and the connection stays", &[after(5)]),
        kind(
            "heartbeat-only",
            "Comments keep the connection, and nothing else comes",
            &[Param {
                name: "interval_ms",
                about: "Between two comments",
                form: Form::Whole { low: 10, high: 60_000, usual: 1000 },
            }],
        ),
        kind("reset-after", "The connection breaks after some frames", &[after(5)]),
        kind(
            "truncate-no-done",
            "The stream ends cleanly after some frames, without its end marker",
            &[after(5)],
        ),
        kind(
            "error-event-in-200",
            "A failure event in the provider's own shape after some frames",
            &[
                after(3),
                Param {
                    name: "class",
                    about: "What it says",
                    form: Form::Word {
                        words: &["overloaded", "server-error", "rate-limited"],
                        usual: "overloaded",
                    },
                },
            ],
        ),
        kind(
            "duplicate-chunk",
            "Some frames come twice",
            &[Param {
                name: "every",
                about: "Each so-manieth",
                form: Form::Whole { low: 1, high: 1000, usual: 3 },
            }],
        ),
        kind("split-utf8", "Reads end in the middle of letters", &[]),
        kind("malformed-sse", "A frame that cannot be parsed after some frames", &[after(2)]),
        kind("crlf-mix", "Lines end in every way that the standard allows", &[]),
    ];

    fn verdict(_kind: &str, attempt: &Attempt, _values: &Values) -> Verdict {
        if attempt.streaming { Verdict::rewrite() } else { Verdict::pass() }
    }

    fn rewrite(kind: &str, attempt: &Attempt, values: &Values) -> Box<dyn Transform> {
        let end = |step| Box::new(EndAfter { left: values.whole("after"), step }) as Box<dyn Transform>;
        match kind {
            "slow-first-token" => {
                let delay = values.delay().map(|delay| delay.draw(&mut attempt.draws()));
                Box::new(SlowFirst(delay))
            }
            "drip" => Box::new(Drip::of(values.number("tokens_per_s"))),
            "stall-after" => end(Step::Stall),
            "heartbeat-only" => Box::new(Heartbeats {
                interval_ms: u32::try_from(values.whole("interval_ms")).unwrap_or(1000),
            }),
            "reset-after" => end(Step::Cut),
            "truncate-no-done" => end(Step::End),
            "error-event-in-200" => end(Step::Fail(match values.text("class") {
                "server-error" => ErrorClass::ServerError,
                "rate-limited" => ErrorClass::RateLimited,
                _ => ErrorClass::Overloaded,
            })),
            "duplicate-chunk" => Box::new(Duplicate { every: values.whole("every").max(1), seen: 0 }),
            "split-utf8" => Box::new(SplitUtf8),
            "malformed-sse" => Box::new(Malformed { left: Some(values.whole("after")) }),
            "crlf-mix" => Box::new(CrlfMix { lines: 0 }),
            _ => Box::new(Untouched),
        }
    }
}

seawall_plugin::export_fault!(Streams);
