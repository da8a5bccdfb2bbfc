//! The smallest HTTP client that sees what a real one hides: whether a body ended properly, broke off, or was reset.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The body is complete.
    Whole,
    /// The connection closed within the body or before the headers.
    Broken,
    /// TCP reset.
    Reset,
    /// Nothing more came for the patience of the test.
    Silent,
}

#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
    /// HTTP chunks, where the body came in chunks.
    pub(crate) chunks: usize,
    pub(crate) end: End,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The JSON after each `data:`; what is not JSON is null.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data:"));
        data.map(|data| serde_json::from_str(data.trim()).unwrap_or_default()).collect()
    }

    /// All strings at `pointer` in the events, joined.
    pub(crate) fn joined(&self, pointer: &str) -> String {
        self.events().iter().filter_map(|event| event.pointer(pointer)?.as_str()).collect()
    }
}

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where silence is what is expected.
const IMPATIENCE: Duration = Duration::from_millis(300);

pub(crate) async fn get(addr: SocketAddr, path: &str) -> Got {
    send(addr, "GET", path, &[], "").await
}

pub(crate) async fn post(addr: SocketAddr, path: &str, body: &Value) -> Got {
    send(addr, "POST", path, &VERSION, &body.to_string()).await
}

/// As [`post`], but gives up soon when nothing more comes.
pub(crate) async fn post_impatiently(addr: SocketAddr, path: &str, body: &Value) -> Got {
    receive(open(addr, "POST", path, &VERSION, &body.to_string()).await, IMPATIENCE).await
}

/// Harmless to the other dialects.
pub(crate) const VERSION: [(&str, &str); 1] = [("anthropic-version", "2023-06-01")];

pub(crate) async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Got {
    receive(open(addr, method, path, headers, body).await, PATIENCE).await
}

async fn receive(mut stream: TcpStream, patience: Duration) -> Got {
    let mut raw = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let end = loop {
        match tokio::time::timeout(patience, stream.read(&mut buffer)).await {
            Err(_) => break End::Silent,
            Ok(Err(_)) => break End::Reset,
            Ok(Ok(0)) => break End::Broken,
            Ok(Ok(count)) => raw.extend_from_slice(&buffer[..count]),
        }
    };
    read(&raw, end)
}

/// Sends a request and leaves the answer to the caller.
pub(crate) async fn open(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
    stream
}

fn read(raw: &[u8], mut end: End) -> Got {
    let text = String::from_utf8_lossy(raw).into_owned();
    let Some((headers, body)) = text.split_once("\r\n\r\n") else {
        return Got { status: 0, headers: text, body: String::new(), chunks: 0, end };
    };
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let headers = headers.to_lowercase();
    let (mut whole, mut chunks) = (String::new(), 0);
    if headers.contains("transfer-encoding: chunked") {
        let mut rest = body;
        while let Some((size, after)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                end = End::Whole;
                break;
            }
            let size = size.min(after.len());
            whole.push_str(&after[..size]);
            chunks += 1;
            rest = after[size..].strip_prefix("\r\n").unwrap_or_default();
        }
    } else {
        whole = body.to_owned();
        if headers.contains(&format!("content-length: {}", body.len())) {
            end = End::Whole;
        }
    }
    Got { status, headers, body: whole, chunks, end }
}
