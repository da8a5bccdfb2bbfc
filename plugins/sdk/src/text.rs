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

/// The known name nearest to `wanted`, if one is near enough to be meant.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let ranked = known.into_iter().map(|name| (distance(wanted, name), name));
    let (distance, name) = ranked.min_by_key(|(distance, _)| *distance)?;
    (distance <= name.chars().count().max(3) / 3).then_some(name)
}

/// Edits that turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (above, cb) in row.iter().skip(1).zip(&b) {
            left = (diagonal + usize::from(ca != *cb)).min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
