//! Few cells that hold every pair of values of any two factors. A pair with a fault counts where the faulty target is
//! asked at all: behind two healthy ones it never is.

use std::collections::HashSet;

use super::cell::{Cell, FACTORS};
use crate::random::Dice;

type Values = [usize; FACTORS.len()];
const FAULT: usize = 0;
const POSITION: usize = FACTORS.len() - 1;
/// The last position's value.
const LAST: usize = FACTORS[POSITION] - 1;
/// Two factors and the value of each.
type Pair = (usize, usize, usize, usize);

/// A covering sample, decided by the seed: each cell is the best of some random ones around a pair not yet covered.
pub fn pairwise(seed: u64) -> Vec<Cell> {
    covering(&mut Dice::new(seed)).into_iter().map(Cell::of).collect()
}

fn covering(dice: &mut Dice) -> Vec<Values> {
    const TRIES: usize = 24;
    let mut open: Vec<Pair> = all_pairs();
    let mut chosen = Vec::new();
    while !open.is_empty() {
        let start = open[dice.below(open.len())];
        let missing: HashSet<Pair> = open.iter().copied().collect();
        let gain = |values: &Values| pairs(values).filter(|pair| missing.contains(pair)).count();
        let tries: Vec<Values> = (0..TRIES).map(|_| around(start, dice)).collect();
        let Some(best) = tries.into_iter().max_by_key(gain) else { break };
        let covered: HashSet<Pair> = pairs(&best).collect();
        open.retain(|pair| !covered.contains(pair));
        chosen.push(best);
    }
    chosen
}

fn around((one, value, other, with): Pair, dice: &mut Dice) -> Values {
    let mut values: Values = FACTORS.map(|factor| dice.below(factor));
    values[one] = value;
    values[other] = with;
    values
}

fn pairs(values: &Values) -> impl Iterator<Item = Pair> {
    let all = (0..values.len()).flat_map(move |one| (one + 1..values.len()).map(move |other| (one, other)));
    let asked = values[POSITION] != LAST;
    let counts = move |(one, other): &(usize, usize)| asked || *one != FAULT || *other == POSITION;
    all.filter(counts).map(|(one, other)| (one, values[one], other, values[other]))
}

fn all_pairs() -> Vec<Pair> {
    let mut all = Vec::new();
    for (one, values) in FACTORS.into_iter().enumerate() {
        for (other, withs) in FACTORS.into_iter().enumerate().skip(one + 1) {
            for value in 0..values {
                all.extend((0..withs).map(|with| (one, value, other, with)));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_in_some_cell() {
        for seed in 0..5 {
            let chosen = covering(&mut Dice::new(seed));
            let covered: HashSet<Pair> = chosen.iter().flat_map(pairs).collect();
            let all: HashSet<Pair> = all_pairs().into_iter().collect();
            assert_eq!(covered, all, "seed {seed}");
            let least = FACTORS[0] * FACTORS[3];
            assert!(chosen.len() <= least * 3 / 2, "{} cells where {least} might do", chosen.len());
        }
    }
}
