//! The scenarios and what each demands.

use std::time::Duration;

use seawall_e2e::Complaints;
use seawall_e2e::client::{Ending, Front};
use seawall_sim::{Fault, Kind, Prefill};

use super::house::{Run, Schedule, WORDS};

pub(super) struct Scenario {
    pub(super) id: &'static str,
    pub(super) what: &'static str,
    /// What the primary does.
    pub(super) faults: fn() -> Vec<Fault>,
    /// What the fallback does with the beginning of an answer.
    pub(super) prefill: Prefill,
    pub(super) schedule: Schedule,
    pub(super) check: fn(&Run, &mut Complaints),
}

const PLAIN: Scenario = Scenario {
    id: "",
    what: "",
    faults: Vec::new,
    prefill: Prefill::Accepts,
    schedule: Schedule::Once,
    check: |_, _| {},
};

/// Most calls that the benchmark allows for one request against a dead provider.
const MOST_ATTEMPTS: usize = 6;

pub(super) const SCENARIOS: [Scenario; 16] = [
    Scenario {
        id: "S01",
        what: "429 with a hint of 2 s, then healthy",
        faults: || vec![Fault::status(429).retry_after(2.0).times(1)],
        check: |run, complaints| {
            run.answered(run.first(), complaints);
            complaints
                .expect(run.primary_gap().is_some_and(|gap| gap >= Duration::from_millis(1_800)), || {
                    format!("the hint was not waited for: {:?}", run.primary_gap())
                });
            let early = run.primary_within(Duration::from_millis(1_500));
            complaints.expect(early <= 2, || format!("{early} calls in 1.5 s"));
        },
        ..PLAIN
    },
    Scenario {
        id: "S02",
        what: "429 for ever, without a hint",
        faults: || vec![Fault::status(429)],
        check: |run, complaints| {
            run.answered_by_fallback(complaints);
            let early = run.primary_within(Duration::from_secs(3));
            complaints.expect(early <= 4, || format!("{early} calls in 3 s"));
            complaints.expect(run.attempts() <= MOST_ATTEMPTS, || format!("{} calls", run.attempts()));
        },
        ..PLAIN
    },
    Scenario {
        id: "S03",
        what: "500 once",
        faults: || vec![Fault::status(500).times(1)],
        check: |run, complaints| {
            run.answered(run.first(), complaints);
            complaints.expect(run.primary.len() >= 2, || "the primary was not asked again".to_owned());
        },
        ..PLAIN
    },
    Scenario {
        id: "S04",
        what: "503 for ever",
        faults: || vec![Fault::status(503)],
        check: |run, complaints| {
            run.answered_by_fallback(complaints);
            complaints.expect(run.attempts() <= MOST_ATTEMPTS, || format!("{} calls", run.attempts()));
        },
        ..PLAIN
    },
    Scenario {
        id: "S05",
        what: "reset before headers, once",
        faults: || vec![Fault::reset().times(1)],
        check: |run, complaints| run.answered(run.first(), complaints),
        ..PLAIN
    },
    Scenario {
        id: "S06",
        what: "accepts and never answers",
        faults: || vec![Fault::hang()],
        check: |run, complaints| {
            run.answered_by_fallback(complaints);
            within(run, Duration::from_secs(100), complaints);
            complaints
                .expect(run.primary.len() == 1, || format!("{} calls to the primary", run.primary.len()));
        },
        ..PLAIN
    },
    Scenario {
        id: "S07",
        what: "headers at once, first token after 20 s",
        faults: || vec![Fault::slow_first_token(20_000)],
        check: |run, complaints| {
            run.answered_by_fallback(complaints);
            within(run, Duration::from_secs(15), complaints);
        },
        ..PLAIN
    },
    Scenario {
        id: "S08",
        what: "cut after 40 of 60 tokens",
        faults: || vec![Fault::cut_after(40)],
        check: |run, complaints| {
            run.spliced(complaints);
            usage_of_the_whole(run, complaints);
        },
        ..PLAIN
    },
    Scenario {
        id: "S09",
        what: "silent after 20 tokens for 30 s, then close",
        faults: || vec![Kind::StallAfter { events: 20, ms: Some(30_000) }.into()],
        schedule: Schedule::Twice,
        check: |run, complaints| {
            run.spliced(complaints);
            within(run, Duration::from_secs(45), complaints);
            run.answered(run.seen.last().expect("asked twice"), complaints);
        },
        ..PLAIN
    },
    Scenario {
        id: "S10",
        what: "the tenth event is not JSON",
        faults: || vec![Kind::MalformedEvent { at: 10 }.into()],
        check: |run, complaints| {
            run.answered(run.first(), complaints);
            let same_stream = run.primary.len() == 1 && run.fallback.is_empty();
            complaints.expect(same_stream, || format!("{} calls", run.attempts()));
        },
        ..PLAIN
    },
    Scenario {
        id: "S11",
        what: "no terminator",
        faults: || vec![Kind::NoTerminator {}.into()],
        check: |run, complaints| {
            run.answered(run.first(), complaints);
            within(run, Duration::from_secs(8), complaints);
        },
        ..PLAIN
    },
    Scenario {
        id: "S12",
        what: "400: the prompt is too long",
        faults: || vec![Fault::code("context_length")],
        check: |run, complaints| {
            run.answered_by_fallback(complaints);
            complaints
                .expect(run.primary.len() == 1, || format!("{} calls to the primary", run.primary.len()));
        },
        ..PLAIN
    },
    Scenario {
        id: "S13",
        what: "400: against the content policy",
        faults: || vec![Fault::code("content_policy")],
        check: refused_by_policy,
        ..PLAIN
    },
    Scenario {
        id: "S14",
        what: "cut after 40 of 60 tokens, and the fallback refuses to go on from a beginning",
        faults: || vec![Fault::cut_after(40)],
        prefill: Prefill::Refuses,
        check: |run, complaints| {
            run.spliced(complaints);
            usage_of_the_whole(run, complaints);
            // That it refuses was found out by asking, and the answer then came from a request without beginning.
            let statuses: Vec<_> = run.fallback.iter().map(|entry| entry.status).collect();
            complaints.expect(matches!(statuses.as_slice(), [Some(400), Some(200)] | [Some(200)]), || {
                format!("fallback answered {statuses:?}")
            });
        },
        ..PLAIN
    },
    Scenario {
        id: "S15",
        what: "503 for a minute, then healthy; twenty requests, one each four seconds",
        faults: || vec![Fault::status(503).for_ms(60_000)],
        schedule: Schedule::TwentyEveryFourSeconds,
        check: recovers,
        ..PLAIN
    },
    Scenario {
        id: "S16",
        what: "503 for ever: who answered, and what it cost",
        faults: || vec![Fault::status(503)],
        check: |run, complaints| {
            run.answered_by_fallback(complaints);
            let usage = run.first().reading.usage.unwrap_or_default();
            complaints.expect(usage.1 == WORDS as u64, || format!("usage {usage:?}"));
            complaints.expect(run.attempts() <= MOST_ATTEMPTS, || format!("{} calls", run.attempts()));
        },
        ..PLAIN
    },
];

fn within(run: &Run, limit: Duration, complaints: &mut Complaints) {
    let took = run.first().elapsed;
    complaints.expect(took <= limit, || format!("took {took:.1?}"));
}

/// Usage is what the client received: more than the part that the fallback wrote, and not both answers in full.
fn usage_of_the_whole(run: &Run, complaints: &mut Complaints) {
    let usage = run.first().reading.usage.unwrap_or_default();
    let plausible = (WORDS as u64 / 3 + 1..=WORDS as u64 * 5 / 3).contains(&usage.1);
    complaints.expect(plausible, || format!("usage {usage:?} for {WORDS} tokens"));
}

fn refused_by_policy(run: &Run, complaints: &mut Complaints) {
    let seen = run.first();
    // The provider's own word, as far as the protocol has a place for it.
    let word = match seen.front {
        Front::Chat => "content_policy_violation",
        Front::Messages => "invalid_request_error",
    };
    complaints.expect(seen.ending(&run.text) == Ending::Error(word.to_owned()), || seen.short());
    complaints.expect(seen.reading.status == 400, || format!("status {}", seen.reading.status));
    complaints.expect(run.primary.len() == 1 && run.fallback.is_empty(), || {
        format!("{} calls to the primary, {} to the fallback", run.primary.len(), run.fallback.len())
    });
}

fn recovers(run: &Run, complaints: &mut Complaints) {
    const OUTAGE_MS: u64 = 60_000;
    const LAST_REQUEST_MS: u64 = 76_000;
    for seen in &run.seen {
        run.answered(seen, complaints);
    }
    let start = run.primary.first().map_or(0, |entry| entry.monotonic_ms);
    let since = |ms: u64| ms.saturating_sub(start);
    let recovered = run.primary.iter().find(|entry| entry.status == Some(200));
    let recovered = recovered.map(|entry| since(entry.monotonic_ms));
    complaints.expect(recovered.is_some_and(|ms| (OUTAGE_MS..LAST_REQUEST_MS).contains(&ms)), || {
        let asked: Vec<u64> = run.primary.iter().map(|entry| since(entry.monotonic_ms) / 1_000).collect();
        format!("the primary was back after {recovered:?} ms; asked at {asked:?} s")
    });
}
