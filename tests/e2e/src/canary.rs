//! Canaries: secrets that are planted where secrets are, and looked for where none may be.
//!
//! Whoever adds a place where the gateway says something adds it to [`ADMIN_PLACES`] or looks at it with
//! [`Canaries::nowhere`]; whoever adds a place where secrets are handed in plants one more.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What operators can read: every place of the admin interface that answers a GET.
pub const ADMIN_PLACES: &[&str] = &[
    "/livez",
    "/readyz",
    "/admin/status",
    "/admin/availability",
    "/admin/targets",
    "/admin/plugins",
    "/admin/chaos/catalogue",
    "/admin/chaos/faults",
    "/admin/chaos/experiments",
    "/admin/audit?limit=1000",
    "/admin/audit/export?kind=request,refusal,twin,breaker,operator,content,run",
    "/admin/audit/status",
    "/metrics",
];

/// Secrets, by where they were planted.
#[derive(Clone, Debug, Default)]
pub struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    /// A secret for this place. It looks like a key, and like no other.
    pub fn plant(&mut self, place: &'static str) -> String {
        let number = self.0.len();
        let secret = format!("sk-canary{number:02}f7Qz91kLmPq3TxVbN8w{number:02}");
        self.0.push((place, secret.clone()));
        secret
    }

    /// All but the ones of a place that may show its own.
    #[must_use]
    pub fn without(&self, place: &str) -> Self {
        Self(self.0.iter().filter(|(planted, _)| *planted != place).cloned().collect())
    }

    /// The places whose secret stands in a text, or the telling middle of it.
    pub fn nowhere(&self, text: &str) -> Vec<&'static str> {
        let found = self.0.iter().filter(|(_, secret)| {
            let middle = secret.get(3..).unwrap_or(secret);
            text.contains(middle)
        });
        found.map(|(place, _)| *place).collect()
    }
}

/// An upstream that says everything it is told: headers, path and body, in whatever it answers. The model's name says
/// with which status; `stream` breaks a stream with an error inside.
///
/// # Panics
/// When there is no free port.
pub async fn talkative_upstream() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    crate::background(async move {
        while let Ok((stream, _)) = listener.accept().await {
            crate::background(async move {
                let _left = talk(stream).await;
            });
        }
    });
    addr
}

async fn talk(mut stream: TcpStream) -> std::io::Result<()> {
    let heard = Arc::new(request(&mut stream).await?);
    // All in one line, as providers put what they complain about into a message.
    let said = serde_json::to_string(&heard.replace(['\r', '\n'], " ")).expect("a text");
    let status: u16 =
        heard.split("status-").nth(1).and_then(|text| text.get(..3)?.parse().ok()).unwrap_or(200);
    let error =
        format!("{{\"error\":{{\"message\":{said},\"type\":{said},\"code\":{said},\"param\":{said}}}}}");
    let (kind, body) = match status {
        200 if heard.contains("broken-stream") => {
            let chunk = "{\"id\":\"a\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}";
            ("text/event-stream", format!("data: {chunk}\n\ndata: {error}\n\n"))
        }
        200 => (
            "application/json",
            "{\"id\":\"a\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"well\"},\"finish_reason\":\"stop\"}]}".to_owned(),
        ),
        _ => ("application/json", error),
    };
    let head = format!(
        "HTTP/1.1 {status} said\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

async fn request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 4_096];
    loop {
        let read = stream.read(&mut buffer).await?;
        bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return Ok(text);
            }
            continue;
        };
        let length = head.to_ascii_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length:").and_then(|length| length.trim().parse::<usize>().ok())
        });
        if read == 0 || body.len() >= length.unwrap_or(0) {
            return Ok(text);
        }
    }
}
