//! Signed reasoning on its way through a client and back.
//!
//! A chat message has one string for the words of all blocks and one for their state, while the API wants its blocks
//! back as they were. So each piece of state says how many bytes of the words it signs: `anthropic:<bytes>:<signature>;`
//! or, for a block that is encrypted as a whole, `anthropic:r:<data>;`.

use seawall_translate::message::{Assistant, Thought};
use seawall_translate::opaque;

const OWNER: &str = "anthropic";
const REDACTED: &str = "r";

/// State of a block whose words have that many bytes.
pub(crate) fn signed(length: usize, signature: &str) -> String {
    opaque::mark(OWNER, &format!("{length}:{signature}"))
}

/// State of a block without words.
pub(crate) fn redacted(data: &str) -> String {
    opaque::mark(OWNER, &format!("{REDACTED}:{data}"))
}

/// The blocks that a message gives back. Words that are not exactly those which were signed, and state of strangers,
/// would be refused by the API: then there are none.
pub(crate) fn blocks<'a>(assistant: &Assistant<'a>) -> Vec<Thought<'a>> {
    let apart = assistant.thoughts.iter().copied().filter(|thought| match thought {
        Thought::Signed { signature: state, .. } | Thought::Redacted(state) => opaque::is_unmarked(state),
    });
    let apart: Vec<Thought<'a>> = apart.collect();
    if apart.is_empty() {
        split(assistant.reasoning, assistant.reasoning_state).unwrap_or_default()
    } else {
        apart
    }
}

fn split<'a>(words: &'a str, state: &'a str) -> Option<Vec<Thought<'a>>> {
    let mut left = words;
    let mut blocks = Vec::new();
    for piece in opaque::of_owner(OWNER, state) {
        let (head, state) = piece.split_once(':')?;
        if head == REDACTED {
            blocks.push(Thought::Redacted(state));
        } else {
            let (text, rest) = left.split_at_checked(head.parse().ok()?)?;
            blocks.push(Thought::Signed { text, signature: state });
            left = rest;
        }
    }
    left.is_empty().then_some(blocks)
}
