//! One adapter that can misbehave in every way the host promises to survive.
//!
//! What it does is chosen by its `MODE` (tests patch the bytes of the built component, so a file can misbehave from its
//! first call on), else by a model name `bad:<mode>` (so a loaded adapter can misbehave in one call). Without either it
//! is a good, minimal adapter.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "provider-adapter-with-dialect",
    generate_all,
});

/// An older version of an interface that the standard library imports too.
mod old {
    wit_bindgen::generate!({
        inline: "
            package bad:old;
            world imports {
                import wasi:random/random@0.2.0;
                import wasi:random/insecure@0.2.0;
            }
            package wasi:random@0.2.0 {
                interface random {
                    get-random-bytes: func(len: u64) -> list<u8>;
                    get-random-u64: func() -> u64;
                }
                interface insecure {
                    get-insecure-random-bytes: func(len: u64) -> list<u8>;
                    get-insecure-random-u64: func() -> u64;
                }
            }
        ",
        world: "bad:old/imports",
        generate_all,
    });
}

use exports::seawall::plugin::dialect;
use exports::seawall::plugin::provider::{self, *};
use old::wasi::random::{insecure, random};
use seawall::plugin::host::{self, Level, RequestBody};
use seawall::plugin::types::{ErrorClass, Scope};

/// Patched by tests; both have a fixed length.
static MODE: [u8; 32] = *b"SEAWALL-MODE:                   ";
static MARK: [u8; 32] = *b"SEAWALL-MARK:0                  ";

fn patched(field: &'static [u8; 32]) -> String {
    // Volatile in effect: the compiler must not fold the bytes that tests change in the finished file.
    let bytes = std::hint::black_box(field);
    String::from_utf8_lossy(&bytes["SEAWALL-MODE:".len()..]).trim().to_owned()
}

fn mode(model: &str) -> String {
    let mode = patched(&MODE);
    if !mode.is_empty() { mode } else { model.strip_prefix("bad:").unwrap_or_default().to_owned() }
}

fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { overflow(depth + 1) + frame[(depth % 64) as usize] }
}

fn burn(rounds: u64) -> u64 {
    (0..rounds).fold(1, |a, i| std::hint::black_box(a ^ i).wrapping_mul(6364136223846793005))
}

/// What goes wrong before an answer is even attempted.
fn misbehave(mode: &str) {
    match mode {
        "spin" => loop {
            std::hint::black_box(burn(1000));
        },
        "bomb" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                // Untouched pages cost no time: the cap has to strike before the deadline.
                hoard.push(std::hint::black_box(Vec::with_capacity(1 << 20)));
            }
        }
        "trap" => panic!("this adapter traps on purpose"),
        "stack" => drop(std::hint::black_box(overflow(0))),
        "sleep" => std::thread::sleep(std::time::Duration::from_millis(300)),
        "yield" => std::thread::sleep(std::time::Duration::from_micros(20)),
        "logs" => (0..2_000).for_each(|n| host::log(Level::Info, &format!("line {n}"))),
        "long-log" => host::log(Level::Warn, &"x".repeat(1 << 20)),
        "slow" => drop(std::hint::black_box(burn(6_000_000))),
        "ambient" => {
            println!("nobody reads this");
            eprintln!("nor this");
            let map: std::collections::HashMap<u32, u32> = (0..10).map(|n| (n, n)).collect();
            assert_eq!(map.len(), 10);
            assert_eq!(std::env::vars().count(), 0);
            assert_eq!(std::env::args().count(), 0);
            assert!(std::fs::read("/etc/hostname").is_err());
            assert!(std::fs::write("seawall-was-here", "x").is_err());
            let mut line = String::new();
            assert!(matches!(std::io::stdin().read_line(&mut line), Ok(0) | Err(_)));
            let before = std::time::Instant::now();
            assert!(std::time::SystemTime::now() > std::time::UNIX_EPOCH);
            assert!(before.elapsed().as_secs() < 60);
        }
        "random" => {
            assert_eq!(random::get_random_bytes(64 << 10).len(), 64 << 10);
            assert_eq!(insecure::get_insecure_random_bytes(7).len(), 7);
            assert_ne!(random::get_random_u64(), random::get_random_u64());
        }
        "much-random" => drop(random::get_random_bytes(u64::MAX)),
        "more-random" => drop(insecure::get_insecure_random_bytes((64 << 10) + 1)),
        "exit" => std::process::exit(3),
        #[cfg(feature = "sockets")]
        "connect" => drop(std::net::TcpStream::connect("127.0.0.1:1")),
        _ => {}
    }
}

struct Component;

impl provider::Guest for Component {
    type StreamDecoder = Decoder;

    fn describe() -> Info {
        let mode = patched(&MODE);
        if let Some(mode) = mode.strip_prefix("describe-") {
            misbehave(mode);
        }
        Info {
            manifest: Manifest {
                name: "bad".into(),
                version: "0.1.0".into(),
                description: "misbehaves on demand".into(),
                config_schema: None,
            },
            credential_env: vec!["BAD_API_KEY".into()],
            telemetry_name: "bad".into(),
            client_headers: match mode.as_str() {
                "steal" => vec!["authorization".into()],
                _ => vec!["x-beta".into()],
            },
        }
    }

    fn configure(config: String) -> Result<Settings, Vec<ConfigProblem>> {
        if config.contains("refuse") {
            return Err(vec![ConfigProblem {
                path: "/refuse".into(),
                message: "this member is refused".into(),
                fix: Some("remove it".into()),
            }]);
        }
        let auth = match patched(&MODE).as_str() {
            "scheme" => Auth::Named(NamedAuth { name: "carrier-pigeon".into(), params: "{}".into() }),
            "auth-header-name" => Auth::Header("not a header".into()),
            _ => Auth::Bearer,
        };
        let default_base_url = match patched(&MODE).as_str() {
            "homeless" => None,
            _ => Some("https://bad.example/v1".into()),
        };
        let accepts = match patched(&MODE).as_str() {
            "protocol" => vec!["telegram".into()],
            _ => vec!["chat".into(), "a-later-kind".into()],
        };
        Ok(Settings { default_base_url, auth, accepts })
    }

    fn model(name: String, _config: String) -> Result<Capabilities, Vec<ConfigProblem>> {
        misbehave(name.strip_prefix("model:").unwrap_or_default());
        Ok(Capabilities {
            streams: true,
            tools: true,
            vision: false,
            json_schema: false,
            choices: true,
            continues_assistant_prefix: false,
            context_window: Some(1000),
            input_price_per_1m: None,
            output_price_per_1m: Some(2.0),
        })
    }

    fn build_request(body: RequestBody, target: Target) -> Result<HttpRequest, ProviderError> {
        let mode = mode(&target.model);
        if body.member("poison").is_some() {
            panic!("poisoned by the request");
        }
        misbehave(&mode);
        let mut headers = vec![
            Header { name: "x-mark".into(), value: patched(&MARK) },
            Header { name: "x-size".into(), value: body.size().to_string() },
            Header { name: "x-protocol".into(), value: body.protocol() },
        ];
        if let Some(value) = body.header("x-beta") {
            headers.push(Header { name: "x-beta".into(), value });
        }
        if body.header("x-secret").is_some() || body.header("authorization").is_some() {
            headers.push(Header { name: "x-leak".into(), value: "yes".into() });
        }
        let forged = match mode.as_str() {
            "auth-header" => Some(("Authorization", "Bearer stolen")),
            "cookie" => Some(("cookie", "a=b")),
            "host-header" => Some(("host", "evil.example")),
            "crlf" => Some(("x-ok", "a\r\nauthorization: Bearer stolen")),
            _ => None,
        };
        headers.extend(forged.map(|(name, value)| Header { name: name.into(), value: value.into() }));
        let path = match mode.as_str() {
            "host-path" => "//evil.example/v1",
            "dots" => "/v1/../admin",
            "absolute" => "https://evil.example/",
            _ => "/chat/completions",
        };
        let body = match mode.as_str() {
            "huge" => BodyPlan::Full(vec![b' '; 40 << 20]),
            "patch" => BodyPlan::MergePatch("{\"model\":".into()),
            "patch-array" => BodyPlan::MergePatch("[1]".into()),
            "not-json" => BodyPlan::Full(b"<html>".to_vec()),
            "full" => BodyPlan::Full(body.json()),
            _ => BodyPlan::MergePatch(format!("{{\"model\":{:?}}}", target.model)),
        };
        Ok(HttpRequest {
            method: if mode == "method" { "CONNECT TO" } else { "POST" }.into(),
            path_and_query: path.into(),
            headers,
            body,
            reply: match mode.as_str() {
                "aws" => ReplyFormat::Custom(Framing::AwsEventStream),
                "same" => ReplyFormat::Same,
                _ => ReplyFormat::Custom(Framing::Sse),
            },
        })
    }

    fn parse_response(_kind: String, target: Target, reply: Reply) -> Result<Answer, ProviderError> {
        let mode = mode(&target.model);
        misbehave(mode.strip_prefix("parse-").unwrap_or_default());
        if reply.body.is_empty() {
            return Err(failed(ErrorClass::EmptyAnswer, "nothing came"));
        }
        if mode == "parse-events" {
            let said = [Event::Text("told".to_owned()), Event::RawChoice("[]".to_owned())];
            let count = if reply.body.starts_with(b"[") { 2 } else { 1 };
            let events = said.into_iter().take(count).map(|what| StreamEvent { choice: 0, what });
            return Ok(Answer::Events(events.collect()));
        }
        let body = if mode == "parse-not-json" { b"<html>".to_vec() } else { reply.body };
        Ok(Answer::Body(body))
    }

    fn classify(target: Target, failure: Failure) -> ProviderError {
        let mode = mode(&target.model);
        misbehave(mode.strip_prefix("classify-").unwrap_or_default());
        let class = match failure.status {
            Some(429) => ErrorClass::RateLimited,
            Some(401) => ErrorClass::Auth,
            _ => ErrorClass::ServerError,
        };
        ProviderError {
            retry_after_ms: failure
                .headers
                .iter()
                .find(|h| h.name == "retry-after")
                .and_then(|h| h.value.parse::<u64>().ok())
                .map(|s| s * 1000),
            scope: Scope::Credential,
            ..failed(class, &String::from_utf8_lossy(&failure.data))
        }
    }
}

fn failed(class: ErrorClass, message: &str) -> ProviderError {
    ProviderError {
        class,
        scope: Scope::Model,
        message: message.into(),
        retry_after_ms: None,
        code: Some("native".into()),
        param: None,
    }
}

/// Says its mark first, then repeats each event as text.
struct Decoder {
    mode: String,
    started: std::cell::Cell<bool>,
}

fn event(what: Event) -> StreamEvent {
    StreamEvent { choice: 0, what }
}

impl GuestStreamDecoder for Decoder {
    fn new(_kind: String, target: Target) -> Self {
        let mode = mode(&target.model);
        misbehave(mode.strip_prefix("decoder-").unwrap_or_default());
        Self { mode, started: false.into() }
    }

    fn feed(&self, events: Vec<WireEvent>) -> Vec<StreamEvent> {
        misbehave(self.mode.strip_prefix("feed-").unwrap_or_default());
        let mut out = Vec::new();
        if !self.started.replace(true) {
            out.push(event(Event::Start(Start { id: Some(patched(&MARK)), model: None })));
        }
        for wire in events {
            let text = String::from_utf8_lossy(&wire.data).into_owned();
            out.push(event(match text.as_str() {
                "[DONE]" => Event::Done,
                "error" => Event::Failed(failed(ErrorClass::Overloaded, "no capacity")),
                "raw" => Event::RawChoice("{\"logprobs\":null}".into()),
                "raw-bad" => Event::RawChoice("nonsense".into()),
                _ => Event::Text(text),
            }));
        }
        out
    }

    fn finish(&self) -> Vec<StreamEvent> {
        misbehave(self.mode.strip_prefix("finish-").unwrap_or_default());
        let finish = Finish { reason: FinishReason::Stop, native: Some("end".into()), stop_sequence: None };
        vec![event(Event::Finish(finish))]
    }
}

impl dialect::Guest for Component {
    fn render(what: dialect::Shape) -> Option<Reply> {
        match what {
            dialect::Shape::Failure(shape) => Some(Reply {
                status: 529,
                headers: vec![Header {
                    name: "retry-after".into(),
                    value: shape.retry_after.unwrap_or_default(),
                }],
                body: format!("{{\"error\":\"{:?}\"}}", shape.class).into_bytes(),
            }),
            dialect::Shape::Answer(_) => None,
        }
    }
}

export!(Component);
