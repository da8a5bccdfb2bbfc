//! The native order: the operator's, led by the first target that is expected to be good enough.

use std::time::Duration;

use super::Candidate;

/// Brings the first to the front whose score is within what counts as slow, or else the best there is. Scores are of a
/// small request, as is what counts as slow. Targets whose breaker is not closed keep their places.
pub(super) fn predict(candidates: &mut [Candidate], slow: Duration) {
    if candidates.len() < 2 {
        return;
    }
    let score = |candidate: &Candidate| (!candidate.is_off()).then_some(candidate.forecast.score_s);
    let best = candidates.iter().filter_map(score).fold(f64::INFINITY, f64::min);
    let bar = slow.as_secs_f64().max(best);
    let first = candidates.iter().position(|candidate| score(candidate).is_some_and(|score| score <= bar));
    if let Some(lead) = first.and_then(|first| candidates.get_mut(..=first)) {
        lead.rotate_right(1);
    }
}
