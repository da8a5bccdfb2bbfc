//! An upstream that plays recorded exchanges back. Which one is asked for stands in the model's name: `ID`, or `ID~k`
//! for the same recording cut after `k` events.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One reply to play.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Status.
    pub status: u16,
    /// Headers worth sending (content type, hints).
    pub headers: Vec<(String, String)>,
    /// The body, or for streams its events, each with its delimiter.
    pub pieces: Vec<Vec<u8>>,
}

/// How a body is put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slicing {
    /// As it is, with a length.
    Whole,
    /// Chunked, one byte a chunk: cuts inside lines and letters.
    OneByte,
}

/// A running player; it stops with the process.
#[derive(Debug)]
pub struct Player {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Player {
    /// Starts playing `recordings` on a free loopback port.
    pub async fn start(recordings: HashMap<String, Recording>, slicing: Slicing) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let recordings = Arc::new(recordings);
        crate::background(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let recordings = Arc::clone(&recordings);
                // A client that leaves ends its connection; there is nothing to do about it.
                crate::background(async move {
                    let _left = serve(stream, &recordings, slicing).await;
                });
            }
        });
        Ok(Self { address })
    }
}

async fn serve(
    mut stream: TcpStream,
    recordings: &HashMap<String, Recording>,
    slicing: Slicing,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some((path, body, used)) = read_request(&mut stream, &mut buffer).await? {
        buffer.drain(..used);
        let model = asked_model(&path, &body);
        let (id, events) = match model.split_once('~') {
            Some((id, events)) => (id, events.parse().ok()),
            None => (model.as_str(), None),
        };
        let Some(recording) = recordings.get(id) else {
            stream.write_all(b"HTTP/1.1 418 unknown\r\ncontent-length: 0\r\n\r\n").await?;
            continue;
        };
        play(&mut stream, recording, events, slicing).await?;
    }
    Ok(())
}

async fn play(
    stream: &mut TcpStream,
    recording: &Recording,
    events: Option<usize>,
    slicing: Slicing,
) -> io::Result<()> {
    let pieces =
        recording.pieces.get(..events.unwrap_or(usize::MAX).min(recording.pieces.len())).unwrap_or_default();
    let body = pieces.concat();
    let mut head = format!("HTTP/1.1 {} recorded\r\n", recording.status);
    for (name, value) in &recording.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match slicing {
        Slicing::Whole => {
            head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await
        }
        Slicing::OneByte => {
            head.push_str("transfer-encoding: chunked\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let mut wire = Vec::with_capacity(body.len() * 6);
            for byte in body {
                wire.extend_from_slice(b"1\r\n");
                wire.push(byte);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            stream.write_all(&wire).await
        }
    }
}

/// Path, body and length of the next request; none when the peer has closed.
async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<(String, Vec<u8>, usize)>> {
    loop {
        if let Some(request) = parse_request(buffer) {
            return Ok(Some(request));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn parse_request(buffer: &[u8]) -> Option<(String, Vec<u8>, usize)> {
    let head_end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(buffer.get(..head_end)?).into_owned();
    let path = head.split(' ').nth(1)?.to_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let end = head_end + length.unwrap_or(0_usize);
    Some((path, buffer.get(head_end..end)?.to_vec(), end))
}

/// The upstream model: a member of the body, or a part of the path (`/models/NAME:method`).
fn asked_model(path: &str, body: &[u8]) -> String {
    let from_path = path.split_once("/models/").and_then(|(_, rest)| rest.split([':', '?']).next());
    if let Some(model) = from_path {
        return model.replace("%7E", "~");
    }
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("model").and_then(|model| model.as_str()).unwrap_or_default().to_owned()
}
