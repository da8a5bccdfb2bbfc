//! Whether the beginning of a text repeats the end of another, or begins that other anew.
//!
//! A model that is to go on sometimes says the last words once more. Cutting them must never eat what it meant to
//! repeat, and keeping them must never say twice what was meant once. Long repetitions are cut; of whole words in short or
//! repetitive ones ("again and again", "no no no") nobody can tell, so such a text is not gone on with. What repeats
//! less than a word (rules, table rows) is left alone.

/// Longest repeated end that is looked for, in characters.
const LONGEST: usize = 200;
/// Shorter repetitions are more often meant than not.
const SHORTEST: usize = 12;
/// How far into the new text a new beginning is looked for, in characters.
const WINDOW: usize = 48;
/// How much of the old beginning must return to tell a new one, in characters.
const BEGINNING: usize = 16;
/// A beginning shorter than this must stand apart from other letters.
const CLEAR_BEGINNING: usize = 8;

/// What can be said of a new text so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    /// So many bytes of it repeat the end of what was there.
    Bytes(usize),
    /// More of it is needed to tell.
    Unclear,
}

/// How much of `new` repeats the end of `before`. `is_all`: no more of `new` will come.
pub(super) fn repeated(before: &str, new: &str, is_all: bool) -> Repeats {
    let from = before.char_indices().rev().nth(LONGEST - 1).map_or(0, |(at, _)| at);
    let tail = before.get(from..).unwrap_or_default();
    for (at, _) in tail.char_indices() {
        let end = tail.get(at..).unwrap_or_default();
        if end.chars().nth(SHORTEST - 1).is_none() {
            break;
        }
        if new.len() < end.len() {
            if !is_all && end.starts_with(new) {
                return Repeats::Unclear;
            }
        } else if new.starts_with(end) && !is_repetitive(before, end) {
            return Repeats::Bytes(end.len());
        }
    }
    Repeats::Bytes(0)
}

/// Whether `new` begins with the words that `before` ends with: meant or not, that cannot be told.
pub(super) fn repeats_words(before: &str, new: &str) -> bool {
    let new = new.trim_start();
    let from = before.char_indices().rev().nth(LONGEST - 1).map_or(0, |(at, _)| at);
    let tail = before.get(from..).unwrap_or_default();
    let begins_word = |at: usize| match tail.get(..at).and_then(|text| text.chars().next_back()) {
        Some(before) => before.is_whitespace(),
        None => from == 0,
    };
    tail.char_indices().filter(|(at, _)| begins_word(*at)).any(|(at, _)| {
        let end = tail.get(at..).unwrap_or_default();
        let behind = new.strip_prefix(end).map(|rest| rest.chars().next());
        let is_whole = behind.is_some_and(|next| next.is_none_or(|next| !next.is_alphanumeric()));
        // One character is as likely the first half of a word.
        is_whole && end.chars().nth(1).is_some() && end.contains(char::is_alphanumeric)
    })
}

/// Whether a text that comes a second time as a whole was not meant to.
pub(super) fn says_enough(text: &str) -> bool {
    text.chars().nth(SHORTEST - 1).is_some() && !is_repetitive(text, text)
}

/// Whether the end consists of one thing several times, or stands there twice already.
fn is_repetitive(before: &str, end: &str) -> bool {
    let whole = end.as_bytes();
    let has_period = |period: usize| whole.get(period..) == whole.get(..whole.len() - period);
    before.strip_suffix(end).is_some_and(|rest| rest.ends_with(end)) || (1..=whole.len() / 2).any(has_period)
}

/// Whether `new` is long enough to tell a new beginning from a continuation.
pub(super) fn shows_its_beginning(new: &str) -> bool {
    new.chars().nth(WINDOW - 1).is_some()
}

/// Whether `new` begins the answer anew that `before` is the beginning of, perhaps with other words in front.
pub(super) fn begins_anew(before: &str, new: &str) -> bool {
    let before = before.trim_start();
    let end = before.char_indices().nth(BEGINNING).map_or(before.len(), |(at, _)| at);
    let beginning = before.get(..end).unwrap_or_default().trim_end();
    if beginning.is_empty() {
        return false;
    }
    let is_clear = beginning.chars().nth(CLEAR_BEGINNING - 1).is_some();
    let last = new.char_indices().nth(WINDOW).map_or(new.len(), |(at, _)| at);
    let stands_apart = |at: usize| {
        let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let behind = at + beginning.len();
        !is_letter(new.get(..at).and_then(|text| text.chars().next_back()))
            && !is_letter(new.get(behind..).and_then(|text| text.chars().next()))
    };
    new.match_indices(beginning).take_while(|(at, _)| *at < last).any(|(at, _)| is_clear || stands_apart(at))
}
