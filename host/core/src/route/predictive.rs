//! The native order: the operator's wish, kept while it is good.
//!
//! A candidate is *acceptable* when its score is no worse than the larger of what counts as slow and the best score of all.
//! Acceptable ones come first, in the operator's order; so the first choice is the first in order that is good enough, and
//! when nobody is, the best. The others follow, best first: that is the same rule, asked again about those that are left.
//!
//! Unlike models are never balanced: whoever asked for one gets it while it is good. Equal deployments of one model form a
//! *pool*. A pool has the place of its first member and the score of its best; which member is asked first is the better
//! of two drawn at random, by score times calls under way. Two, not the best of all: the best of all is where everybody
//! who reads the same numbers goes at once.

use std::cmp::Ordering;
use std::time::Duration;

use crate::random::mix;

/// One candidate, in the operator's order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// What its next call is expected to cost, in seconds.
    pub score_s: f64,
    /// Its calls under way.
    pub in_flight: u32,
    /// Which pool of equal deployments it belongs to.
    pub pool: Option<usize>,
}

impl Standing {
    fn cost(&self) -> f64 {
        self.score_s * (f64::from(self.in_flight) + 1.0)
    }
}

/// Where one candidate belongs.
struct Rank {
    index: usize,
    /// Score of the pool that is not acceptable; 0 for the acceptable, which keep the operator's order.
    badness: f64,
    /// Position of the pool's first member.
    place: usize,
    /// Which turn the candidate has in its pool: drawn, acceptable, other.
    turn: u8,
    cost: f64,
}

impl Rank {
    fn order(&self, other: &Self) -> Ordering {
        let by_pool = self.badness.total_cmp(&other.badness).then(self.place.cmp(&other.place));
        by_pool
            .then(self.turn.cmp(&other.turn))
            .then(self.cost.total_cmp(&other.cost))
            .then(self.index.cmp(&other.index))
    }
}

/// The order in which candidates are asked, as indices. `slo` is what counts as slow, in the same measure as the scores.
pub fn predictive(standings: &[Standing], slo: Duration, random: u64) -> Vec<usize> {
    let limit = least(standings.iter()).max(slo.as_secs_f64());
    let rank = |(index, standing): (usize, &Standing)| {
        let place = standings.iter().position(|other| are_equal(standing, other)).unwrap_or(index);
        let place = if standing.pool.is_some() { place } else { index };
        let pool = pool_of(standings, index);
        let score = least(pool.clone().map(|(_, member)| member));
        let acceptable = standing.score_s <= limit;
        let turn = match acceptable {
            // Where nobody is acceptable, the draw is among all.
            _ if drawn(pool, limit.max(score), mix(random ^ place as u64)) == Some(index) => 0,
            true => 1,
            false => 2,
        };
        let badness = if score <= limit { 0.0 } else { score };
        Rank { index, badness, place, turn, cost: standing.cost() }
    };
    let mut ranks: Vec<Rank> = standings.iter().enumerate().map(rank).collect();
    ranks.sort_unstable_by(Rank::order);
    ranks.into_iter().map(|rank| rank.index).collect()
}

fn are_equal(one: &Standing, other: &Standing) -> bool {
    one.pool.is_some() && one.pool == other.pool
}

/// A candidate with its equals.
fn pool_of(standings: &[Standing], index: usize) -> impl Iterator<Item = (usize, &Standing)> + Clone {
    let own = standings.get(index);
    let belongs = move |(other, standing): &(usize, &Standing)| {
        *other == index || own.is_some_and(|own| are_equal(own, standing))
    };
    standings.iter().enumerate().filter(belongs)
}

fn least<'a>(standings: impl Iterator<Item = &'a Standing>) -> f64 {
    standings.map(|standing| standing.score_s).fold(f64::INFINITY, f64::min)
}

/// The better of two different members that are drawn from those no worse than `limit`.
fn drawn<'a>(
    pool: impl Iterator<Item = (usize, &'a Standing)> + Clone,
    limit: f64,
    random: u64,
) -> Option<usize> {
    let fit = pool.filter(|(_, member)| member.score_s <= limit);
    let count = u64::try_from(fit.clone().count()).ok().filter(|count| *count > 0)?;
    let first = (random >> 32) % count;
    let step = 1 + (random & 0xffff_ffff) % count.saturating_sub(1).max(1);
    let second = (first + step) % count;
    let at = |place: u64| fit.clone().nth(usize::try_from(place).ok()?);
    let (one, other) = (at(first)?, at(second)?);
    Some(if other.1.cost() < one.1.cost() { other.0 } else { one.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const SLO: Duration = Duration::from_millis(2_500);

    /// Candidates written as `score`, `score*calls under way` and, with a pool's number, `pool:score*calls`.
    fn standings(words: &str) -> Vec<Standing> {
        let standing = |word: &str| {
            let (pool, rest) =
                word.split_once(':').map_or((None, word), |(pool, rest)| (Some(pool.parse().unwrap()), rest));
            let (score, calls) = rest.split_once('*').unwrap_or((rest, "0"));
            Standing { score_s: score.parse().unwrap(), in_flight: calls.parse().unwrap(), pool }
        };
        words.split_whitespace().map(standing).collect()
    }

    fn check(words: &str, expect: &[usize]) {
        for random in 0..50 {
            assert_eq!(predictive(&standings(words), SLO, mix(random)), expect, "{words}");
        }
    }

    #[test]
    fn the_operators_order_stands_while_it_is_good() {
        check("", &[]);
        check("1 0.5 2.5", &[0, 1, 2]);
        check("2.5*90 0.1", &[0, 1]);
        check("2.6 0.5 2.0", &[1, 2, 0]);
        check("9 2.6 0.5 3", &[2, 1, 3, 0]);
    }

    #[test]
    fn where_nobody_is_good_the_best_is_first() {
        check("9 4 6", &[1, 2, 0]);
        check("4 4 9", &[0, 1, 2]);
        check("inf 4", &[1, 0]);
        check("inf inf", &[0, 1]);
    }

    #[test]
    fn a_pool_has_the_place_of_its_first_and_the_score_of_its_best() {
        check("1:1 1 1:1*5", &[0, 2, 1]);
        check("1 7:9 2 7:1", &[0, 3, 1, 2]);
        check("1:8 0.5 1:9", &[1, 0, 2]);
        // Both are drawn, and the less busy one is better.
        check("1:1*9 1:1*2", &[1, 0]);
        check("1:2*0 1:1*2", &[0, 1]);
    }

    #[test]
    fn load_spreads_over_equals() {
        let random = Random::seeded(3);
        let mut first = [0_u32; 4];
        for _ in 0..3_000 {
            first[predictive(&standings("1:1*3 1:1*3 1:1*3 1:1*9"), SLO, random.next_u64())[0]] += 1;
        }
        assert_eq!(first[3], 0, "any other is better, and two are drawn");
        assert!(first[..3].iter().all(|count| (800..1_200).contains(count)), "{first:?}");
        let mut slow = [0_u32; 3];
        for _ in 0..1_000 {
            slow[predictive(&standings("1:9 1:1*50 1:1*50"), SLO, random.next_u64())[0]] += 1;
        }
        assert_eq!(slow[0], 0, "idle because it is slow");
    }
}
