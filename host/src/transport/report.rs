//! The way to a collector: our own reports, never a client's request.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};

use super::TransportSetupError;
use super::clients::tls_config;

/// Posts to one address. Nothing that it says holds the address or a header: both may hold a secret.
#[derive(Debug)]
pub(crate) struct Reporter {
    client: Client,
    url: Url,
}

impl Reporter {
    /// With these headers on every report, such as a collector's key.
    pub(crate) fn new(
        url: &str,
        headers: &[(String, String)],
        timeout: Duration,
    ) -> Result<Self, TransportSetupError> {
        let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url =
            url.ok_or_else(|| TransportSetupError::Client("the collector's address is no HTTP URL".into()))?;
        let mut always = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(name.as_str()).ok();
            let value = HeaderValue::try_from(value.as_str()).ok();
            if let Some((name, mut value)) = name.zip(value) {
                value.set_sensitive(true);
                always.insert(name, value);
            }
        }
        let client = Client::builder()
            .tls_backend_preconfigured(tls_config()?)
            .user_agent(concat!("seawall/", env!("CARGO_PKG_VERSION")))
            .default_headers(always)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(timeout)
            .build()
            .map_err(|error| TransportSetupError::Client(error.without_url().to_string()))?;
        Ok(Self { client, url })
    }

    /// Posts one; why it was not taken.
    pub(crate) async fn post(&self, content_type: &'static str, body: Vec<u8>) -> Result<(), String> {
        let post = self.client.post(self.url.clone()).header("content-type", content_type).body(body);
        let response = post.send().await.map_err(|error| error.without_url().to_string())?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(format!("the collector answered {}", status.as_u16())) }
    }
}
