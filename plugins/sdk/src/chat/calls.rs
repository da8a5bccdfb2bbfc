//! Tool calls of a stream, told apart also where a server sends no index or the same one for all.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::adapter::ToolDelta;

/// Most tool calls followed in one stream; later ones are dropped, so that a hostile upstream cannot fill memory.
const MAX_CALLS: usize = 256;

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// By choice and the server's index.
    open: BTreeMap<(u32, u32), Call>,
    begun: usize,
}

/// The call that deltas of one index belong to.
#[derive(Debug)]
struct Call {
    /// The index given to the host.
    index: u32,
    id: Option<String>,
    named: bool,
}

impl Calls {
    /// One delta of a choice, as the host wants it; `None` when it says nothing new.
    pub(super) fn delta(&mut self, choice: u32, delta: &Value) -> Option<ToolDelta> {
        let text = |pointer: &str| delta.pointer(pointer).and_then(Value::as_str).filter(|s| !s.is_empty());
        let (id, name) = (text("/id").filter(|id| *id != "null"), text("/function/name"));
        let arguments = match delta.pointer("/function/arguments") {
            Some(Value::String(piece)) => piece.clone(),
            Some(Value::Null) | None => String::new(),
            Some(object) => object.to_string(),
        };
        let opaque = text("/extra_content/google/thought_signature").map(str::to_owned);
        let given = delta.get("index").and_then(Value::as_u64).and_then(|index| u32::try_from(index).ok());
        let call = self.find(choice, given, id, name.is_some())?;
        let first_id = id.filter(|_| call.id.is_none()).map(str::to_owned);
        let first_name = name.filter(|_| !call.named).map(str::to_owned);
        call.named |= first_name.is_some();
        if first_id.is_some() {
            call.id.clone_from(&first_id);
        }
        let delta = ToolDelta { index: call.index, id: first_id, name: first_name, arguments, opaque };
        let says = delta.id.is_some() || delta.name.is_some() || delta.opaque.is_some();
        (says || !delta.arguments.is_empty()).then_some(delta)
    }

    /// Finds or begins the call that a delta belongs to. Without an index a new id begins a call; under a known index
    /// a new id together with a name does.
    fn find(&mut self, choice: u32, given: Option<u32>, id: Option<&str>, named: bool) -> Option<&mut Call> {
        let of_choice = self.open.iter().filter(|((c, _), _)| *c == choice);
        let last = of_choice.clone().map(|((_, key), _)| *key).max();
        let key = given.unwrap_or_else(|| match id {
            Some(id) => {
                let mut same = of_choice.filter(|(_, call)| call.id.as_deref() == Some(id));
                same.next()
                    .map_or_else(|| last.map_or(0, |last| last.saturating_add(1)), |((_, key), _)| *key)
            }
            None => last.unwrap_or(0),
        });
        let known = self.open.get(&(choice, key));
        let other = |call: &Call| named && id.is_some() && call.id.is_some() && call.id.as_deref() != id;
        if known.is_none_or(other) {
            self.begin(choice, key)?;
        }
        self.open.get_mut(&(choice, key))
    }

    /// Begins a call under the server's index, which the host sees too unless another call of the choice has it.
    fn begin(&mut self, choice: u32, key: u32) -> Option<()> {
        if self.begun >= MAX_CALLS {
            return None;
        }
        self.begun += 1;
        let taken = |index: u32| self.open.iter().any(|((c, _), call)| *c == choice && call.index == index);
        let highest = self.open.iter().filter(|((c, _), _)| *c == choice).map(|(_, call)| call.index).max();
        let index = if taken(key) { highest.unwrap_or(0).saturating_add(1) } else { key };
        self.open.insert((choice, key), Call { index, id: None, named: false });
        Some(())
    }
}
