//! Where a request stands in a distributed trace: W3C trace context, taken in with the request and passed on to
//! upstreams. Ids and one flag; `baggage` is never passed on, for nobody knows what is in it.

use std::sync::OnceLock;

use crate::random::mix;

/// Longest `tracestate` that is passed on, in bytes; the specification's own least.
const LONGEST_STATE: usize = 512;
/// Keeps ids of one request's spans apart.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// Beyond every attempt.
const TWINS: u64 = 1 << 32;

/// A request's place in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Of the whole trace, never 0.
    pub trace_id: u128,
    /// The request's own span where spans are recorded here, else the caller's; never 0.
    pub span_id: u64,
    /// The caller's span, where it sent one.
    pub parent: Option<u64>,
    /// Somebody wants to see it.
    pub sampled: bool,
    /// Spans are recorded here: the request and each of its attempts have one.
    pub recorded: bool,
    /// The caller's `tracestate`, handed on as it came.
    pub state: Option<Box<str>>,
    /// The status that the answer began with, once it has.
    pub answered: OnceLock<u16>,
}

/// One upstream call of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// An attempt, counted from 1.
    Attempt(u32),
    /// A hidden copy, by the place of its target among the candidates.
    Twin(u32),
}

impl Leg {
    /// Which attempt it is, to whoever decides by that; a twin is the first and only one of its own.
    pub fn number(self) -> u32 {
        match self {
            Self::Attempt(number) => number,
            Self::Twin(_) => 1,
        }
    }
}

impl Trace {
    /// The caller's place from its `traceparent`; none where that is not as the specification has it.
    pub fn parse(traceparent: &str, state: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let plain = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let known = plain(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        if !known || !plain(trace, 32) || !plain(span, 16) || !plain(flags, 2) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        let fits =
            |state: &&str| state.len() <= LONGEST_STATE && state.bytes().all(|b| (0x20..0x7f).contains(&b));
        let state = state.filter(fits).map(Box::from);
        let answered = OnceLock::new();
        Some(Self { trace_id, span_id, parent: None, sampled, recorded: false, state, answered })
    }

    /// The same trace with a span of our own below the caller's.
    #[must_use]
    pub fn with_span(self, random: u64) -> Self {
        Self { span_id: random.max(1), parent: Some(self.span_id), recorded: true, ..self }
    }

    /// A trace that begins here.
    pub fn begin(trace_id: u128, span_id: u64, sampled: bool) -> Self {
        Self {
            trace_id: trace_id.max(1),
            span_id: span_id.max(1),
            parent: None,
            sampled,
            recorded: true,
            state: None,
            answered: OnceLock::new(),
        }
    }

    /// The answer begins with this status, whatever comes of it later: the first word counts.
    pub fn answers(&self, status: u16) {
        let _first = self.answered.set(status);
    }

    /// The span of an upstream call. The same here and in the record of the request, without being kept anywhere.
    pub fn span(&self, leg: Leg) -> u64 {
        let place = match leg {
            Leg::Attempt(number) => u64::from(number),
            Leg::Twin(place) => TWINS | u64::from(place),
        };
        mix(self.span_id.wrapping_add(STEP.wrapping_mul(place))).max(1)
    }

    /// The `traceparent` that goes to the upstream of a call.
    pub fn parent_of(&self, leg: Leg) -> String {
        let span = if self.recorded { self.span(leg) } else { self.span_id };
        format!("00-{:032x}-{span:016x}-{:02x}", self.trace_id, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_comes_in_is_read_as_the_specification_says() {
        let trace = Trace::parse(GOOD, Some("a=1,b=2")).unwrap();
        assert_eq!(
            (trace.trace_id, trace.span_id),
            (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7)
        );
        assert!(trace.sampled && !trace.recorded);
        assert_eq!(trace.state.as_deref(), Some("a=1,b=2"));
        assert!(
            Trace::parse(&GOOD.replace("00-4", "cc-4").replace("-01", "-01-more"), None).is_some(),
            "a later version"
        );
        assert!(!Trace::parse(&GOOD.replace("-01", "-02"), None).unwrap().sampled);
        for bad in [
            "",
            "00",
            &GOOD.replace("00-4", "ff-4"),
            &GOOD.to_uppercase(),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &format!("{GOOD}-more"),
            &GOOD.replace("4bf9", "4bg9"),
            &GOOD.replace("-01", "-1"),
        ] {
            assert_eq!(Trace::parse(bad, None), None, "{bad}");
        }
        assert_eq!(Trace::parse(GOOD, Some(&"x".repeat(513))).unwrap().state, None);
        assert_eq!(Trace::parse(GOOD, Some("a=\u{e9}")).unwrap().state, None);
    }

    #[test]
    fn what_goes_out_names_the_call_or_else_the_caller() {
        let caller = Trace::parse(GOOD, None).unwrap();
        assert_eq!(caller.parent_of(Leg::Attempt(1)), GOOD, "nobody records here: as it came");
        let ours = caller.with_span(7);
        assert_eq!((ours.span_id, ours.parent), (7, Some(0x00f0_67aa_0ba9_02b7)));
        let legs = (0..100).flat_map(|number| [Leg::Attempt(number), Leg::Twin(number)]);
        let spans: std::collections::BTreeSet<u64> = legs.map(|leg| ours.span(leg)).collect();
        assert_eq!(spans.len(), 200);
        assert_eq!(
            ours.parent_of(Leg::Attempt(2)),
            format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016x}-01", ours.span(Leg::Attempt(2)))
        );
    }
}
