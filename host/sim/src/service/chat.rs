//! Well-formed answers: what a request gets when nothing, or only something within the body, goes wrong.

use serde_json::Value;

use super::{Exchange, Sending, unix_time};
use crate::answer::{Answer, Finish};
use crate::dialect::{Target, Turn, no_such_path};
use crate::fault::Kind;
use crate::lane::{Prefill, Settings, Ticket};
use crate::route::Operation;
use crate::script::{Pace, Reply};
use crate::trouble::{Code, Trouble};
use crate::{credential, embed, mark};

/// What every lane lists; any other name is answered too.
const MODELS: [&str; 6] = ["echo", "count-20", "count-200", "bench-2048", "bench-paced", "bench-burst"];
/// Names that begin like this are unknown to every lane.
const UNKNOWN_MODEL: &str = "missing";

impl Exchange<'_> {
    /// The answer in full, with a fault that strikes within the body worked in.
    pub(super) fn produce(&self, fault: Option<&Kind>, ticket: &Ticket) -> Result<Sending, Trouble> {
        let settings = self.lane.settings();
        self.check_key(&settings)?;
        match self.operation {
            Operation::Models(_) | Operation::Unknown => {}
            _ if self.parts.method != http::Method::POST => return Err(no_such_path()),
            _ => {}
        }
        match self.operation {
            Operation::Chat(target) => self.chat(target, fault, ticket, &settings),
            Operation::CountTokens(target) => {
                let counted = self.wire.counted(target, &self.json()?)?;
                Ok(self.plain(&counted, fault, &settings))
            }
            Operation::Embed { target, batch } => {
                let ask = self.wire.embed_ask(target, batch, &self.json()?)?;
                check_model(&ask.model)?;
                let vectors = embed::vectors(&ask.texts, ask.dimensions)?;
                Ok(self.plain(&self.wire.embedded(&ask, vectors), fault, &settings))
            }
            Operation::Models(one) => {
                one.map_or(Ok(()), check_model)?;
                Ok(self.plain(&self.wire.models(one, &MODELS), None, &settings))
            }
            Operation::Unknown => Err(no_such_path()),
        }
    }

    fn chat(
        &self,
        target: Target<'_>,
        fault: Option<&Kind>,
        ticket: &Ticket,
        settings: &Settings,
    ) -> Result<Sending, Trouble> {
        let mut ask = self.wire.ask(target, &self.parts.headers, &self.json()?)?;
        check_model(&ask.model)?;
        // Only to take the marks out: what they choose was decided before.
        let _ = mark::in_text(&mut ask.user, self.lane.name());
        if ask.prefix.is_some() && settings.prefill == Prefill::Refuses {
            const WHY: &str = "This model does not support assistant message prefill. \
                               The conversation must end with a user message.";
            return Err(Trouble::bad(WHY, "messages"));
        }
        let answer = match fault {
            Some(Kind::EmptyAnswer {}) => Answer::empty(&ask, Finish::Stop),
            Some(Kind::Refusal {}) => Answer::empty(&ask, Finish::Filtered),
            _ => Answer::to(&ask, settings.prefill, ticket.salt()),
        };
        let turn = Turn { ask: &ask, answer: &answer, salt: ticket.salt(), created: unix_time().as_secs() };
        let Some(framing) = ask.stream else {
            return Ok(self.plain(&self.wire.whole(turn), fault, settings));
        };
        let reply = Reply { events: self.wire.events(turn), framing: Some(framing) };
        let pace = Pace {
            first_ms: settings.first_token_ms.max(answer.pace_ms),
            each_ms: settings.pace_ms.max(answer.pace_ms),
        };
        Ok(Sending::Script(reply.steps(fault, pace, self.wire).into()))
    }

    /// A plain answer: whole where nothing disturbs it, else played in parts.
    fn plain(&self, body: &Value, fault: Option<&Kind>, settings: &Settings) -> Sending {
        let bytes = body.to_string().into();
        let pace = Pace { first_ms: settings.first_token_ms, each_ms: 0 };
        if fault.is_none() && pace == Pace::default() {
            return Sending::Whole(bytes);
        }
        Sending::Script(Reply::plain(&bytes).steps(fault, pace, self.wire).into())
    }

    fn json(&self) -> Result<Value, Trouble> {
        let wrong = |_| Trouble::bad("We could not parse the JSON body of your request.", "body");
        let value: Value = serde_json::from_slice(&self.body).map_err(wrong)?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(Trouble::bad("The body must be a JSON object.", "body"))
        }
    }

    fn check_key(&self, settings: &Settings) -> Result<(), Trouble> {
        let Some(key) = &settings.key else { return Ok(()) };
        let given = credential::find(&self.parts.headers, self.parts.uri.query());
        if given.is_some_and(|(_, given)| given == key) { Ok(()) } else { Err(Trouble::of(Code::Auth)) }
    }
}

fn check_model(model: &str) -> Result<(), Trouble> {
    if model.starts_with(UNKNOWN_MODEL) { Err(Trouble::missing_model(model)) } else { Ok(()) }
}
