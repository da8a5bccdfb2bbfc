//! Sixteen ways in which a provider crashes, as a public benchmark defines them: one primary, one fallback, default
//! settings, streamed. Required and advisory checks alike are asserted, for clients of both protocols, with a fallback
//! of the client's own format and with one of the other.
//!
//! Nothing is shortened. The longest scenario (an outage of a minute, requests for 76 s) decides how long the suite
//! takes; all others run beside it, and most of the time nobody computes anything.

mod house;
mod table;

use seawall_e2e::client::Front;
use seawall_e2e::{all_of, block_on, together};
use tokio::time::Instant;

use house::{House, Spare};
use table::{SCENARIOS, Scenario};

#[test]
fn all_sixteen_pass_for_both_protocols() {
    block_on(async {
        let began = Instant::now();
        let (same, other) = tokio::join!(all(Spare::SameFormat), all(Spare::OtherFormat));
        let (same_ok, other_ok) = (count(&same), count(&other));
        println!("crash scenarios: {same_ok} of 32; with a fallback of the other format: {other_ok} of 32");
        all_of("crash scenarios", began, &[same, other].concat());
    });
}

async fn all(spare: Spare) -> Vec<seawall_e2e::Verdict> {
    let cases: Vec<(&Scenario, Front)> =
        SCENARIOS.iter().flat_map(|scenario| Front::BOTH.map(|front| (scenario, front))).collect();
    let mut houses = Vec::new();
    for (scenario, front) in cases {
        let name = format!("{} {} ({}): {}", scenario.id, front.label(), spare.label(), scenario.what);
        // All are open before the first is played: starting a gateway takes the machine for itself.
        houses.push((name, (scenario, House::open(front, spare).await)));
    }
    together(houses.len(), houses, async |(scenario, house)| play(scenario, &house).await).await
}

async fn play(scenario: &Scenario, house: &House) -> Vec<String> {
    let run = house.run((scenario.faults)(), scenario.prefill, scenario.schedule).await;
    let mut complaints = seawall_e2e::Complaints::default();
    for seen in &run.seen {
        run.never_lies(seen, &mut complaints);
    }
    (scenario.check)(&run, &mut complaints);
    complaints.0
}

fn count(verdicts: &[seawall_e2e::Verdict]) -> usize {
    verdicts.iter().filter(|verdict| verdict.complaints.is_empty()).count()
}
