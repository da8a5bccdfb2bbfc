//! The wrong bytes: too few, too many, cut in bad places.

use seawall_plugin::fault::{Frame, Step, Transform, sse};

/// Some frames, then something else.
#[derive(Debug)]
pub(crate) struct EndAfter {
    pub(crate) left: u64,
    pub(crate) step: Step,
}

impl Transform for EndAfter {
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step> {
        let mut steps = Vec::with_capacity(frames.len());
        for frame in frames {
            if self.left == 0 {
                steps.push(self.step.clone());
                return steps;
            }
            self.left -= 1;
            steps.push(Step::Send(frame));
        }
        steps
    }
}

/// Each so-manieth frame twice.
#[derive(Debug)]
pub(crate) struct Duplicate {
    pub(crate) every: u64,
    pub(crate) seen: u64,
}

impl Transform for Duplicate {
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step> {
        let mut steps = Vec::with_capacity(frames.len() * 2);
        for frame in frames {
            self.seen += 1;
            if self.seen.is_multiple_of(self.every) {
                steps.push(Step::Send(frame.clone()));
            }
            steps.push(Step::Send(frame));
        }
        steps
    }
}

/// Reads that end inside a letter wherever there is one of several bytes, and anywhere else otherwise.
#[derive(Debug)]
pub(crate) struct SplitUtf8;

impl Transform for SplitUtf8 {
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step> {
        frames.iter().flat_map(|frame| split(sse(frame))).collect()
    }
}

fn split(bytes: Vec<u8>) -> [Step; 3] {
    // The second byte of a letter of several.
    let inside = bytes.iter().position(|byte| byte & 0b1100_0000 == 0b1000_0000);
    let (head, tail) = bytes.split_at(inside.unwrap_or(bytes.len() / 2));
    [Step::Raw(head.to_vec()), Step::WaitMs(1), Step::Raw(tail.to_vec())]
}

/// One frame that is no JSON, and the rest as it is.
#[derive(Debug)]
pub(crate) struct Malformed {
    /// Frames before it; none when it has come.
    pub(crate) left: Option<u64>,
}

impl Transform for Malformed {
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step> {
        let mut steps = Vec::with_capacity(frames.len() + 1);
        for frame in frames {
            match self.left {
                Some(0) => {
                    self.left = None;
                    steps.push(Step::Raw(sse(&half(&frame))));
                }
                Some(left) => self.left = Some(left - 1),
                None => {}
            }
            steps.push(Step::Send(frame));
        }
        steps
    }
}

/// The first half of a frame's data.
fn half(frame: &Frame) -> Frame {
    let (head, _) = frame.data.split_at(frame.data.len() / 2);
    Frame { event: frame.event.clone(), data: head.to_vec() }
}

/// Line ends in turn.
#[derive(Debug)]
pub(crate) struct CrlfMix {
    pub(crate) lines: usize,
}

impl Transform for CrlfMix {
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step> {
        const ENDS: [&[u8]; 3] = [b"\r\n", b"\n", b"\r"];
        let mut out = Vec::new();
        for frame in &frames {
            // One way for the lines of an event, or a lone carriage return before a line feed would read as one end.
            let end = ENDS.iter().cycle().nth(self.lines % ENDS.len()).copied().unwrap_or(b"\n");
            self.lines += 1;
            for byte in sse(frame) {
                match byte {
                    b'\n' => out.extend_from_slice(end),
                    other => out.push(other),
                }
            }
        }
        vec![Step::Raw(out)]
    }
}
