//! What the client library's errors mean to the cascade. Its texts may hold URLs and with them keys, so none is passed
//! on: the words here are chosen from the error's kind.

use std::error::Error;
use std::io;

use seawall_core::ports::TransportFailure;

/// A failure before the reply's headers.
pub(super) fn before_headers(error: reqwest::Error) -> TransportFailure {
    let error = error.without_url();
    if error.is_builder() {
        return TransportFailure::Connect("the request cannot be written as HTTP".to_owned());
    }
    if !error.is_connect() {
        return TransportFailure::Reset(cause(&error).to_owned());
    }
    if error.is_timeout() {
        return TransportFailure::ConnectTimeout;
    }
    let why = if error.is_dns() { "the host name does not resolve" } else { cause(&error) };
    TransportFailure::Connect(why.to_owned())
}

/// A failure inside the reply's body.
pub(super) fn inside_body(error: &reqwest::Error) -> TransportFailure {
    TransportFailure::Body(cause(error).to_owned())
}

/// The most telling link of the error's chain: the innermost that we have words for.
fn cause(error: &(dyn Error + 'static)) -> &'static str {
    let mut words = "the connection failed";
    let mut link = Some(error);
    while let Some(error) = link {
        if let Some(known) = known(error) {
            words = known;
        }
        link = inner(error);
    }
    words
}

/// `io::Error` wraps TLS errors without naming them as its source.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn known(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(match tls {
            rustls::Error::InvalidCertificate(_) => "the server's certificate is not trusted",
            rustls::Error::AlertReceived(_) => "the server refused the TLS handshake",
            _ => "the TLS handshake failed",
        });
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return Some(match io.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused",
            io::ErrorKind::ConnectionReset => "connection reset",
            io::ErrorKind::ConnectionAborted => "connection aborted",
            io::ErrorKind::BrokenPipe => "the server closed the connection",
            io::ErrorKind::UnexpectedEof => "the server closed the connection early",
            io::ErrorKind::TimedOut => "the connection went silent",
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no route to the host",
            _ => return None,
        });
    }
    let http = error.downcast_ref::<hyper::Error>()?;
    if http.is_incomplete_message() {
        Some("the server closed the connection early")
    } else if http.is_parse() {
        Some("the server does not answer in HTTP")
    } else if http.is_timeout() {
        Some("the connection went silent")
    } else if http.is_canceled() || http.is_closed() {
        Some("the connection was closed before the request was sent")
    } else {
        None
    }
}
