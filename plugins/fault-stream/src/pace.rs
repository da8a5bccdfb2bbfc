//! The right frames at the wrong time.

use seawall_plugin::fault::{Frame, Step, Transform};

/// The first frame waits.
#[derive(Debug)]
pub(crate) struct SlowFirst(pub(crate) Option<u32>);

impl Transform for SlowFirst {
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step> {
        let wait = self.0.take().map(Step::WaitMs);
        wait.into_iter().chain(frames.into_iter().map(Step::Send)).collect()
    }
}

/// Each frame waits for its turn.
#[derive(Debug)]
pub(crate) struct Drip {
    gap_ms: u32,
}

impl Drip {
    pub(crate) fn of(per_second: f64) -> Self {
        // At least one in a hundred seconds.
        Self { gap_ms: (1000.0 / per_second.max(0.01)).round() as u32 }
    }
}

impl Transform for Drip {
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step> {
        frames.into_iter().flat_map(|frame| [Step::WaitMs(self.gap_ms), Step::Send(frame)]).collect()
    }
}

/// Signs of life, and no life.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    pub(crate) interval_ms: u32,
}

/// Most comments; nobody waits longer.
const BEATS: usize = 600;

impl Transform for Heartbeats {
    fn piece(&mut self, _frames: Vec<Frame>) -> Vec<Step> {
        let beat = [Step::Raw(b": keep-alive\n\n".to_vec()), Step::WaitMs(self.interval_ms)];
        let mut steps: Vec<Step> = std::iter::repeat_n(beat, BEATS).flatten().collect();
        steps.push(Step::Stall);
        steps
    }
}
