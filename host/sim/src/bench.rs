//! Answers of the `bench` models, rendered once and kept, so that a benchmark measures its subject and not this.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::answer::{Answer, bench_length};
use crate::ask::{Ask, Framing, Said};
use crate::dialect::{Dialect, Turn};
use crate::lane::Prefill;
use crate::script::{Pace, Reply, Step};

/// Longest text that is kept ready; longer ones are rendered each time.
const LONGEST_KEPT: usize = 64 << 10;
const MOST_KEPT: usize = 64;
/// All bench prompts count the same.
const PROMPT: &str = "a prompt of the benchmark, of which the content plays no part";

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    dialect: Dialect,
    model: String,
    stream: Option<Framing>,
    include_usage: bool,
}

/// An answer ready to be sent.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    Whole(Bytes),
    Script(Arc<[Step]>),
}

/// Ready answers, bounded in number and size.
#[derive(Debug, Default)]
pub(crate) struct Bench(RwLock<HashMap<Key, Ready>>);

impl Bench {
    /// The ready answer to a request for this model, if it is a bench model of moderate length.
    pub(crate) fn ready(
        &self,
        dialect: Dialect,
        model: &str,
        stream: Option<Framing>,
        include_usage: bool,
    ) -> Option<Ready> {
        bench_length(model).filter(|length| *length <= LONGEST_KEPT)?;
        let key = Key { dialect, model: model.to_owned(), stream, include_usage };
        if let Some(ready) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Some(ready.clone());
        }
        let ready = render(&key);
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_KEPT {
            kept.insert(key, ready.clone());
        }
        Some(ready)
    }
}

fn render(key: &Key) -> Ready {
    let mut ask = Ask::new(key.model.as_str(), vec![Said::User(PROMPT.to_owned())]);
    ask.stream = key.stream;
    ask.include_usage = key.include_usage;
    let answer = Answer::to(&ask, Prefill::Accepts, 1);
    let turn = Turn { ask: &ask, answer: &answer, salt: 1, created: 1_767_225_600 };
    let wire = key.dialect.wire();
    match key.stream {
        None => Ready::Whole(wire.whole(turn).to_string().into()),
        Some(_) => {
            let reply = Reply { events: wire.events(turn), framing: key.stream };
            let pace = Pace { first_ms: answer.pace_ms, each_ms: answer.pace_ms };
            Ready::Script(reply.steps(None, pace, wire).into())
        }
    }
}
