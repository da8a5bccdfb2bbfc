//! The smallest client that can use the demo: one request a connection, the whole answer, bounded.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More than any answer of the demo.
const LARGEST_ANSWER: u64 = 1 << 20;

/// Sends JSON; the status of the answer and everything after the status line.
pub(super) async fn post(addr: SocketAddr, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {addr}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LARGEST_ANSWER).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    Ok((status.ok_or_else(bad)?, answer))
}
