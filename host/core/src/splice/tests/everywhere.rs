//! Streams that break at every event boundary, in every way, towards every kind of fallback: the client gets every
//! number once and in order, or a typed error; never anything that looks whole and is not.

use std::cell::Cell;

use super::client::{End, see};
use super::counting::{Counting, Counts, Fault, Prefill, Wire, count, counts};
use super::recorded::Recorded;
use crate::request::Protocol;

/// Wires that a client of this protocol can be served from.
fn wires(protocol: Protocol) -> &'static [Wire] {
    match protocol {
        Protocol::Messages => &[Wire::Chat, Wire::Messages, Wire::Custom],
        _ => &[Wire::Chat, Wire::Custom],
    }
}

/// Breaks `broken` at every boundary and hands what the client saw to `judge`, together with the place.
async fn everywhere(recorded: &Recorded, fallback: Prefill, judge: impl Fn(&str, bool, &str, End)) {
    for protocol in [Protocol::Chat, Protocol::Messages] {
        for first in wires(protocol) {
            let broken = counts(*first, Prefill::Undeclared);
            for second in wires(protocol) {
                for fault in Fault::ALL {
                    for after in 0..=broken.events(None).len() {
                        let fallback = counts(*second, fallback);
                        let place = (after, fault);
                        check(recorded, &broken, protocol, fallback, place, &judge).await;
                    }
                }
            }
        }
    }
}

async fn check(
    recorded: &Recorded,
    broken: &Counts,
    protocol: Protocol,
    fallback: Counts,
    (after, fault): (usize, Fault),
    judge: &impl Fn(&str, bool, &str, End),
) {
    let case = format!("{protocol} {:?} -> {:?}, {fault:?} after {after}", broken.wire, fallback.wire);
    let world = Counting::new(vec![broken.clone().with_fault(after, fault), fallback]);
    let saw = see(protocol, world.ask(protocol).await).await;
    let calls = world.calls();
    assert!(calls.len() <= 4, "{case}: {calls:?}");
    let spliced = !saw.labels.is_empty();
    // Others are asked to go on before whoever broke off.
    assert!(!spliced || calls[1].starts_with('b'), "{case}: {calls:?}");
    recorded.add(protocol, &case, &saw);
    judge(&case, spliced, &saw.text, saw.end);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_goes_on_completes_every_answer() {
    let recorded = Recorded::default();
    for fallback in [Prefill::Accepts, Prefill::Repeats, Prefill::Undeclared, Prefill::Refuses] {
        let splices = Cell::new(0);
        everywhere(&recorded, fallback, |case, spliced, text, end| {
            splices.set(splices.get() + u32::from(spliced));
            assert_eq!(end, End::Whole(end_word(case).to_owned()), "{fallback:?} {case}: {text}");
            assert_eq!(text, count(12), "{fallback:?} {case}");
        })
        .await;
        // Thirteen pairs of wires, four faults, and a boundary behind each number at least.
        assert!(splices.get() >= 13 * 4 * 12, "{fallback:?}: {}", splices.get());
    }
    recorded.write("completed");
}

#[tokio::test(start_paused = true)]
async fn a_break_inside_an_event_is_no_different() {
    let recorded = Recorded::default();
    for (protocol, wire) in
        [(Protocol::Chat, Wire::Chat), (Protocol::Messages, Wire::Messages), (Protocol::Messages, Wire::Chat)]
    {
        let broken = counts(wire, Prefill::Undeclared);
        // Every third offset of the first kilobyte, where every kind of event begins; then every eleventh.
        let offsets = 0..broken.events(None).concat().len();
        for bytes in offsets.filter(|bytes| bytes % 3 == 0 && *bytes < 1024 || bytes % 11 == 0) {
            for fault in [Fault::Cut, Fault::Break] {
                for fallback in [Prefill::Accepts, Prefill::Refuses, Prefill::Diverges] {
                    let broken = Counts { faults_inside: Some((bytes, fault)), ..broken.clone() };
                    let world = Counting::new(vec![broken, counts(wire, fallback)]);
                    let saw = see(protocol, world.ask(protocol).await).await;
                    let case = format!("{protocol} {wire:?} {fault:?} after {bytes} bytes, {fallback:?}");
                    recorded.add(protocol, &case, &saw);
                    let whole = matches!(saw.end, End::Whole(_)) && saw.text == count(12);
                    let honest = saw.end == End::Interrupted && count(12).starts_with(&saw.text);
                    // Nothing had been delivered: the fallback's own answer.
                    let own = saw.labels.is_empty() && saw.text == format!("Well: {}", count(12));
                    let diverges = fallback == Prefill::Diverges;
                    assert!(whole || diverges && (honest || own), "{case}: {:?} {}", saw.end, saw.text);
                }
            }
        }
    }
    recorded.write("inside");
}

fn end_word(case: &str) -> &'static str {
    if case.starts_with("messages") { "end_turn" } else { "stop" }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_says_something_else_never_completes_an_answer() {
    let recorded = Recorded::default();
    for fallback in [Prefill::Diverges, Prefill::DivergesUndeclared] {
        everywhere(&recorded, fallback, |case, spliced, text, end| match end {
            End::Whole(_) if text == count(12) => {}
            // Nothing had been delivered: the fallback's own answer.
            End::Whole(_) => {
                assert_eq!(text, format!("Well: {}", count(12)), "{fallback:?} {case}");
                assert!(!spliced, "{case}");
            }
            End::Interrupted => assert!(count(12).starts_with(text), "{fallback:?} {case}: {text}"),
            other => panic!("{case}: {other:?}"),
        })
        .await;
    }
    recorded.write("diverged");
}
