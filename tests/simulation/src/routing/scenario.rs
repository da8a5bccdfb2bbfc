//! The scenarios and their four providers.

use std::time::Duration;

use crate::provider::{Conduct, Prefill, Profile, Script};

/// One way for providers to get worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Nobody does.
    Healthy,
    /// The first answers 503 for five minutes.
    Errors,
    /// The first answers nothing for five minutes.
    BlackHole,
    /// The first becomes twelve times as slow over 400 s.
    Gradual,
    /// The first answers 503 to three calls of ten.
    Brownout,
    /// The first takes eight requests a second.
    RateLimit,
    /// The first answers nothing, the second 503 to nine calls of ten.
    Correlated,
    /// One call of ten to the first takes ten times as long.
    Tail,
    /// The first becomes slow for two minutes, then answers nothing.
    SlowThenDead,
    /// No fault; one prompt of ten is eight times as large.
    LongPrompts,
}

impl Scenario {
    /// In the notes' order.
    pub const ALL: [Self; 10] = [
        Self::Healthy,
        Self::Errors,
        Self::BlackHole,
        Self::Gradual,
        Self::Brownout,
        Self::RateLimit,
        Self::Correlated,
        Self::Tail,
        Self::SlowThenDead,
        Self::LongPrompts,
    ];

    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "S0 healthy",
            Self::Errors => "S1 503",
            Self::BlackHole => "S2 black hole",
            Self::Gradual => "S3 gradual",
            Self::Brownout => "S4 brownout 30 %",
            Self::RateLimit => "S5 rate limit",
            Self::Correlated => "S6 correlated",
            Self::Tail => "S7 tail 10 %",
            Self::SlowThenDead => "S8 slow, then dead",
            Self::LongPrompts => "S9 long prompts",
        }
    }

    /// The seconds whose arrivals are measured: the fault's time and what follows from it.
    pub fn window(self) -> (f64, f64) {
        match self {
            Self::Healthy => (60.0, 1200.0),
            Self::Errors | Self::BlackHole | Self::Correlated | Self::SlowThenDead => (300.0, 640.0),
            _ => (300.0, 960.0),
        }
    }

    /// Share of prompts that are long.
    pub fn long_prompts(self) -> f64 {
        if self == Self::LongPrompts { 0.1 } else { 0.0 }
    }
}

/// The requested provider first.
pub(crate) fn providers() -> Vec<Profile> {
    let provider = |name, first_token_s, sigma, tokens_per_s, error, knee, rate_limit| Profile {
        name,
        first_token_s,
        sigma,
        slowest_s: f64::INFINITY,
        tokens_per_s,
        knee,
        prefill: Prefill::Continues,
        separator: " ",
        limits_credential: false,
        tells_usage: false,
        usual: Conduct {
            error,
            hang: 0.001,
            tail_share: 0.01,
            tail_factor: 5.0,
            rate_limit,
            ..Conduct::PERFECT
        },
    };
    vec![
        provider("first", 0.60, 0.45, 70.0, 0.003, 300.0, 60.0),
        provider("second", 0.50, 0.50, 90.0, 0.003, 250.0, 40.0),
        provider("quick", 0.25, 0.40, 250.0, 0.005, 60.0, 12.0),
        provider("slow", 0.90, 0.50, 60.0, 0.003, 300.0, 60.0),
    ]
}

impl Script for Scenario {
    fn conduct(&self, provider: usize, usual: &Conduct, at: Duration) -> Conduct {
        let t = at.as_secs_f64();
        let (short, long) = ((300.0..600.0).contains(&t), (300.0..900.0).contains(&t));
        let mut now = usual.clone();
        match (self, provider) {
            (Self::Errors, 0) if short => now.error = 1.0,
            (Self::BlackHole | Self::Correlated, 0) if short => (now.hang, now.error) = (1.0, 0.0),
            (Self::Correlated, 1) if short => now.error = 0.9,
            (Self::Gradual, 0) if long => now.slow = 1.0 + 11.0 * ((t - 300.0) / 400.0).min(1.0),
            (Self::Brownout, 0) if long => now.error = 0.30,
            (Self::RateLimit, 0) if long => now.rate_limit = 8.0,
            (Self::Tail, 0) if long => (now.tail_share, now.tail_factor) = (0.10, 10.0),
            (Self::SlowThenDead, 0) if short && t < 420.0 => now.slow = 1.0 + 7.0 * (t - 300.0) / 120.0,
            (Self::SlowThenDead, 0) if short => (now.hang, now.error) = (1.0, 0.0),
            _ => {}
        }
        now
    }
}
