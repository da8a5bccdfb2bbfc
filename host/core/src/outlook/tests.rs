//! The outlook as targets use it, under paused time.

mod shapes;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

struct Bench {
    outlook: Outlook,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self { outlook: Outlook::new(CallKind::Streamed, now), now }
    }

    fn begin(&self) -> Place {
        self.outlook.begin(self.now, SizeFactor::ONE)
    }

    fn forecast(&self) -> Forecast {
        self.outlook.forecast(self.now, STREAMED_SLO)
    }

    /// Calls that ended, one every 50 ms.
    fn calls(&mut self, count: u32, ms: u64, failed: bool) {
        for _ in 0..count {
            self.now += MS(50);
            let evidence = if failed { Evidence::Silent } else { Evidence::Took(MS(ms)) };
            self.outlook.end(self.begin(), self.now, evidence, Some(failed));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_history_the_operators_choice_stands() {
    for kind in CallKind::ALL {
        let now = Instant::now();
        let forecast = Outlook::new(kind, now).forecast(now, kind.slo());
        assert_eq!((forecast.samples, forecast.suspect, forecast.gap_p99_s), (0, false, None));
        assert!(forecast.score_s < kind.slo().as_secs_f64(), "{forecast:?}");
        assert!(forecast.p50_s < forecast.p95_s && forecast.p95_s < forecast.q99_s, "{forecast:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_seen_long_before_a_time_limit() {
    let mut bench = Bench::new();
    bench.calls(100, 600, false);
    let healthy = bench.forecast();
    assert!(healthy.score_s < 1.0 && !healthy.suspect, "{healthy:?}");
    let mut places = Vec::new();
    let began = bench.now;
    // Twenty calls a second, and none comes back.
    while bench.forecast().score_s <= 2.5 {
        bench.now += MS(50);
        places.push(bench.begin());
        assert!(bench.now - began < Duration::from_secs(3), "{:?}", bench.forecast());
    }
    let seen_after = bench.now - began;
    assert!(seen_after < MS(1_800), "{seen_after:?}");
    assert!(bench.forecast().suspect);
    for place in places {
        bench.outlook.end(place, bench.now, Evidence::Took(MS(600)), Some(false));
    }
    assert!(bench.forecast().score_s < 1.5, "they came after all: {:?}", bench.forecast());
}

#[tokio::test(start_paused = true)]
async fn one_late_call_is_no_evidence() {
    let mut bench = Bench::new();
    bench.calls(100, 600, false);
    let healthy = bench.forecast();
    let _place = bench.begin();
    bench.now += Duration::from_secs(9);
    let forecast = bench.forecast();
    assert_eq!((forecast.waiting, forecast.late, forecast.suspect), (1, 1, false));
    assert!((forecast.score_s - healthy.score_s).abs() < 0.01, "{forecast:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_given_up_teaches_only_above_the_median() {
    let after = |age: u64| async move {
        let mut bench = Bench::new();
        bench.calls(100, 600, false);
        let before = bench.forecast();
        bench.outlook.end(bench.begin(), bench.now, Evidence::Outlasted(MS(age)), None);
        (before, bench.forecast())
    };
    let (before, unchanged) = after(590).await;
    assert_eq!(before, unchanged);
    let (before, slower) = after(3_000).await;
    assert!(slower.score_s > before.score_s && slower.samples == before.samples + 1, "{slower:?}");
}

#[tokio::test(start_paused = true)]
async fn a_second_mode_is_seen_by_counting() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.calls(9, 400, false);
        bench.calls(1, 2_600, false);
    }
    let score = bench.forecast().score_s;
    assert!(score >= 4.0 - 1e-9, "{score}");
    assert!(bench.outlook.forecast(bench.now, Duration::from_secs(3)).score_s < 3.0, "whose limit is higher");
}

#[tokio::test(start_paused = true)]
async fn failures_cost_by_the_square_of_their_share() {
    let mut bench = Bench::new();
    bench.calls(100, 600, false);
    let healthy = bench.forecast().score_s;
    for _ in 0..40 {
        bench.calls(7, 600, false);
        bench.calls(3, 0, true);
    }
    let brown = bench.forecast();
    assert!((0.2..0.45).contains(&brown.error_rate), "{brown:?}");
    assert!(brown.score_s < 2.5, "retries hide three of ten: {brown:?}");
    bench.calls(40, 0, true);
    assert!(bench.forecast().score_s > 2.5 + healthy);
    bench.outlook.broke(bench.now);
    bench.now += Duration::from_mins(2);
    assert!(bench.forecast().score_s < healthy + 0.2, "failures fade, times do not");
}

#[tokio::test(start_paused = true)]
async fn quantiles_are_counted_once_there_are_enough() {
    let mut bench = Bench::new();
    bench.calls(19, 600, false);
    assert!((bench.forecast().p50_s - 0.6).abs() > 1e-6, "an estimate");
    bench.calls(181, 600, false);
    for ms in [2_000, 3_000, 4_000] {
        bench.calls(1, ms, false);
    }
    let forecast = bench.forecast();
    assert_eq!(forecast.samples, 200);
    assert!((forecast.p50_s - 0.6).abs() < 1e-6, "{forecast:?}");
    assert!((forecast.q99_s - 3.0).abs() < 1e-6, "the second longest: {forecast:?}");
}

#[tokio::test(start_paused = true)]
async fn quiet_is_no_sample_and_nobody_waiting() {
    let mut bench = Bench::new();
    assert!(bench.outlook.is_quiet(bench.now), "never heard of");
    bench.calls(1, 600, false);
    assert!(!bench.outlook.is_quiet(bench.now));
    bench.now += Duration::from_secs(10);
    assert!(bench.outlook.is_quiet(bench.now));
    let place = bench.begin();
    assert!(!bench.outlook.is_quiet(bench.now), "somebody is finding out");
    bench.outlook.end(place, bench.now, Evidence::Silent, None);
    assert!(bench.outlook.is_quiet(bench.now));
}

#[tokio::test(start_paused = true)]
async fn pauses_of_streams_are_told() {
    let bench = Bench::new();
    let mut stream = Gaps::default();
    (0..200).for_each(|_| stream.push(MS(100)));
    bench.outlook.paused(&stream);
    assert_eq!(bench.forecast().gap_p99_s, Some(0.128));
}

#[tokio::test(start_paused = true)]
async fn moments_are_told_apart_after_months() {
    let mut bench = Bench::new();
    bench.calls(100, 600, false);
    bench.now += Duration::from_hours(24 * 60);
    let _places = (bench.begin(), bench.begin());
    bench.now += Duration::from_secs(4);
    let forecast = bench.forecast();
    assert_eq!(forecast.late, 2);
    assert!((forecast.score_s - 6.0).abs() < 0.1, "{forecast:?}");
}
