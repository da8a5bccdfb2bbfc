//! A client of either protocol that believes nothing: it keeps the bytes, says how the body ended, and judges whether
//! what it got is the whole answer, a typed error, or something that only looks like one of them.

use std::time::Duration;

use seawall_sim::{Dialect, Sim};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::Stage;
use crate::reading::{self, Reading};

/// Nothing in any suite may take longer; a client that waits for ever would hide it.
const PATIENCE: Duration = Duration::from_mins(2);

/// The protocol at the gateway's front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Front {
    /// OpenAI chat completions.
    Chat,
    /// Anthropic messages.
    Messages,
}

impl Front {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Chat, Self::Messages];

    /// For names of cases.
    pub fn label(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Messages => "messages",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
        }
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// In which protocol.
    pub front: Front,
    /// The alias or target.
    pub model: String,
    /// Streamed; usage is always asked for.
    pub stream: bool,
    /// What the user says.
    pub text: String,
}

impl Question {
    fn body(&self) -> Value {
        let mut body = json!({
            "model": self.model,
            "stream": self.stream,
            "messages": [{ "role": "user", "content": self.text }],
        });
        match self.front {
            Front::Chat if self.stream => body["stream_options"] = json!({ "include_usage": true }),
            Front::Chat => {}
            Front::Messages => body["max_tokens"] = json!(4_096),
        }
        body
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Seen {
    /// In which protocol.
    pub front: Front,
    /// A stream was asked for.
    pub stream: bool,
    /// As a client understands it; empty where `trouble` says why.
    pub reading: Reading,
    /// Response headers.
    pub headers: http::HeaderMap,
    /// The body as it arrived.
    pub wire: String,
    /// The models that the answer names, in the order of their first appearance.
    pub models: Vec<String>,
    /// From sending to the end of the body.
    pub elapsed: Duration,
    /// No answer, a body that broke off, bytes that are not what the protocol says.
    pub trouble: Option<String>,
}

impl Seen {
    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A member of the error; empty where there is none.
    pub fn error(&self, member: &str) -> &str {
        self.reading.error.as_ref().and_then(|error| error[member].as_str()).unwrap_or_default()
    }

    /// The word by which clients tell errors apart: `code` for chat, `type` for messages.
    pub fn error_word(&self) -> &str {
        self.error(match self.front {
            Front::Chat => "code",
            Front::Messages => "type",
        })
    }

    /// How this ended for a client that must get `text`.
    pub fn ending(&self, text: &str) -> Ending {
        let seen = &self.reading;
        if let Some(trouble) = &self.trouble {
            return Ending::Wrong(trouble.clone());
        }
        if seen.error.is_some() {
            return self.error_ending(text);
        }
        let finished = seen.finish.is_some() || seen.terminated;
        let wrong = |what: &str| Ending::Wrong(format!("{what}: {}", self.short()));
        match () {
            () if seen.status != 200 => wrong("an error status without an error"),
            () if !finished => wrong("neither finished nor an error"),
            () if seen.text != text && text.starts_with(&seen.text) => {
                wrong("a truncated answer as a success")
            }
            () if seen.text != text => wrong("another text"),
            () if seen.finish.as_deref() != Some("stop") => wrong("another finish reason"),
            () if self.stream && !seen.terminated => wrong("no terminator"),
            () => Ending::Whole,
        }
    }

    fn error_ending(&self, text: &str) -> Ending {
        let seen = &self.reading;
        let wrong = |what: &str| Ending::Wrong(format!("{what}: {}", self.short()));
        match () {
            () if self.error_word().is_empty() => wrong("an error without a type"),
            () if seen.finish.is_some() || seen.terminated => wrong("an error and a clean end"),
            () if seen.status == 200 && !self.stream => wrong("an error as a success"),
            () if !text.starts_with(&seen.text) => wrong("another text before the error"),
            () => Ending::Error(self.error_word().to_owned()),
        }
    }

    /// What is worth a line in a report.
    pub fn short(&self) -> String {
        let seen = &self.reading;
        let text: String = seen.text.chars().rev().take(24).collect::<Vec<_>>().into_iter().rev().collect();
        format!(
            "status {}, {} characters ending in {text:?}, finish {:?}, terminated {}, error {}, from {:?} after {} attempts in {:.1?}",
            seen.status,
            seen.text.len(),
            seen.finish,
            seen.terminated,
            seen.error.as_ref().map_or_else(|| "none".to_owned(), Value::to_string),
            self.header("x-seawall-target"),
            self.header("x-seawall-attempts"),
            self.elapsed,
        )
    }
}

/// How an answer ended, as a client must understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The whole text, finished as the protocol wants it.
    Whole,
    /// A typed error, and before it nothing but a beginning of the text. The word is its code or type.
    Error(String),
    /// Anything else; above all a truncated answer that looks complete.
    Wrong(String),
}

/// What a model says when nothing is wrong: asked of the simulator itself, on a lane that no gateway uses.
pub async fn said_by(sim: &Sim, model: &str) -> String {
    let url = format!("{}/chat/completions", sim.base_url("reference", Dialect::OpenAi));
    let body = json!({ "model": model, "messages": [{ "role": "user", "content": "go" }] }).to_string();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let reply = client.post(url).body(body).send().await.expect("an answer");
    let status = reply.status().as_u16();
    reading::chat(status, false, &reply.text().await.expect("a body")).text
}

impl Stage {
    /// Asks, and reads whatever comes to its end.
    pub async fn ask(&self, question: &Question) -> Seen {
        let began = Instant::now();
        let mut seen = Seen {
            front: question.front,
            stream: question.stream,
            reading: Reading::default(),
            headers: http::HeaderMap::new(),
            wire: String::new(),
            models: Vec::new(),
            elapsed: Duration::ZERO,
            trouble: None,
        };
        match timeout(PATIENCE, self.fetch(question, &mut seen)).await {
            Ok(Ok(bytes)) => seen.read(bytes),
            Ok(Err(error)) => seen.trouble = Some(error),
            Err(_) => seen.trouble = Some("still no end after two minutes".to_owned()),
        }
        seen.elapsed = began.elapsed();
        seen
    }

    async fn fetch(&self, question: &Question, seen: &mut Seen) -> Result<Vec<u8>, String> {
        let call = self.client().post(format!("{}{}", self.url(), question.front.path()));
        let call = call.header("content-type", "application/json").body(question.body().to_string());
        let mut reply = call.send().await.map_err(|error| format!("no answer: {error:?}"))?;
        seen.reading.status = reply.status().as_u16();
        seen.headers = reply.headers().clone();
        let mut bytes = Vec::new();
        loop {
            match reply.chunk().await {
                Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                Ok(None) => return Ok(bytes),
                Err(error) => {
                    let so_far = String::from_utf8_lossy(&bytes).into_owned();
                    return Err(format!("the body broke off after {so_far:?}: {error:?}"));
                }
            }
        }
    }
}

impl Seen {
    fn read(&mut self, bytes: Vec<u8>) {
        let status = self.reading.status;
        let Ok(wire) = String::from_utf8(bytes) else {
            self.trouble = Some("the body is not UTF-8".to_owned());
            return;
        };
        self.wire = wire;
        let streamed = self.stream && status < 400;
        let values: Vec<(String, Option<Value>)> = if streamed {
            let events = reading::events(&self.wire).into_iter();
            events.map(|(_, data)| (data.clone(), serde_json::from_str(&data).ok())).collect()
        } else {
            vec![(self.wire.clone(), serde_json::from_str(&self.wire).ok())]
        };
        let done = |data: &str| self.front == Front::Chat && streamed && data.trim() == "[DONE]";
        if let Some((data, _)) = values.iter().find(|(data, value)| value.is_none() && !done(data)) {
            self.trouble = Some(format!("not JSON: {data:?}"));
            return;
        }
        for value in values.iter().filter_map(|(_, value)| value.as_ref()) {
            let named = value["model"].as_str().or(value["message"]["model"].as_str());
            if let Some(model) = named.filter(|model| self.models.iter().all(|known| known != model)) {
                self.models.push(model.to_owned());
            }
        }
        self.reading = match self.front {
            Front::Chat => reading::chat(status, self.stream, &self.wire),
            Front::Messages => reading::messages(status, self.stream, &self.wire),
        };
    }
}
