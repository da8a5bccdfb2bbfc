//! The operator's settings.

use seawall_plugin::adapter::Auth;
use seawall_plugin::chat::Patch;
use seawall_plugin::config::{ConfigProblem, Options, escape};
use seawall_plugin::serde_json::{Map, Value};

/// How replies reach the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replies {
    /// Translated where that loses nothing or is needed, else watched.
    Auto,
    /// Read here and written anew by the host.
    Translated,
    /// As they came, and read here too for usage and failures.
    Watched,
    /// As they came.
    Same,
}

/// Settings of one server; see `config.schema.json`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) auth: Auth,
    pub(crate) stream_usage: bool,
    pub(crate) replies: Replies,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    drop: Vec<String>,
    extra_body: Map<String, Value>,
    max_tokens_field: Option<&'static str>,
}

/// Members that belong to the gateway and to the client.
const OWNED: [&str; 4] = ["model", "messages", "stream", "stream_options"];

impl Config {
    /// Reads and checks the settings.
    pub(crate) fn read(config: &str) -> Result<Self, Vec<ConfigProblem>> {
        let mut options = Options::new(config);
        let auth = read_auth(&mut options);
        let replies = match options.word("replies", &["auto", "translated", "watched", "same"]) {
            Some("same") => Replies::Same,
            Some("watched") => Replies::Watched,
            Some("translated") => Replies::Translated,
            _ => Replies::Auto,
        };
        let drop = options.strings("drop").unwrap_or_default();
        for (at, name) in drop.iter().enumerate().filter(|(_, name)| OWNED.contains(&name.as_str())) {
            options.refuse(&format!("drop/{at}"), format!("`{name}` cannot be dropped"), None);
        }
        let extra_body = options.object("extra_body").unwrap_or_default();
        for name in extra_body.keys().filter(|name| OWNED.contains(&name.as_str())) {
            let message = format!("`{name}` is set by the gateway");
            options.refuse(&format!("extra_body/{}", escape(name)), message, None);
        }
        let settings = Self {
            auth,
            stream_usage: options.flag("stream_usage").unwrap_or(true),
            replies,
            headers: read_headers(&mut options),
            query: pairs(&mut options, "query"),
            drop,
            extra_body,
            max_tokens_field: options.word("max_tokens_field", &["max_tokens", "max_completion_tokens"]),
        };
        options.finish(settings)
    }

    /// Changes a chat body as the settings say; what is added wins over what is dropped.
    pub(crate) fn apply(&self, patch: &mut Patch<'_>) {
        match self.max_tokens_field {
            Some("max_tokens") => patch.rename("max_completion_tokens", "max_tokens"),
            Some(_) => patch.rename("max_tokens", "max_completion_tokens"),
            None => {}
        }
        for name in &self.drop {
            patch.drop(name);
        }
        for (name, value) in &self.extra_body {
            patch.set(name, value.clone());
        }
    }
}

fn read_auth(options: &mut Options) -> Auth {
    let Some(scheme) = options.string("auth") else { return Auth::Bearer };
    let plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    match scheme.split_once(':') {
        None if scheme == "bearer" => return Auth::Bearer,
        None if scheme == "none" => return Auth::None,
        Some(("header", name)) if plain(name) => return Auth::Header(name.to_ascii_lowercase()),
        Some(("query", name)) if plain(name) => return Auth::Query(name.to_owned()),
        _ => {}
    }
    let fix = "write `bearer`, `none`, `header:NAME` (for Azure `header:api-key`) or `query:NAME`";
    options.refuse("auth", format!("unknown scheme `{scheme}`"), Some(fix.to_owned()));
    Auth::None
}

fn read_headers(options: &mut Options) -> Vec<(String, String)> {
    const SECRET: [&str; 4] = ["authorization", "x-api-key", "api-key", "cookie"];
    let headers = pairs(options, "headers");
    for (name, _) in &headers {
        if SECRET.contains(&name.to_ascii_lowercase().as_str()) {
            let fix = "put the secret into the provider's `credential` and name the header in `auth`";
            let message = format!("`{name}` carries a secret, and settings are not secret");
            options.refuse(&format!("headers/{}", escape(name)), message, Some(fix.to_owned()));
        }
    }
    headers
}

/// An object whose values are strings.
fn pairs(options: &mut Options, name: &str) -> Vec<(String, String)> {
    let mut read = Vec::new();
    for (key, value) in options.object(name).unwrap_or_default() {
        match value.as_str() {
            Some(text) => read.push((key, text.to_owned())),
            None => options.refuse(&format!("{name}/{}", escape(&key)), "expected a string", None),
        }
    }
    read
}
