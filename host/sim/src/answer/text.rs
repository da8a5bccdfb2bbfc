//! Text cut into the pieces that a stream sends, and the simulator's idea of a token.

/// One piece per word, each with the white space before it: `1`, ` 2`, ` 3`. Joined, they are the text again.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in text.chars() {
        let blank = c.is_whitespace();
        match pieces.last_mut() {
            Some(piece) if !(blank && in_word) => piece.push(c),
            _ => pieces.push(c.into()),
        }
        in_word = !blank;
    }
    pieces
}

/// Pieces of at most `size` characters, for JSON, whose words can be long.
pub(crate) fn chunks(text: &str, size: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(size.max(1)).map(|piece| piece.iter().collect()).collect()
}

/// Four characters of a prompt are a token. (Of an answer, each piece sent is one.)
pub(crate) fn prompt_tokens(text: &str) -> usize {
    text.chars().count().div_ceil(4)
}

/// Cuts the text at the earliest stop sequence and says which one it was.
pub(crate) fn stop_at(text: &mut String, stops: &[String]) -> Option<String> {
    let found = |stop: &String| text.find(stop.as_str()).map(|at| (at, stop.clone()));
    let (at, stop) =
        stops.iter().filter(|stop| !stop.is_empty()).filter_map(found).min_by_key(|(at, _)| *at)?;
    text.truncate(at);
    Some(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_every_character() {
        for (text, expect) in [
            ("", vec![]),
            ("1 2 3", vec!["1", " 2", " 3"]),
            (" 2 3", vec![" 2", " 3"]),
            ("a\n\nb ", vec!["a", "\n\nb", " "]),
            ("ü  ß", vec!["ü", "  ß"]),
        ] {
            assert_eq!(words(text), expect);
            assert_eq!(words(text).concat(), text);
        }
    }

    #[test]
    fn the_earliest_stop_wins() {
        let mut text = "1 2 3 4".to_owned();
        let stops = ["4".to_owned(), String::new(), " 3".to_owned()];
        assert_eq!(stop_at(&mut text, &stops), Some(" 3".to_owned()));
        assert_eq!(text, "1 2");
    }
}
