//! Faults of limits and rights: too fast, used up, not allowed, not known. All in the provider's own shape.

#[cfg(test)]
mod tests;
mod throttle;

use seawall_plugin::fault::{Action, Attempt, ClassFailure, ErrorClass, FaultTable, Verdict};
use seawall_plugin::kinds::{Form, Kind, Param, Values};
use seawall_plugin::retry::write_http_date;

/// The injector.
#[derive(Debug)]
pub struct Limits;

const RATE: &[Param] = &[
    Param {
        name: "retry_after",
        about: "The hint's form; garbage: values that cannot be read, to see that they do no harm",
        form: Form::Word { words: &["none", "seconds", "date", "garbage"], usual: "seconds" },
    },
    Param {
        name: "seconds",
        about: "How long the hint asks to wait",
        form: Form::Number { low: 0.0, high: 86_400.0, usual: 2.0 },
    },
    Param {
        name: "free",
        about: "Attempts whose number since arming is below this pass",
        form: Form::Whole { low: 0, high: u32::MAX, usual: 0 },
    },
];

const THROTTLE: &[Param] = &[
    Param {
        name: "rpm",
        about: "Requests a minute that pass; 0 = any number",
        form: Form::Whole { low: 0, high: 10_000_000, usual: 60 },
    },
    Param {
        name: "tpm",
        about: "Prompt tokens a minute that pass; 0 = any number",
        form: Form::Whole { low: 0, high: 1_000_000_000, usual: 0 },
    },
];

impl FaultTable for Limits {
    const NAME: &'static str = "fault-limits";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "The provider limits or refuses us";
    const KINDS: &'static [Kind] = &[
        Kind {
            name: "rate-limit",
            layer: "limits",
            about: "The provider answers 429 in its own shape, with a hint",
            params: RATE,
        },
        Kind {
            name: "rate-429",
            layer: "limits",
            about: "The same as rate-limit, by its technical name",
            params: RATE,
        },
        Kind {
            name: "quota-exhausted",
            layer: "limits",
            about: "The account's allowance is used up",
            params: &[],
        },
        Kind { name: "auth-revoked", layer: "limits", about: "The key is no longer valid", params: &[] },
        Kind {
            name: "forbidden",
            layer: "limits",
            about: "The key may not do this: status 403",
            params: &[],
        },
        Kind {
            name: "model-not-found",
            layer: "limits",
            about: "The provider does not know the model",
            params: &[],
        },
        Kind {
            name: "throttle-tier",
            layer: "limits",
            about: "A lower tier: so many requests and tokens a minute pass, the rest is rate limited",
            params: THROTTLE,
        },
    ];

    fn verdict(kind: &str, attempt: &Attempt, values: &Values) -> Verdict {
        match kind {
            "quota-exhausted" => Verdict::fail(ErrorClass::QuotaExhausted),
            "auth-revoked" => Verdict::fail(ErrorClass::Auth),
            "forbidden" => Verdict::now(Action::Fail(ClassFailure {
                class: ErrorClass::Auth,
                retry_after: None,
                status: Some(403),
            })),
            "model-not-found" => Verdict::fail(ErrorClass::ModelNotFound),
            "throttle-tier" => match throttle::wait_s(attempt, values.whole("rpm"), values.whole("tpm")) {
                Some(seconds) => limited(Some(seconds.to_string())),
                None => Verdict::pass(),
            },
            _ if attempt.ordinal < values.whole("free") => Verdict::pass(),
            _ => limited(hint(attempt, values)),
        }
    }
}

fn limited(retry_after: Option<String>) -> Verdict {
    let failure = ClassFailure { class: ErrorClass::RateLimited, retry_after, status: None };
    Verdict::now(Action::Fail(failure))
}

/// Value of the header, as a provider would write it.
fn hint(attempt: &Attempt, values: &Values) -> Option<String> {
    const GARBAGE: [&str; 6] = ["soon", "-1", "NaN", "", "1e999", "Thu, 99 Foo 0000 99:99:99 GMT"];
    let seconds = values.number("seconds");
    match values.text("retry_after") {
        "none" => None,
        "date" => Some(write_http_date(attempt.now_ms / 1000 + seconds.ceil() as u64)),
        "garbage" => {
            let pick = attempt.draws().next_u64() % GARBAGE.len() as u64;
            usize::try_from(pick).ok().and_then(|at| GARBAGE.get(at)).map(|text| (*text).to_owned())
        }
        _ => Some(seconds.to_string()),
    }
}

seawall_plugin::export_fault!(Limits);
