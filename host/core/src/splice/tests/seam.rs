//! Every way in which the next upstream's text can meet the delivered text, in pieces of every size.

use crate::splice::{Diverged, Mode, Seam};

/// What the client has in the end, if the next upstream says this after that; the same for every way to cut it.
fn joined(mode: Mode, delivered: &str, next: &str) -> Result<String, Diverged> {
    let whole = by_pieces(mode, delivered, next, next.len().max(1));
    for size in [1, 3, 20] {
        assert_eq!(by_pieces(mode, delivered, next, size), whole, "{delivered:?} + {next:?} by {size}");
    }
    whole
}

fn by_pieces(mode: Mode, delivered: &str, next: &str, size: usize) -> Result<String, Diverged> {
    let mut seam = Seam::new(mode, delivered);
    let mut client = delivered.to_owned();
    let chars: Vec<char> = next.chars().collect();
    for piece in chars.chunks(size) {
        let piece: String = piece.iter().collect();
        client.push_str(&seam.text(&piece)?.unwrap_or_default());
    }
    client.push_str(&seam.end()?.unwrap_or_default());
    assert!(seam.passed());
    Ok(client)
}

fn count(to: u32) -> String {
    (1..=to).map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_restart_is_dropped_as_far_as_it_repeats() {
    for at in 0..=count(30).len() {
        let whole = count(30);
        let (delivered, _) = whole.split_at(at);
        assert_eq!(joined(Mode::Restart, delivered, &whole), Ok(count(30)), "{at}");
    }
    assert_eq!(joined(Mode::Restart, "größer", "größer ist"), Ok("größer ist".to_owned()));
}

#[test]
fn a_restart_that_says_something_else_is_no_splice() {
    for (delivered, next) in [
        ("1 2 3", "1 2 4 5"),
        ("1 2 3", "Well: 1 2 3"),
        ("1 2 3", "1  2 3 4"),
        ("1 2 3", "1 2"),
        ("1 2 3", ""),
        ("1\n2", "1 2"),
    ] {
        assert_eq!(joined(Mode::Restart, delivered, next), Err(Diverged), "{delivered:?} + {next:?}");
    }
}

#[test]
fn a_continuation_goes_on_at_every_place() {
    let whole = count(120);
    for at in 1..whole.len() {
        let (delivered, rest) = whole.split_at(at);
        assert_eq!(joined(Mode::Prefill, delivered, rest), Ok(whole.clone()), "{delivered:?} + {rest:?}");
        // A model that was told the text without the blank at its end says the blank again.
        let told = delivered.trim_end();
        assert_eq!(
            joined(Mode::Prefill, delivered, whole.split_at(told.len()).1),
            Ok(whole.clone()),
            "{delivered:?}"
        );
    }
}

#[test]
fn repeated_words_are_cut() {
    let whole = count(120);
    let (delivered, _) = whole.split_at(100);
    for repeated in [12, 13, 30, 60, 99, 100] {
        let (_, next) = whole.split_at(100 - repeated);
        assert_eq!(joined(Mode::Prefill, delivered, next), Ok(whole.clone()), "{repeated}");
    }
    let long: String = (0..500).map(|number| format!("word{number} ")).collect();
    let (delivered, _) = long.split_at(3_000);
    assert_eq!(joined(Mode::Prefill, delivered, &long), Ok(long.clone()), "all of it");
    assert_eq!(joined(Mode::Instruct, delivered, long.split_at(2_850).1), Ok(long.clone()));
}

#[test]
fn what_was_meant_to_be_repeated_stays() {
    for (delivered, next) in [
        ("a long line: --------------------", "----------------\n"),
        ("a table:\n| --- | --- ", "| --- | --- |"),
        ("ha, she said, ha", "haha"),
        ("and 11", "1 112"),
        ("the end of a wo", "rd and another"),
    ] {
        assert_eq!(joined(Mode::Prefill, delivered, next), Ok(format!("{delivered}{next}")));
    }
}

/// Another upstream, or the same from the beginning, can tell; these words cannot.
#[test]
fn words_that_may_or_may_not_be_meant_twice_are_no_continuation() {
    for (delivered, next) in [
        ("she said: no no no no no no no no", " no no no no no no no, never"),
        ("he said that she had", " had enough"),
        ("a tail that is shortly", "shortly repeated"),
        ("21 22 23", "22 23 24 25 26"),
        ("again and", " again and again"),
    ] {
        assert_eq!(joined(Mode::Prefill, delivered, next), Err(Diverged), "{delivered:?} + {next:?}");
    }
}

#[test]
fn blanks_are_not_doubled() {
    for (delivered, next, whole) in [
        ("one two ", " three", "one two three"),
        ("one two ", "three", "one two three"),
        ("a paragraph.\n\n", "\n\nanother", "a paragraph.\n\nanother"),
        ("a paragraph.\n", "\n\nanother", "a paragraph.\n\nanother"),
        ("one two", " three", "one two three"),
    ] {
        assert_eq!(joined(Mode::Prefill, delivered, next), Ok(whole.to_owned()));
    }
}

#[test]
fn beginning_anew_in_other_words_is_seen() {
    for (delivered, next) in [
        ("1 2 3 4 5 6 7 8", "Well: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"),
        ("1", "Well: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"),
        ("1 2 ", "Sure! 1 2 3 4 5"),
        ("1 2 3", "1 2 3 4 5 6 7 8 9 10"),
        ("The capital of France is", "Of course. The capital of France is Paris."),
    ] {
        assert_eq!(joined(Mode::Prefill, delivered, next), Err(Diverged), "{delivered:?} + {next:?}");
    }
}

#[test]
fn nothing_delivered_means_that_everything_is_new() {
    for mode in [Mode::Restart, Mode::Prefill, Mode::Instruct] {
        assert!(Seam::new(mode, "").passed());
        assert_eq!(joined(mode, "", "anything"), Ok("anything".to_owned()));
    }
}
