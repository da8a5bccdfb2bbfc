//! Providers' words on their way to a client: without addresses and without anything that looks like a key.

/// Longest message that is passed on, in characters.
const LONGEST: usize = 1_000;
/// What stands in the place of an address.
const URL: &str = "[url]";
/// What stands in the place of a secret.
const SECRET: &str = "[redacted]";

/// Takes URLs and key-like strings out of a message, makes it one line and bounds its length. Rather takes too much
/// than too little: a word after `Bearer`, the value of a parameter that is named like a secret, `sk-...`, and any
/// long run of letters mixed with digits. Names of models, parameters and limits stay.
pub fn scrub(message: &str) -> String {
    let bounded: String =
        message.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut clean = String::with_capacity(bounded.len());
    let mut before = Context::default();
    for token in tokens(&without_urls(&bounded)) {
        match token {
            Token::Between(c) => {
                before.between(c);
                clean.push(c);
            }
            Token::Word(word) => {
                clean.push_str(if before.hides(&word) || looks_like_key(&word) { SECRET } else { &word });
                before = Context::after(&word);
            }
        }
    }
    clean
}

fn without_urls(text: &str) -> String {
    let ends_url = |c: char| c.is_whitespace() || "\"'`<>()[]{}".contains(c);
    let mut clean = String::with_capacity(text.len());
    let mut chunk = String::new();
    let flush = |chunk: &mut String, clean: &mut String| {
        clean.push_str(if chunk.contains("://") { URL } else { chunk });
        chunk.clear();
    };
    for c in text.chars() {
        if ends_url(c) {
            flush(&mut chunk, &mut clean);
            clean.push(c);
        } else {
            chunk.push(c);
        }
    }
    flush(&mut chunk, &mut clean);
    clean
}

enum Token {
    Word(String),
    Between(char),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for c in text.chars() {
        match tokens.last_mut() {
            _ if c.is_whitespace() || "\"'`<>()[]{},;=:&?/\\".contains(c) => tokens.push(Token::Between(c)),
            Some(Token::Word(word)) => word.push(c),
            _ => tokens.push(Token::Word(c.to_string())),
        }
    }
    tokens
}

/// What the last word and the signs after it say about the next word.
#[derive(Default)]
struct Context {
    names_secret: bool,
    names_scheme: bool,
    assigns: Option<char>,
}

impl Context {
    fn after(word: &str) -> Self {
        let lower = word.to_ascii_lowercase();
        let secret =
            ["key", "apikey", "token", "auth", "authorization", "secret", "password", "signature", "sig"]
                .contains(&lower.as_str())
                || ["_key", "-key", "_token", "-token", "_secret", "-secret"]
                    .iter()
                    .any(|end| lower.ends_with(end));
        Self {
            names_secret: secret,
            names_scheme: ["bearer", "basic"].contains(&lower.as_str()),
            assigns: None,
        }
    }

    fn between(&mut self, c: char) {
        match c {
            '=' | ':' => self.assigns = Some(c),
            '"' | '\'' | '`' | ' ' | '\\' => {}
            _ => *self = Self::default(),
        }
    }

    /// `key=x` always hides x; `key: x` only if x could be a secret, for prose uses the colon too.
    fn hides(&self, word: &str) -> bool {
        let could_be = word.chars().count() >= 8 && word.chars().any(|c| c.is_ascii_digit());
        self.names_scheme
            || (self.names_secret && (self.assigns == Some('=') || (self.assigns == Some(':') && could_be)))
    }
}

fn looks_like_key(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    if lower.strip_prefix("sk-").or_else(|| lower.strip_prefix("sk_")).is_some_and(|rest| rest.len() >= 4) {
        return true;
    }
    word.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        run.len() >= 20
            && run.bytes().any(|b| b.is_ascii_digit())
            && run.bytes().any(|b| b.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expect: &str) {
        assert_eq!(scrub(message), expect);
    }

    #[test]
    fn addresses_go() {
        check("see https://a.example/v1?key=x for help", "see [url] for help");
        check("(http://10.0.0.1:8080/x)", "([url])");
        check(r#"{"url":"wss://a/b"}"#, r#"{"url":"[url]"}"#);
        check("proxy=socks5://u:p@h", "[url]");
    }

    #[test]
    fn keys_go() {
        check("Incorrect API key provided: sk-abcd*******wxyz.", "Incorrect API key provided: [redacted]");
        check("sent 'sk-proj-123456'", "sent '[redacted]'");
        check("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]");
        check("?api_key=abc&n=1", "?api_key=[redacted]&n=1");
        check("key=abc", "key=[redacted]");
        check(r#"{"x-api-key": "abcdefg1"}"#, r#"{"x-api-key": "[redacted]"}"#);
        check("token AIza0123456789abcdefghijkl is wrong", "token [redacted] is wrong");
    }

    #[test]
    fn plain_words_stay() {
        for message in [
            "model `gpt-4o-mini-2024-07-18` does not exist",
            "max_tokens=5 is too small, unknown key: temperature",
            "Requested 130000 tokens, limit 128000: please shorten the prompt",
            "messages.1.content.0: field required",
            "",
        ] {
            check(message, message);
        }
    }

    #[test]
    fn one_line_and_bounded() {
        check("a\r\nb\tc", "a  b c");
        assert_eq!(scrub(&"ä".repeat(5_000)).chars().count(), LONGEST);
    }
}
