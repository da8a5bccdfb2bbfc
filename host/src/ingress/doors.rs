//! The data port's doors: which path leads where, and by which method. A handful of fixed paths needs no router; one
//! costs each request a dozen allocations.

use http::Method;
use percent_encoding::percent_decode_str;
use seawall_core::request::Protocol;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Requests to models, in this protocol.
    Requests(Protocol),
    /// The names that models have.
    Models,
    /// One of them.
    Model(String),
    /// Whether the gateway serves.
    Health,
}

const MODELS: &str = "/v1/models";

impl Door {
    /// The door at this path, if there is one.
    pub(super) fn at(path: &str) -> Option<Self> {
        if let Some(protocol) = Protocol::ALL.into_iter().find(|protocol| protocol.path() == path) {
            return Some(Self::Requests(protocol));
        }
        match path {
            MODELS => Some(Self::Models),
            "/health" => Some(Self::Health),
            _ => {
                let name = path.strip_prefix(MODELS)?.strip_prefix('/').filter(|name| !name.is_empty())?;
                // What is no text names no model, and is told so with what can be read of it.
                Some(Self::Model(percent_decode_str(name).decode_utf8_lossy().into_owned()))
            }
        }
    }

    pub(super) fn takes(&self, method: &Method) -> bool {
        self.methods().split(", ").any(|known| known == method.as_str())
    }

    /// As the `Allow` header says it.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Requests(_) => "POST",
            Self::Models | Self::Model(_) | Self::Health => "GET, HEAD",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_doors() {
        let model = |name: &str| Some(Door::Model(name.to_owned()));
        for (path, door) in [
            ("/v1/chat/completions", Some(Door::Requests(Protocol::Chat))),
            ("/v1/embeddings", Some(Door::Requests(Protocol::Embeddings))),
            ("/v1/messages", Some(Door::Requests(Protocol::Messages))),
            ("/v1/messages/count_tokens", None),
            ("/v1/chat/completions/", None),
            ("/v1/models", Some(Door::Models)),
            ("/v1/models/", None),
            ("/v1/modelsfast", None),
            ("/v1/models/fast", model("fast")),
            ("/v1/models/openai/gpt-4o", model("openai/gpt-4o")),
            ("/v1/models/openai%2Fgpt-4o", model("openai/gpt-4o")),
            ("/v1/models/a%20b%zz%ff", model("a b%zz\u{fffd}")),
            ("/health", Some(Door::Health)),
            ("/", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(Door::at(path), door, "{path}");
        }
    }
}
