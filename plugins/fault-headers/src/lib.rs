//! Faults in the head of an answer: a 5xx status, no capacity, the wrong content type, or all of it late.

#[cfg(test)]
mod tests;

use seawall_plugin::delay::Delay;
use seawall_plugin::fault::{Action, Attempt, ClassFailure, ErrorClass, FakeResponse, FaultTable, Verdict};
use seawall_plugin::headers::header;
use seawall_plugin::kinds::{Form, Kind, Param, Values};

/// The injector.
#[derive(Debug)]
pub struct Headers;

const STATUS: &[Param] = &[
    Param {
        name: "status",
        about: "What it answers",
        form: Form::OneOf {
            numbers: &[500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 528, 529],
            usual: 503,
        },
    },
    Param {
        name: "shape",
        about: "edge: that status with a page, as proxies in front of providers answer; provider: a failure of that \
                meaning in the provider's own shape, whose status may differ",
        form: Form::Word { words: &["edge", "provider"], usual: "edge" },
    },
];

impl FaultTable for Headers {
    const NAME: &'static str = "fault-headers";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "The provider answers, but not well, or late";
    const KINDS: &'static [Kind] = &[
        Kind {
            name: "outage",
            layer: "headers",
            about: "The provider answers with a 5xx status",
            params: STATUS,
        },
        Kind {
            name: "status",
            layer: "headers",
            about: "The same as outage, by its technical name",
            params: STATUS,
        },
        Kind {
            name: "overloaded-529",
            layer: "headers",
            about: "The provider has no capacity: status 529 in its own shape",
            params: &[],
        },
        Kind {
            name: "wrong-content-type",
            layer: "headers",
            about: "The real answer under a content type that is not its own",
            params: &[Param {
                name: "content_type",
                about: "What the answer says it is",
                form: Form::Text { usual: "text/html; charset=utf-8" },
            }],
        },
        Kind {
            name: "latency-storm",
            layer: "headers",
            about: "Calls wait for a time drawn from a distribution, then go to the provider",
            params: &[Param { name: "", about: "", form: Form::Delay { usual: Delay::around(1000.0) } }],
        },
    ];

    fn verdict(kind: &str, attempt: &Attempt, values: &Values) -> Verdict {
        match kind {
            "overloaded-529" => Verdict::now(Action::Fail(ClassFailure {
                class: ErrorClass::Overloaded,
                retry_after: None,
                status: Some(529),
            })),
            "wrong-content-type" => {
                let kind = header("content-type", values.text("content_type"));
                Verdict::now(Action::Rewrite(vec![kind]))
            }
            "latency-storm" => {
                let delay = values.delay().map(|delay| delay.draw(&mut attempt.draws()));
                Verdict { delay_ms: delay.unwrap_or_default(), action: Action::Pass }
            }
            _ => {
                let status = u16::try_from(values.whole("status")).unwrap_or(503);
                match values.text("shape") {
                    "provider" => Verdict::fail(class_of(status)),
                    _ => Verdict::now(Action::Respond(page(status))),
                }
            }
        }
    }
}

fn class_of(status: u16) -> ErrorClass {
    match status {
        503 | 529 => ErrorClass::Overloaded,
        504 | 522 | 524 => ErrorClass::Timeout,
        _ => ErrorClass::ServerError,
    }
}

/// What proxies in front of providers send: a page, not the provider's JSON.
fn page(status: u16) -> FakeResponse {
    let title = match status {
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        521 => "Web server is down",
        522 => "Connection timed out",
        523 => "Origin is unreachable",
        524 => "A timeout occurred",
        525 => "SSL handshake failed",
        526 => "Invalid SSL certificate",
        529 => "Site is overloaded",
        _ => "Web server is returning an unknown error",
    };
    let body = format!(
        "<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>{status} {title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    FakeResponse { status, headers: vec![header("content-type", "text/html")], body: body.into_bytes() }
}

seawall_plugin::export_fault!(Headers);
