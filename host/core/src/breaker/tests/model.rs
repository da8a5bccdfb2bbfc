//! Breakers and gates against a reference that was written from the design's sentences. Random walks over three
//! targets, two of which share a credential, must agree after each step: who is admitted as what, who is refused by
//! which gate until when, and what watchers are told, with the requests that caused it. Every row of the transition
//! table must have been gone through often enough, or the walks prove nothing.
//!
//! A failing walk is shrunk to the shortest one that still fails.

mod book;
mod breaker;
mod gates;
mod house;
mod step;
mod walk;

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use book::Row;
use walk::Walk;

/// Walks of each of the two tests; they run side by side.
const WALKS: u32 = 10_000;
/// How often all walks of one test together must have gone through each row.
const OFTEN: u32 = 100;

#[track_caller]
fn agree(seed: u64) {
    let config = ProptestConfig {
        cases: WALKS,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..ProptestConfig::default()
    };
    let hits = RefCell::new(vec![0_u32; Row::ALL.len()]);
    let outcome = TestRunner::new(config).run(&step::walk(), |(seed, steps)| {
        let mut walk = Walk::new(seed);
        for step in &steps {
            walk.run(step);
        }
        for (sum, hit) in hits.borrow_mut().iter_mut().zip(walk.end().hits) {
            *sum += hit;
        }
        Ok(())
    });
    outcome.unwrap();
    let hits = hits.into_inner();
    let counted: Vec<_> = Row::ALL.iter().map(|row| (*row, hits[*row as usize])).collect();
    let rare: Vec<_> = counted.iter().filter(|(_, times)| *times < OFTEN).collect();
    assert!(rare.is_empty(), "rows met too rarely: {rare:?}; all: {counted:?}");
}

#[test]
fn breakers_and_gates_agree_with_the_reference() {
    agree(20_26);
}

#[test]
fn breakers_and_gates_agree_with_the_reference_from_another_seed() {
    agree(7_919);
}
