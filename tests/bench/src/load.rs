//! Load: the same request over and over, plain or streamed.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;

use crate::overload::Reply;

/// One request's times.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Until the end.
    pub(crate) whole: Duration,
}

#[derive(Clone)]
pub(crate) struct Load {
    client: reqwest::Client,
    url: String,
    body: String,
}

impl Load {
    pub(crate) fn new(base: &str, model: &str, stream: bool) -> Self {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let words = "the quick brown fox jumps over the lazy dog and back again ".repeat(16);
        let body = serde_json::json!({
            "model": model,
            "stream": stream,
            "temperature": 0.2,
            "messages": [
                { "role": "system", "content": "Answer briefly." },
                { "role": "user", "content": words.chars().take(850).collect::<String>() },
            ],
        });
        Self {
            client: reqwest::Client::builder().no_proxy().build().expect("a client"),
            url: format!("{base}/v1/chat/completions"),
            body: body.to_string(),
        }
    }

    /// `count` requests, `parallel` at a time.
    pub(crate) async fn run(&self, parallel: u32, count: u32) -> Vec<Sample> {
        let lanes = (0..parallel.min(count)).map(|lane| async move {
            let mine = count / parallel + u32::from(lane < count % parallel);
            let mut samples = Vec::new();
            for _ in 0..mine {
                samples.push(self.one().await);
            }
            samples
        });
        join_all(lanes).await.concat()
    }

    /// One request, whatever comes back; a connection that fails is status 0.
    pub(crate) async fn ask(&self) -> Reply {
        let began = Instant::now();
        let call =
            self.client.post(&self.url).header("content-type", "application/json").body(self.body.clone());
        let Ok(reply) = call.send().await else {
            return Reply { status: 0, hinted: false, took: began.elapsed() };
        };
        let status = reply.status().as_u16();
        let hinted = reply.headers().contains_key("retry-after");
        let status = if reply.bytes().await.is_ok() { status } else { 0 };
        Reply { status, hinted, took: began.elapsed() }
    }

    async fn one(&self) -> Sample {
        let began = Instant::now();
        let call =
            self.client.post(&self.url).header("content-type", "application/json").body(self.body.clone());
        let reply = call.send().await.expect("an answer");
        assert!(
            reply.status().is_success(),
            "{} from {}: {:?}",
            reply.status(),
            self.url,
            reply.text().await
        );
        let mut bytes = reply.bytes_stream();
        while let Some(piece) = bytes.next().await {
            piece.expect("a whole answer");
        }
        Sample { whole: began.elapsed() }
    }
}
