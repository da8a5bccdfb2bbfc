//! A fixed text with words that repeat themselves: what a gateway joins from two answers must come out of it whole,
//! and counting alone would not show a word swallowed because the one before it was the same.

/// Beyond this the text does not go on.
const MOST_WORDS: usize = 10_000;

const TEXT: &str = "The wall that that first storm had had to spare still stands, stone by stone by stone, and the sea \
                    that broke on it breaks on it still. Nobody knows who laid the first stone; everybody knows who \
                    lays the next. When the tide is out, the children walk on it, and walk on it, and say: it holds, \
                    it holds.";

/// The first `words` words of the text, which begins again where it ends.
pub(crate) fn prose(words: usize) -> String {
    TEXT.split_whitespace().cycle().take(words.min(MOST_WORDS)).collect::<Vec<_>>().join(" ")
}

/// Where the last `words` words of a text begin, with the white space before them.
pub(crate) fn last_words(text: &str, words: usize) -> &str {
    let pieces = super::text::words(text);
    let kept: usize = pieces.iter().rev().take(words).map(String::len).sum();
    text.get(text.len().saturating_sub(kept)..).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_repeats_words_and_then_itself() {
        assert_eq!(prose(0), "");
        assert_eq!(prose(8), "The wall that that first storm had had");
        let length = TEXT.split_whitespace().count();
        assert!(length > 50 && prose(length + 2).ends_with("it holds. The wall"));
    }

    #[test]
    fn the_last_words_keep_their_space() {
        for (text, words, expect) in
            [("1 2 3", 2, " 2 3"), ("1 2 3", 3, "1 2 3"), ("1", 3, "1"), ("", 3, ""), ("ü ß", 1, " ß")]
        {
            assert_eq!(last_words(text, words), expect, "{text}");
        }
    }
}
