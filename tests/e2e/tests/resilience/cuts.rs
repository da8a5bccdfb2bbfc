//! Streams broken at some places out of all (event boundaries, and bytes anywhere), for both protocols and for
//! fallbacks that go on from a given beginning, refuse it, word things differently, repeat themselves, or ignore it.
//! The client gets the text to the byte or a typed error; nothing may look complete and not be.
//!
//! A sample, because sockets and timers take their time; every place is looked at under virtual time.

mod case;
mod house;

use std::collections::BTreeMap;

use seawall_e2e::client::{Ending, Front};
use seawall_e2e::random::{Dice, seed};
use seawall_e2e::{all_of, block_on, recorded, together};
use tokio::time::Instant;

use case::{Case, Fallback, MODELS};
use house::House;

/// Broken streams of each protocol, fallback and text. A house whose every stream breaks asks up to three times for each,
/// and over ten seconds a gateway makes no more than two calls a request, and twenty.
const SAMPLE: usize = 9;

#[test]
fn a_broken_stream_is_whole_or_an_error() {
    block_on(async {
        let began = Instant::now();
        let mut dice = Dice::new(seed("cut sample"));
        let mut houses = Vec::new();
        for front in Front::BOTH {
            for fallback in Fallback::ALL {
                let mut cases = Vec::new();
                for model in MODELS {
                    let bytes = house::healthy_bytes(front, model).await;
                    cases.extend((0..SAMPLE).map(|nth| Case::thrown(model, nth, bytes, &mut dice)));
                }
                houses.push(House::open(front, fallback, cases).await);
            }
        }
        let cases = houses.iter().flat_map(House::cases);
        let lines = std::sync::Mutex::new(Vec::new());
        let endings = std::sync::Mutex::new(BTreeMap::<String, usize>::new());
        let verdicts = together(40, cases, async |(house, number)| {
            let (seen, text, complaints) = house.play(number).await;
            let ending = match seen.ending(&text) {
                Ending::Whole => "whole".to_owned(),
                Ending::Error(word) => word,
                Ending::Wrong(_) => "wrong".to_owned(),
            };
            let key = format!("{}, {}: {ending}", house.front.label(), house.fallback.label());
            *endings.lock().expect("no panic").entry(key).or_default() += 1;
            lines.lock().expect("no panic").extend(recorded::line(&house.name(number), &seen, &text));
            complaints
        })
        .await;
        for (key, count) in endings.lock().expect("no panic").iter() {
            println!("  {key} x {count}");
        }
        recorded::write("sockets", &lines.into_inner().expect("no panic"));
        all_of("cut sample", began, &verdicts);
    });
}
