//! Counters of what is rare, and whose labels are not known beforehand. Bounded: what comes beyond the cap counts for
//! `other`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More kinds of faults, reasons or codes than any configuration of ours has.
const CAP: usize = 64;

/// Two words, and how often.
pub(super) type Words = [Cow<'static, str>; 2];

#[derive(Debug, Default)]
pub(super) struct Rare(Mutex<BTreeMap<Words, u64>>);

impl Rare {
    pub(super) fn one(&self, words: Words) {
        let mut counts = self.lock();
        if let Some(count) = counts.get_mut(&words) {
            *count += 1;
            return;
        }
        let words = if counts.len() < CAP { words } else { [super::OTHER.into(), super::OTHER.into()] };
        *counts.entry(words).or_default() += 1;
    }

    pub(super) fn read(&self) -> BTreeMap<Words, u64> {
        self.lock().clone()
    }

    pub(super) fn sum(&self) -> u64 {
        self.lock().values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Words, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_words_fill_no_memory() {
        let rare = Rare::default();
        for number in 0..1_000 {
            rare.one([Cow::Owned(format!("kind{number}")), "x".into()]);
        }
        assert_eq!((rare.read().len(), rare.sum()), (CAP + 1, 1_000));
    }
}
