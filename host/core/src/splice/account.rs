//! Who counted what: the client is told what it received, the operator what was spent.
//!
//! An upstream that broke off has told no count of what it wrote, so its part is estimated from its text: by the
//! tokens that the next upstream needed for its own text where that is long enough, else by four bytes a token. After a
//! restart the last upstream has counted the whole answer, and nothing is estimated for the client.

use super::label::Mode;
use crate::event::Usage;

/// Shorter texts say little about tokens per byte.
const TELLING_BYTES: usize = 400;

/// Tokens of a text of this length, where nobody has counted them.
pub(crate) fn estimated_tokens(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX)
}

/// The account of one stream that more than one upstream wrote.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// Tokens of the prompt as the first upstream told them, else as estimated from the request.
    prompt: Option<u64>,
    /// What all upstreams but the last cost.
    spent: Usage,
}

impl Account {
    /// One more upstream is over without an end: `told` is what it said of its tokens, `wrote` the bytes of text that
    /// came of it, `prompt` what its prompt had if it did not say.
    pub(crate) fn broke(&mut self, told: Option<&Usage>, wrote: usize, prompt: u64) {
        let input = told.map(|usage| usage.input_tokens).filter(|tokens| *tokens > 0);
        self.prompt = self.prompt.or(input);
        let output = told.map_or(0, |usage| usage.output_tokens).max(estimated_tokens(wrote));
        add(
            &mut self.spent,
            &Usage { input_tokens: input.unwrap_or(prompt), output_tokens: output, ..Usage::default() },
        );
    }

    /// What the client is told, of what the last upstream counted: it was given `delivered` bytes and wrote `new` more.
    pub(crate) fn for_client(&self, mode: Mode, last: &Usage, delivered: usize, new: usize) -> Usage {
        let had = match mode {
            Mode::Restart => return Usage { native: None, ..last.clone() },
            Mode::Prefill | Mode::Instruct => tokens_at_rate(last, delivered, new),
        };
        Usage {
            input_tokens: self.prompt.unwrap_or_else(|| last.input_tokens.saturating_sub(had)),
            output_tokens: last.output_tokens.saturating_add(had),
            native: None,
            ..last.clone()
        }
    }

    /// What all upstreams cost together.
    pub(crate) fn spent(&self, last: Option<&Usage>) -> Usage {
        let mut spent = self.spent.clone();
        if let Some(last) = last {
            add(&mut spent, last);
        }
        spent
    }
}

/// Tokens of a text of this length, at the rate of the text that was counted.
fn tokens_at_rate(counted: &Usage, bytes: usize, counted_bytes: usize) -> u64 {
    let visible = counted.output_tokens.saturating_sub(counted.reasoning_tokens.unwrap_or(0));
    if counted_bytes < TELLING_BYTES || visible == 0 {
        return estimated_tokens(bytes);
    }
    let (bytes, counted_bytes) = (u64::try_from(bytes), u64::try_from(counted_bytes));
    match (bytes, counted_bytes) {
        (Ok(bytes), Ok(counted_bytes)) => bytes.saturating_mul(visible).div_ceil(counted_bytes),
        _ => 0,
    }
}

fn add(sum: &mut Usage, more: &Usage) {
    let both = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
    };
    sum.input_tokens = sum.input_tokens.saturating_add(more.input_tokens);
    sum.output_tokens = sum.output_tokens.saturating_add(more.output_tokens);
    sum.cache_read_tokens = both(sum.cache_read_tokens, more.cache_read_tokens);
    sum.cache_write_tokens = both(sum.cache_write_tokens, more.cache_write_tokens);
    sum.reasoning_tokens = both(sum.reasoning_tokens, more.reasoning_tokens);
}
