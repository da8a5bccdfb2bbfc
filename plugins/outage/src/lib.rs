//! Faults: the provider is down. It answers with a 5xx, refuses connections, breaks them, or never answers.

#[cfg(test)]
mod tests;

use seawall_plugin::config::{ConfigProblem, Options, problem, summary};
use seawall_plugin::fault::{
    Action, Attempt, Catalogue, ClassFailure, ErrorClass, FakeResponse, FaultInjector, Kind, Manifest,
    Verdict,
};
use seawall_plugin::headers::header;
use seawall_plugin::serde_json::{Value, json};

/// The injector.
#[derive(Debug)]
pub struct Outage;

#[derive(Debug)]
struct Config {
    percent: f64,
    status: u16,
    own_shape: bool,
}

impl FaultInjector for Outage {
    fn describe() -> Catalogue {
        let kinds = [
            ("outage", "The provider answers with a 5xx status"),
            ("refused", "The provider refuses connections"),
            ("reset", "Connections break before an answer"),
            ("hang", "Connections are accepted and nothing ever comes"),
        ];
        Catalogue {
            manifest: Manifest {
                name: "outage".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                description: "The provider is down".to_owned(),
                config_schema: None,
            },
            kinds: kinds.into_iter().map(|(name, description)| kind(name, description)).collect(),
        }
    }

    fn check(kind: &str, config: &str) -> Vec<ConfigProblem> {
        Config::read(kind, config).err().unwrap_or_default()
    }

    fn decide(kind: &str, attempt: &Attempt, config: &str) -> Result<Verdict, String> {
        let config = Config::read(kind, config).map_err(|problems| summary(&problems))?;
        if attempt.draws().unit() * 100.0 >= config.percent {
            return Ok(Verdict::pass());
        }
        Ok(Verdict::now(match kind {
            "refused" => Action::RefuseConnection,
            "reset" => Action::Reset,
            "hang" => Action::Hang,
            _ if config.own_shape => {
                Action::Fail(ClassFailure { class: class_of(config.status), retry_after: None })
            }
            _ => Action::Respond(page(config.status)),
        }))
    }
}

fn kind(name: &str, description: &str) -> Kind {
    let percent = json!({
        "type": "number", "minimum": 0, "maximum": 100, "default": 100,
        "description": "Share of attempts that are hit",
    });
    let mut members = json!({ "percent": percent });
    if let (true, Some(members)) = (name == "outage", members.as_object_mut()) {
        let known: Vec<u16> = [500, 502, 503, 504].into_iter().chain(520..=529).collect();
        members.insert("status".to_owned(), json!({ "enum": known, "default": 503 }));
        let shape = "edge: that status, as proxies in front of providers answer; provider: a failure of that meaning \
                     in the provider's own shape, whose status may differ";
        members.insert(
            "shape".to_owned(),
            json!({ "enum": ["edge", "provider"], "default": "edge", "description": shape }),
        );
    }
    let schema: Value = json!({ "type": "object", "additionalProperties": false, "properties": members });
    Kind { name: name.to_owned(), description: description.to_owned(), config_schema: schema.to_string() }
}

impl Config {
    fn read(kind: &str, config: &str) -> Result<Self, Vec<ConfigProblem>> {
        if !["outage", "refused", "reset", "hang"].contains(&kind) {
            return Err(vec![problem("", format!("unknown kind `{kind}`"), None)]);
        }
        let mut options = Options::new(config);
        let percent = options.number("percent", 0.0, 100.0).unwrap_or(100.0);
        let (mut status, mut own_shape) = (503, false);
        if kind == "outage" {
            let known = |status: &u16| matches!(status, 500 | 502 | 503 | 504 | 520..=529);
            let read = options.read("status", "500, 502, 503, 504 or 520 to 529", |value| {
                value.as_u64().and_then(|n| u16::try_from(n).ok()).filter(known)
            });
            status = read.unwrap_or(status);
            own_shape = options.word("shape", &["edge", "provider"]) == Some("provider");
        }
        options.finish(Self { percent, status, own_shape })
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

seawall_plugin::export_fault!(Outage);
