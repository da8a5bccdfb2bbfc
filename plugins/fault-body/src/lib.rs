//! Faults of an answer's bytes: broken, of another kind, or far too many.

#[cfg(test)]
mod tests;

use seawall_plugin::fault::{
    Action, Attempt, ClassFailure, ErrorClass, FakeResponse, FaultTable, FinishReason, Frame, Step,
    Transform, Untouched, Verdict,
};
use seawall_plugin::headers::header;
use seawall_plugin::kinds::{Form, Kind, Param, Values};

/// The injector.
#[derive(Debug)]
pub struct Bodies;

const MIB: u64 = 1 << 20;

const fn kind(name: &'static str, about: &'static str, params: &'static [Param]) -> Kind {
    Kind { name, layer: "body", about, params }
}

impl FaultTable for Bodies {
    const NAME: &'static str = "fault-body";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "Answers whose bytes are not what they should be";
    const KINDS: &'static [Kind] = &[
        kind(
            "truncated-json",
            "The real answer's JSON ends in the middle; streams pass",
            &[Param {
                name: "keep",
                about: "The share of it that comes",
                form: Form::Number { low: 0.0, high: 0.99, usual: 0.5 },
            }],
        ),
        kind(
            "error-body-200",
            "An error in the provider's own shape under status 200",
            &[Param {
                name: "class",
                about: "What it says",
                form: Form::Word {
                    words: &["server-error", "overloaded", "rate-limited"],
                    usual: "server-error",
                },
            }],
        ),
        kind("empty-completion", "A whole answer with nothing in it", &[]),
        kind("html-200", "A web page under status 200, as captive portals answer", &[]),
        kind(
            "oversize",
            "An answer that does not end: so many MiB of filler",
            &[Param { name: "mib", about: "How many", form: Form::Whole { low: 1, high: 4096, usual: 80 } }],
        ),
    ];

    fn verdict(kind: &str, attempt: &Attempt, values: &Values) -> Verdict {
        match kind {
            "truncated-json" if attempt.streaming => Verdict::pass(),
            "error-body-200" => Verdict::now(Action::Fail(ClassFailure {
                class: match values.text("class") {
                    "overloaded" => ErrorClass::Overloaded,
                    "rate-limited" => ErrorClass::RateLimited,
                    _ => ErrorClass::ServerError,
                },
                retry_after: None,
                status: Some(200),
            })),
            "empty-completion" => Verdict::answer("", FinishReason::Stop),
            "html-200" => Verdict::now(Action::Respond(FakeResponse {
                status: 200,
                headers: vec![header("content-type", "text/html; charset=utf-8")],
                body: b"<!doctype html>\n<html><head><title>Sign in</title></head><body>Sign in to continue.</body></html>\n".to_vec(),
            })),
            _ => Verdict::rewrite(),
        }
    }

    fn rewrite(kind: &str, _attempt: &Attempt, values: &Values) -> Box<dyn Transform> {
        match kind {
            "truncated-json" => Box::new(Truncated { keep: values.number("keep") }),
            "oversize" => Box::new(Oversize { bytes: values.whole("mib").saturating_mul(MIB) }),
            _ => Box::new(Untouched),
        }
    }
}

/// Half a document.
#[derive(Debug)]
struct Truncated {
    keep: f64,
}

impl Transform for Truncated {
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step> {
        let Some(frame) = frames.into_iter().next() else { return vec![Step::End] };
        // A share of the length.
        let kept = (frame.data.len() as f64 * self.keep) as usize;
        let (head, _) = frame.data.split_at(kept.min(frame.data.len()));
        vec![Step::Raw(head.to_vec()), Step::End]
    }
}

/// One event or document that goes on and on.
#[derive(Debug)]
struct Oversize {
    bytes: u64,
}

impl Transform for Oversize {
    fn piece(&mut self, _frames: Vec<Frame>) -> Vec<Step> {
        vec![Step::Raw(b"data: ".to_vec()), Step::Fill(self.bytes), Step::End]
    }
}

seawall_plugin::export_fault!(Bodies);
