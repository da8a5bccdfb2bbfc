//! What must not be kept is blotted out before anything is written: keys, e-mail addresses, card numbers.
//!
//! One pass over the text, and no copy of a text in which nothing is found. Errs on the side of blotting out: a long
//! random word with a well-known beginning is a key, whoever issued it.

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;

/// Takes out of a text what must not be kept. Called on the audit's own threads, never on a request's.
pub trait Redaction: Send + Sync + Debug {
    /// The text as it may be kept.
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str>;
}

/// What the built-in redaction looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patterns {
    /// API keys and bearer tokens, by their usual beginnings.
    pub keys: bool,
    /// E-mail addresses.
    pub emails: bool,
    /// Card numbers: 13 to 19 digits with a valid check digit.
    pub cards: bool,
}

impl Patterns {
    /// Everything.
    pub const ALL: Self = Self { keys: true, emails: true, cards: true };
}

impl Default for Patterns {
    fn default() -> Self {
        Self::ALL
    }
}

/// How keys begin; the longest beginnings first.
const KEYS: [&str; 17] = [
    "github_pat_",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ghp_",
    "gho_",
    "ghs_",
    "gsk_",
    "xai-",
    "hf_",
    "sk-",
    "pk-",
];
/// So long is the rest of a key at least.
const KEY_REST: usize = 12;

impl Redaction for Patterns {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut found: Option<String> = None;
        let mut kept = 0;
        let mut at = 0;
        while at < text.len() {
            let Some((range, what)) = self.next(text, at) else { break };
            let clean = found.get_or_insert_default();
            clean.push_str(text.get(kept..range.start).unwrap_or_default());
            clean.push_str(what);
            kept = range.end;
            at = range.end;
        }
        match found {
            Some(mut clean) => {
                clean.push_str(text.get(kept..).unwrap_or_default());
                Cow::Owned(clean)
            }
            None => Cow::Borrowed(text),
        }
    }
}

impl Patterns {
    /// The first thing to blot out from here on, and what is put in its place.
    fn next(self, text: &str, from: usize) -> Option<(Range<usize>, &'static str)> {
        let bytes = text.as_bytes();
        for at in from..bytes.len() {
            let found = match bytes.get(at)? {
                byte if byte.is_ascii_digit() && self.cards => card(bytes, at).map(|end| (at..end, "[card]")),
                b'@' if self.emails => email(bytes, at, from).map(|range| (range, "[email]")),
                _ => None,
            };
            let key = || self.keys.then(|| key(bytes, at)).flatten().map(|end| (at..end, "[key]"));
            if let Some(found) = found.or_else(key) {
                return Some(found);
            }
        }
        None
    }
}

/// Where a key ends that begins here.
fn key(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let in_word = at > 0 && bytes.get(at - 1).is_some_and(|before| is_key(*before));
    if in_word {
        return None;
    }
    let begins = KEYS.iter().find(|begins| rest.starts_with(begins.as_bytes())).map(|begins| begins.len());
    let begins = begins.or_else(|| {
        let word = b"bearer ";
        rest.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(<[u8]>::len)
    })?;
    let length = rest.get(begins..)?.iter().take_while(|byte| is_key(**byte)).count();
    (length >= KEY_REST).then_some(at + begins + length)
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(&byte)
}

/// Where a card number ends that begins here; groups may be set apart by spaces or hyphens.
fn card(bytes: &[u8], at: usize) -> Option<usize> {
    if at > 0 && bytes.get(at - 1).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let mut digits = [0_u8; 19];
    let (mut count, mut end, mut index) = (0, at, at);
    while let Some(byte) = bytes.get(index) {
        match byte {
            digit if digit.is_ascii_digit() => {
                *digits.get_mut(count)? = digit - b'0';
                count += 1;
                end = index + 1;
            }
            b' ' | b'-' if end == index => {}
            _ => break,
        }
        index += 1;
    }
    if count < 13 || bytes.get(end).is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    (luhn(digits.get(..count)?)).then_some(end)
}

fn luhn(digits: &[u8]) -> bool {
    let doubled = |(place, digit): (usize, &u8)| match (place % 2, u32::from(*digit)) {
        (0, digit) => digit,
        (_, digit) if digit > 4 => digit * 2 - 9,
        (_, digit) => digit * 2,
    };
    digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
        && digits.iter().any(|digit| *digit != 0)
}

/// The address around this `@`, not reaching back before `from`.
fn email(bytes: &[u8], at: usize, from: usize) -> Option<Range<usize>> {
    let local = |byte: &u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(byte);
    let before = bytes.get(from..at)?.iter().rev().take_while(|byte| local(byte)).count();
    let host = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    let after = bytes.get(at + 1..)?.iter().take_while(|byte| host(byte)).count();
    let domain = bytes.get(at + 1..at + 1 + after)?;
    // A full stop behind it ends the sentence.
    let domain = domain.get(..domain.iter().rposition(|byte| byte.is_ascii_alphanumeric())? + 1)?;
    let top = domain.rsplit(|byte| *byte == b'.').next()?;
    let good =
        before > 0 && domain.contains(&b'.') && top.len() >= 2 && top.iter().all(u8::is_ascii_alphabetic);
    good.then_some(at - before..at + 1 + domain.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_addresses_and_cards_go_and_the_rest_stays() {
        let table = [
            ("nothing to see", "nothing to see"),
            ("use sk-proj-abcdefghijklmnop0123 now", "use [key] now"),
            ("\"authorization\":\"Bearer abcdef0123456789\"", "\"authorization\":\"[key]\""),
            ("AIzaSyA1234567890abcdefgh, gsk_0123456789abcdef", "[key], [key]"),
            ("ask-me-anything-about-tasks", "ask-me-anything-about-tasks"),
            ("sk-short", "sk-short"),
            ("mail jane.doe+x@mail.example.com.", "mail [email]."),
            ("a@b is none, nor is @name or x@1.2", "a@b is none, nor is @name or x@1.2"),
            ("card 4111 1111 1111 1111, thanks", "card [card], thanks"),
            ("4111-1111-1111-1112 has a wrong check digit", "4111-1111-1111-1112 has a wrong check digit"),
            ("order 20260101123456789012345", "order 20260101123456789012345"),
            ("0000000000000000", "0000000000000000"),
            ("378282246310005", "[card]"),
            ("é jane@example.org é", "é [email] é"),
        ];
        for (text, expected) in table {
            assert_eq!(Patterns::ALL.redact(text), expected);
        }
    }

    #[test]
    fn only_what_is_asked_for_goes_and_nothing_is_copied_in_vain() {
        let text = "sk-abcdefghijklmnop jane@example.org 4111111111111111";
        let one = |keys, emails, cards| Patterns { keys, emails, cards }.redact(text);
        assert_eq!(one(true, false, false), "[key] jane@example.org 4111111111111111");
        assert_eq!(one(false, true, false), "sk-abcdefghijklmnop [email] 4111111111111111");
        assert_eq!(one(false, false, true), "sk-abcdefghijklmnop jane@example.org [card]");
        assert!(matches!(one(false, false, false), Cow::Borrowed(_)));
        assert!(matches!(Patterns::ALL.redact("plain"), Cow::Borrowed(_)));
    }
}
