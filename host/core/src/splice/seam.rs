//! The seam of a splice: what the next upstream says is compared with what the client has had, and only what is new
//! goes on.

use super::label::Mode;
use super::repeat::{Repeats, begins_anew, repeated, repeats_words, says_enough, shows_its_beginning};

/// The next upstream does not go on where the other broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Diverged;

/// Takes the next upstream's text up to the point where it is new.
#[derive(Clone, Debug)]
pub(crate) struct Seam(State);

#[derive(Clone, Debug)]
enum State {
    /// It answers from the beginning: `at` bytes of the delivered text have come again.
    Covering { delivered: Box<str>, at: usize },
    /// It goes on: its beginning is held until it is clear what of it is new.
    Joining(Joining),
    /// Everything is new from here on.
    Passed,
}

#[derive(Clone, Debug)]
struct Joining {
    /// As the next upstream was told: without blanks at the end.
    told: Box<str>,
    /// The blanks that the client has had behind it.
    blanks: Box<str>,
    held: String,
    /// So far it says everything once more from the beginning, and that is too much to be meant.
    echoes: bool,
}

impl Seam {
    /// Behind this delivered text.
    pub(crate) fn new(mode: Mode, delivered: &str) -> Self {
        Self(match mode {
            _ if delivered.is_empty() => State::Passed,
            Mode::Restart => State::Covering { delivered: delivered.into(), at: 0 },
            Mode::Prefill | Mode::Instruct => {
                let (told, blanks) = split_blanks(delivered);
                let echoes = says_enough(told);
                let (told, blanks) = (told.into(), blanks.into());
                State::Joining(Joining { told, blanks, held: String::new(), echoes })
            }
        })
    }

    /// Whether everything is new by now.
    pub(crate) fn passed(&self) -> bool {
        matches!(self.0, State::Passed)
    }

    /// What of the next piece of text is new.
    pub(crate) fn text(&mut self, piece: &str) -> Result<Option<String>, Diverged> {
        match &mut self.0 {
            State::Passed => Ok(some(piece)),
            State::Covering { delivered, at } => {
                let rest = delivered.get(*at..).unwrap_or_default();
                if let Some(new) = piece.strip_prefix(rest) {
                    let new = some(new);
                    self.0 = State::Passed;
                    return Ok(new);
                }
                if !rest.starts_with(piece) {
                    return Err(Diverged);
                }
                *at += piece.len();
                Ok(None)
            }
            State::Joining(joining) => {
                joining.take(piece);
                self.join(false)
            }
        }
    }

    /// The text is over, or something else follows it: what is held is new after all, or the upstream said less than
    /// the client has had.
    pub(crate) fn end(&mut self) -> Result<Option<String>, Diverged> {
        match &self.0 {
            State::Passed => Ok(None),
            State::Covering { .. } => Err(Diverged),
            State::Joining(_) => self.join(true),
        }
    }

    fn join(&mut self, is_all: bool) -> Result<Option<String>, Diverged> {
        let State::Joining(joining) = &self.0 else { return Ok(None) };
        let Some(new) = joining.new_text(is_all)? else { return Ok(None) };
        let new = some(new);
        self.0 = State::Passed;
        Ok(new)
    }
}

impl Joining {
    fn take(&mut self, piece: &str) {
        let rest = self.told.get(self.held.len()..).unwrap_or_default();
        self.echoes &= rest.starts_with(piece) || piece.starts_with(rest);
        self.held.push_str(piece);
    }

    /// What is new, once that can be told.
    fn new_text(&self, is_all: bool) -> Result<Option<&str>, Diverged> {
        let known = match self.held.strip_prefix(&*self.told) {
            Some(_) if self.echoes => self.told.len(),
            None if self.echoes && !is_all => return Ok(None),
            // All it said was what the client has had.
            None if self.echoes && says_enough(&self.held) => return Err(Diverged),
            _ => match repeated(&self.told, &self.held, is_all) {
                Repeats::Bytes(known) => known,
                Repeats::Unclear => return Ok(None),
            },
        };
        let new = self.held.get(known..).unwrap_or_default();
        if known == 0 && !is_all && !shows_its_beginning(new) {
            return Ok(None);
        }
        let had: usize =
            new.chars().zip(self.blanks.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        let new = new.get(had..).unwrap_or_default();
        let is_doubtful = || begins_anew(&self.told, new) || repeats_words(&self.told, new);
        if known == 0 && is_doubtful() { Err(Diverged) } else { Ok(Some(new)) }
    }
}

/// A text without the blanks at its end, and these: providers refuse a beginning that ends in blanks.
pub(crate) fn split_blanks(text: &str) -> (&str, &str) {
    text.split_at_checked(text.trim_end().len()).unwrap_or((text, ""))
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
