//! Which lane, dialect and operation a path means.

use http::HeaderMap;

use crate::ask::Framing;
use crate::dialect::{Dialect, Target};

/// The lane of paths that name none.
pub(crate) const USUAL_LANE: &str = "default";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    Chat(Target<'a>),
    CountTokens(Target<'a>),
    Embed {
        target: Target<'a>,
        batch: bool,
    },
    /// All models, or one.
    Models(Option<&'a str>),
    /// A path that this provider does not have.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route<'a> {
    pub(crate) lane: &'a str,
    pub(crate) dialect: Dialect,
    pub(crate) operation: Operation<'a>,
}

/// None: the path is not in a lane at all.
pub(crate) fn route<'a>(path: &'a str, query: Option<&str>, headers: &HeaderMap) -> Option<Route<'a>> {
    let rest = path.strip_prefix('/')?;
    let (first, after) = rest.split_once('/')?;
    let (lane, rest) = if ["v1", "v1beta"].contains(&first) { (USUAL_LANE, rest) } else { (first, after) };
    let (dialect, operation) = if let Some(path) = rest.strip_prefix("v1beta/") {
        (Dialect::Gemini, gemini(path, query))
    } else if let Some(path) = rest.strip_prefix("openai/v1/") {
        (Dialect::Groq, chat_like(path))
    } else {
        let path = rest.strip_prefix("v1/").unwrap_or(rest);
        let anthropic = match path.split('/').next() {
            Some("messages") => true,
            Some("models") => headers.contains_key("anthropic-version"),
            _ => false,
        };
        if anthropic { (Dialect::Anthropic, messages(path)) } else { (Dialect::OpenAi, chat_like(path)) }
    };
    Some(Route { lane, dialect, operation })
}

fn chat_like(path: &str) -> Operation<'_> {
    match path {
        "chat/completions" => Operation::Chat(Target::default()),
        "embeddings" => Operation::Embed { target: Target::default(), batch: true },
        path => models(path),
    }
}

fn messages(path: &str) -> Operation<'_> {
    match path {
        "messages" => Operation::Chat(Target::default()),
        "messages/count_tokens" => Operation::CountTokens(Target::default()),
        path => models(path),
    }
}

fn models(path: &str) -> Operation<'_> {
    match path.strip_prefix("models") {
        Some("") => Operation::Models(None),
        Some(rest) => {
            rest.strip_prefix('/').map_or(Operation::Unknown, |model| Operation::Models(Some(model)))
        }
        None => Operation::Unknown,
    }
}

fn gemini<'a>(path: &'a str, query: Option<&str>) -> Operation<'a> {
    let Some((model, action)) = path.strip_prefix("models/").and_then(|rest| rest.rsplit_once(':')) else {
        return models(path);
    };
    let sse = query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    let framing = if sse { Framing::Sse } else { Framing::Array };
    let target = |stream| Target { model: Some(model), stream };
    match action {
        "generateContent" => Operation::Chat(target(None)),
        "streamGenerateContent" => Operation::Chat(target(Some(framing))),
        "countTokens" => Operation::CountTokens(target(None)),
        "embedContent" => Operation::Embed { target: target(None), batch: false },
        "batchEmbedContents" => Operation::Embed { target: target(None), batch: true },
        _ => Operation::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_lane_dialect_and_operation() {
        let gemini = |stream| Operation::Chat(Target { model: Some("m-1"), stream });
        let chat = Operation::Chat(Target::default());
        for (path, lane, dialect, operation) in [
            ("/a/v1/chat/completions", "a", Dialect::OpenAi, chat),
            ("/v1/chat/completions", "default", Dialect::OpenAi, chat),
            ("/openai/v1/chat/completions", "openai", Dialect::OpenAi, chat),
            ("/a/openai/v1/chat/completions", "a", Dialect::Groq, chat),
            ("/a/v1/messages", "a", Dialect::Anthropic, chat),
            (
                "/a/v1/messages/count_tokens",
                "a",
                Dialect::Anthropic,
                Operation::CountTokens(Target::default()),
            ),
            ("/a/v1beta/models/m-1:generateContent", "a", Dialect::Gemini, gemini(None)),
            (
                "/a/v1beta/models/m-1:streamGenerateContent",
                "a",
                Dialect::Gemini,
                gemini(Some(Framing::Array)),
            ),
            ("/v1beta/models", "default", Dialect::Gemini, Operation::Models(None)),
            ("/a/v1/models/x", "a", Dialect::OpenAi, Operation::Models(Some("x"))),
            ("/a/v1/else", "a", Dialect::OpenAi, Operation::Unknown),
        ] {
            let expect = Route { lane, dialect, operation };
            assert_eq!(route(path, None, &HeaderMap::new()), Some(expect), "{path}");
        }
        assert_eq!(route("/favicon.ico", None, &HeaderMap::new()), None);
    }
}
