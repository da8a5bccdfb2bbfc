//! The yardstick: a reverse proxy of the same parts (axum, reqwest) that does nothing else.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use tokio::net::TcpListener;

#[derive(Clone)]
struct Upstream {
    client: reqwest::Client,
    base: String,
}

/// Serves until the process ends.
pub(crate) async fn serve(listen: &str, upstream: &str) {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let state = Upstream { client, base: upstream.to_owned() };
    let listener = TcpListener::bind(listen).await.expect("a free port");
    let app = Router::new().route("/{*path}", any(forward)).with_state(state);
    axum::serve(axum::serve::ListenerExt::tap_io(listener, |io| io.set_nodelay(true).expect("nodelay")), app)
        .await
        .expect("serves");
}

async fn forward(State(upstream): State<Upstream>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 32 << 20).await.expect("a body");
    let url = format!("{}{}", upstream.base, parts.uri.path());
    let mut call = upstream.client.request(parts.method, url).body(body);
    if let Some(kind) = parts.headers.get("content-type") {
        call = call.header("content-type", kind);
    }
    let reply = call.send().await.expect("an answer");
    let mut response = Response::builder().status(reply.status());
    if let Some(kind) = reply.headers().get("content-type") {
        response = response.header("content-type", kind);
    }
    response.body(Body::from_stream(reply.bytes_stream())).expect("a response")
}
