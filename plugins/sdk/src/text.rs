//! Text that came from a provider, made fit for a client.

/// Longest message passed on, in characters.
const MESSAGE_LIMIT: usize = 600;

/// A provider's message without URLs, keys and account ids, at most 600 characters, on one line.
pub fn safe(message: &str) -> String {
    let words = message.split_whitespace().map(safe_word);
    let joined = words.collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(MESSAGE_LIMIT) {
        Some((end, _)) => format!("{}...", joined.get(..end).unwrap_or_default()),
        None => joined,
    }
}

/// One word, masked where it holds something that is not the client's business.
fn safe_word(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    let masked = [("://", "(link)"), ("www.", "(link)")].iter().find(|(mark, _)| lower.contains(mark));
    if let Some((_, mask)) = masked {
        return (*mask).to_owned();
    }
    let core = word.trim_matches(|c: char| !c.is_alphanumeric());
    if looks_secret(core) { word.replace(core, "(hidden)") } else { word.to_owned() }
}

/// Keys, tokens and account ids by their well-known beginnings; also long words that mix letters and digits like keys.
fn looks_secret(core: &str) -> bool {
    const BEGINNINGS: [&str; 14] = [
        "sk-", "sk_", "gsk_", "pplx-", "xai-", "hf_", "aiza", "csk-", "key-", "org-", "org_", "proj_",
        "proj-", "eyj",
    ];
    let lower = core.to_ascii_lowercase();
    let long_enough = core.chars().count() >= 8;
    let masked_by_provider = core.contains("***");
    let holds_digit = core.chars().any(|c| c.is_ascii_digit());
    long_enough && (masked_by_provider || (holds_digit && BEGINNINGS.iter().any(|b| lower.starts_with(b))))
}

#[cfg(test)]
mod tests;
