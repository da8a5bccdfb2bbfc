//! An OpenTelemetry collector on loopback that keeps the spans it is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as Wire;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::background;

/// A span as its sender told it.
#[derive(Clone, Debug)]
pub struct Span {
    /// Of the whole trace, hexadecimal.
    pub trace: String,
    /// Its own id, hexadecimal.
    pub id: String,
    /// The span above it; empty where there is none.
    pub parent: String,
    /// `tracestate`.
    pub state: String,
    /// What it is called.
    pub name: String,
    /// It is a server's, not a client's.
    pub server: bool,
    /// What it says, in words.
    pub says: BTreeMap<String, String>,
}

/// The collector. It ends with the process.
#[derive(Debug)]
pub struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// On a free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let kept = Arc::clone(&spans);
        background(async move {
            while let Ok((socket, _)) = listener.accept().await {
                background(receive(socket, Arc::clone(&kept)));
            }
        });
        Self { url, spans }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All spans so far, in the order of arrival.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Posts on one connection.
async fn receive(mut socket: TcpStream, spans: Arc<Mutex<Vec<Span>>>) {
    let mut bytes = Vec::new();
    loop {
        while let Some((head, body)) = split(&bytes) {
            if head.starts_with("post /v1/traces ") {
                let message = ExportTraceServiceRequest::decode(&bytes[body.clone()]).expect("spans");
                let scopes = message.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
                let new = scopes.flat_map(|scope| scope.spans).map(read);
                spans.lock().unwrap_or_else(PoisonError::into_inner).extend(new);
            }
            bytes.drain(..body.end);
            if socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                return;
            }
        }
        if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

/// The head of the first post in lower case, and where its body stands; none while it is not there whole.
fn split(bytes: &[u8]) -> Option<(String, std::ops::Range<usize>)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let body = end..end + length.unwrap_or(0);
    (bytes.len() >= body.end).then_some((head, body))
}

fn read(span: Wire) -> Span {
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let word = |value: Value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(is) => is.to_string(),
        other => format!("{other:?}"),
    };
    let says = span.attributes.into_iter().filter_map(|pair| Some((pair.key, word(pair.value?.value?))));
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        state: span.trace_state,
        name: span.name,
        server: span.kind == 2,
        says: says.collect(),
    }
}
