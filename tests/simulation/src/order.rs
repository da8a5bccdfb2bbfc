//! What a client wants: its request, its patience, and the answer that would be right.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use seawall_core::protocol::read_request;
use seawall_core::request::{Protocol, Request, RequestId};

/// One client's order.
#[derive(Clone, Debug)]
pub struct Order {
    /// Names it everywhere.
    pub id: RequestId,
    /// The alias asked for.
    pub alias: Arc<str>,
    /// In which protocol.
    pub protocol: Protocol,
    /// Streamed.
    pub stream: bool,
    /// The right answer counts from 1 to this.
    pub numbers: u32,
    /// Tokens of the right answer; they set its pace.
    pub tokens: f64,
    /// Estimated prompt tokens on top of the body's own.
    pub prompt_tokens: u32,
    /// The client's deadline.
    pub deadline: Option<Duration>,
    /// The client leaves after this time, whatever has come.
    pub leaves_after: Option<Duration>,
    /// The client waits this long before each read.
    pub reads_every: Duration,
    /// The client reads every event; else it only looks how the stream ends.
    pub reads_closely: bool,
}

impl Order {
    /// A patient client's streamed order in the chat protocol.
    pub fn new(id: u64, alias: &Arc<str>) -> Self {
        Self {
            id: RequestId(id),
            alias: Arc::clone(alias),
            protocol: Protocol::Chat,
            stream: true,
            numbers: 5,
            tokens: 50.0,
            prompt_tokens: 0,
            deadline: None,
            leaves_after: None,
            reads_every: Duration::ZERO,
            reads_closely: true,
        }
    }

    /// How much larger than a small prompt this one is for a provider.
    pub fn size(&self) -> f64 {
        const TOKENS_AS_MUCH_AGAIN: f64 = 4096.0;
        1.0 + f64::from(self.prompt_tokens) / TOKENS_AS_MUCH_AGAIN
    }

    /// The request as ingress would make it. A long prompt is only said to be long: parsing megabytes of padding is not
    /// what is tested here.
    pub fn request(&self) -> Result<Request, String> {
        let (alias, stream, RequestId(id)) = (&self.alias, self.stream, self.id);
        let body = format!(
            r#"{{"model":"{alias}","stream":{stream},"max_tokens":4096,"messages":[{{"role":"user","content":"count"}}]}}"#
        );
        let headers = HeaderMap::from_iter([(ORDER_HEADER, HeaderValue::from(id))]);
        let (mut facts, body) =
            read_request(self.protocol, Bytes::from(body), headers, id).map_err(|error| error.message)?;
        facts.input_tokens_estimate = facts.input_tokens_estimate.saturating_add(self.prompt_tokens);
        Ok(Request {
            id: self.id,
            protocol: self.protocol,
            tenant: Arc::from("default"),
            facts,
            body: Arc::new(body),
            deadline: self.deadline,
            strict: false,
            trace: None,
            chaos: None,
        })
    }
}

/// The client's header that tells a provider whose order it is; every translation of a body keeps its headers.
pub const ORDER_HEADER: HeaderName = HeaderName::from_static("x-simulated-order");
