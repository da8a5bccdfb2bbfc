//! Answers that are whole and worthless: the wire is fine, the model is not.

#[cfg(test)]
mod tests;
mod tool_args;

use seawall_plugin::fault::{Attempt, FaultTable, FinishReason, Transform, Verdict};
use seawall_plugin::kinds::{Form, Kind, Param, Values};

use tool_args::ToolArgs;

/// The injector.
#[derive(Debug)]
pub struct Semantics;

const fn kind(name: &'static str, about: &'static str, params: &'static [Param]) -> Kind {
    Kind { name, layer: "semantics", about, params }
}

impl FaultTable for Semantics {
    const NAME: &'static str = "fault-semantics";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "Answers that are whole and worthless";
    const KINDS: &'static [Kind] = &[
        kind(
            "garbage-tokens",
            "Words without sense",
            &[Param {
                name: "words",
                about: "How many",
                form: Form::Whole { low: 1, high: 10_000, usual: 40 },
            }],
        ),
        kind(
            "wrong-language",
            "An answer in a language that nobody asked for",
            &[Param {
                name: "text",
                about: "What it says",
                form: Form::Text {
                    usual: "Valitettavasti en ymmärrä kysymystäsi, mutta sää on tänään kaunis.",
                },
            }],
        ),
        kind(
            "refusal",
            "The model declines",
            &[Param {
                name: "text",
                about: "What it says",
                form: Form::Text { usual: "I'm sorry, but I can't help with that." },
            }],
        ),
        kind(
            "repeated-loop",
            "The same words over and over, up to the limit",
            &[
                Param { name: "text", about: "What it says", form: Form::Text { usual: "and then " } },
                Param {
                    name: "times",
                    about: "How often",
                    form: Form::Whole { low: 1, high: 10_000, usual: 200 },
                },
            ],
        ),
        kind(
            "tool-args-truncated",
            "Arguments of tool calls end in the middle; answers without tool calls pass",
            &[Param {
                name: "keep",
                about: "Bytes of the arguments that come",
                form: Form::Whole { low: 0, high: 100_000, usual: 5 },
            }],
        ),
    ];

    fn verdict(kind: &str, attempt: &Attempt, values: &Values) -> Verdict {
        match kind {
            "garbage-tokens" => Verdict::answer(garbage(attempt, values.whole("words")), FinishReason::Stop),
            "repeated-loop" => {
                let times = usize::try_from(values.whole("times")).unwrap_or(1);
                Verdict::answer(values.text("text").repeat(times), FinishReason::Length)
            }
            "tool-args-truncated" => Verdict::rewrite(),
            _ => Verdict::answer(values.text("text"), FinishReason::Stop),
        }
    }

    fn rewrite(_kind: &str, _attempt: &Attempt, values: &Values) -> Box<dyn Transform> {
        Box::new(ToolArgs { keep: usize::try_from(values.whole("keep")).unwrap_or(usize::MAX) })
    }
}

/// Words of random letters.
fn garbage(attempt: &Attempt, words: u64) -> String {
    const LETTERS: [char; 20] =
        ['a', 'e', 'i', 'o', 'u', 'b', 'd', 'g', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'x', 'z', 'q'];
    let mut draws = attempt.draws();
    let mut below = move |limit: u64| usize::try_from(draws.next_u64() % limit).unwrap_or(0);
    let mut text = String::new();
    for _ in 0..words {
        for _ in 0..2 + below(8) {
            text.extend(LETTERS.get(below(LETTERS.len() as u64)));
        }
        text.push(' ');
    }
    text.truncate(text.trim_end().len());
    text
}

seawall_plugin::export_fault!(Semantics);
