//! What becomes of one call: thrown by its provider's dice when the call arrives, never later, so that nothing the
//! gateway does afterwards changes what other calls meet.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use seawall_core::ports::TransportFailure;

use crate::answer::{Answer, Part};
use crate::call::Step;
use crate::order::Order;
use crate::provider::{Conduct, Fault, Prefill};
use crate::speech::{self, Voice};
use crate::upstream::Desk;

/// A call as it arrives.
pub(crate) struct Question {
    pub(crate) voice: Voice,
    pub(crate) stream: bool,
    /// Numbers in the unfinished assistant message that the body ends with.
    pub(crate) said: Option<u32>,
    pub(crate) order: Order,
    pub(crate) connect: Duration,
}

/// Status, headers, body.
pub(crate) type Reply = (u16, Vec<(&'static str, String)>, VecDeque<Step>);

/// What the gateway will see.
pub(crate) struct Fate {
    pub(crate) headers_after_s: f64,
    /// `Err(None)`: silence.
    pub(crate) reply: Result<Reply, Option<TransportFailure>>,
}

impl Fate {
    pub(crate) fn decide(desk: &mut Desk, conduct: &Conduct, question: &Question, at: Duration) -> Self {
        const REFUSAL_AFTER_S: f64 = 0.08;
        if let Some(wait_s) = over_limit(desk, conduct, at) {
            let hint = conduct.rate_hint.then_some(wait_s);
            return Self::status(REFUSAL_AFTER_S, 429, "rate_limited", hint);
        }
        if question.said.is_some() && desk.profile.prefill == Prefill::Refuses {
            return Self::status(REFUSAL_AFTER_S, 400, "no_prefill", None);
        }
        if desk.dice.chance(conduct.error) {
            return Self::status(desk.dice.log_normal(0.15, 0.5), 503, "overloaded", None);
        }
        if desk.dice.chance(conduct.hang) {
            return Self::fails(0.0, None);
        }
        let fault = one_of(&conduct.faults, desk.dice.unit());
        let quick = desk.dice.log_normal(0.1, 0.5);
        let failure = |text: &str| text.to_owned();
        match fault {
            Some(Fault::Refuse) => Self::fails(0.01, Some(TransportFailure::Connect(failure("refused")))),
            Some(Fault::ConnectTimeout) => {
                Self::fails(question.connect.as_secs_f64(), Some(TransportFailure::ConnectTimeout))
            }
            Some(Fault::Reset) => Self::fails(quick, Some(TransportFailure::Reset(failure("reset")))),
            Some(Fault::Hang) => Self::fails(0.0, None),
            Some(Fault::Error { status, code, retry_after }) => {
                Self::status(quick, status, code, retry_after.map(f64::from))
            }
            late => Self::answer(desk, conduct, question, late),
        }
    }

    fn answer(desk: &mut Desk, conduct: &Conduct, question: &Question, fault: Option<Fault>) -> Self {
        let profile = &desk.profile;
        let load = f64::from(desk.under_way) / profile.knee;
        let usual = desk.dice.log_normal(profile.first_token_s, profile.sigma);
        let late = if desk.dice.chance(conduct.tail_share) { conduct.tail_factor } else { 1.0 };
        let first_s = (usual * late * conduct.slow * (1.0 + 0.5 * load * load)).min(profile.slowest_s)
            * question.order.size();
        let from = match profile.prefill {
            Prefill::Continues => question.said.unwrap_or(0) + 1,
            Prefill::Refuses | Prefill::Undeclared => 1,
        };
        let last = question.order.numbers;
        // Tokens a second vary from answer to answer.
        let pace = profile.tokens_per_s * (0.3 * desk.dice.normal()).exp();
        let gap_s = question.order.tokens / pace / f64::from(last.max(1));
        let breaks_after =
            from + u32::try_from(desk.dice.below(last.abs_diff(from) as usize + 1)).unwrap_or(0);
        let answer = Answer {
            voice: &question.voice,
            fault,
            part: Part { from, last, breaks_after },
            gap_s,
            usage: profile.tells_usage,
        };
        if question.stream {
            // Headers come well before content, as those of most providers do.
            let headers_s = first_s * 0.3;
            let headers = vec![("content-type", "text/event-stream".to_owned())];
            Self { headers_after_s: headers_s, reply: Ok((200, headers, answer.stream(first_s - headers_s))) }
        } else {
            let headers = vec![("content-type", "application/json".to_owned())];
            Self { headers_after_s: first_s, reply: Ok((200, headers, answer.document())) }
        }
    }

    fn status(after_s: f64, status: u16, code: &str, retry_after_s: Option<f64>) -> Self {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(retry_after_s.map(|wait| ("retry-after", format!("{wait:.0}"))));
        let steps = VecDeque::from([Step::Send(speech::error(code))]);
        Self { headers_after_s: after_s, reply: Ok((status, headers, steps)) }
    }

    fn fails(after_s: f64, failure: Option<TransportFailure>) -> Self {
        Self { headers_after_s: after_s, reply: Err(failure) }
    }
}

/// A token bucket of two seconds' worth. Says in how many whole seconds to come back when it is empty.
fn over_limit(desk: &mut Desk, conduct: &Conduct, at: Duration) -> Option<f64> {
    let limit = conduct.rate_limit;
    if !limit.is_finite() {
        return None;
    }
    let (left, since) = desk.allowance;
    let refilled = (left + at.saturating_sub(since).as_secs_f64() * limit).min(2.0 * limit);
    let granted = refilled >= 1.0;
    desk.allowance = (if granted { refilled - 1.0 } else { refilled }, at);
    (!granted).then(|| ((1.0 - refilled) / limit).ceil().max(1.0))
}

/// The fault that this throw falls on, if any.
fn one_of(faults: &[(f64, Fault)], throw: f64) -> Option<Fault> {
    let mut left = throw;
    faults.iter().find_map(|(share, fault)| {
        left -= share;
        (left < 0.0).then_some(*fault)
    })
}

/// Bytes that a body is made of.
pub(crate) fn fixed(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}
