//! Which upstream call is what: providers see calls, the core speaks of attempts and twins, and both meet here.

use std::collections::BTreeMap;

use seawall_core::note::Note;
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;

use crate::log::Event;

/// A call that the core admitted.
#[derive(Clone, Debug)]
pub(super) struct Admitted {
    pub(super) id: RequestId,
    pub(super) target: TargetId,
    /// It decides about a half-open breaker.
    pub(super) probe: bool,
    /// A twin: no client waits for it.
    pub(super) hidden: bool,
}

/// Reason of twins that are probes.
const PROBE: &str = "probe";

/// The admission that this event tells of, if it does.
pub(super) fn admitted(event: &Event) -> Option<Admitted> {
    match event {
        Event::Core(Note::AttemptStarted { id, target, probe, .. }) => {
            Some(Admitted { id: *id, target: target.clone(), probe: *probe, hidden: false })
        }
        Event::Core(Note::TwinStarted { id, target, reason }) => {
            Some(Admitted { id: *id, target: target.clone(), probe: *reason == PROBE, hidden: true })
        }
        _ => None,
    }
}

/// Calls under way, each with its admission.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Admitted, and not yet seen by a provider.
    announced: BTreeMap<(RequestId, TargetId), Admitted>,
    open: BTreeMap<u64, Admitted>,
}

impl Calls {
    /// Learns from an event; a call that began with it, if one did.
    pub(super) fn learn(&mut self, event: &Event) -> Option<&Admitted> {
        if let Some(admitted) = admitted(event) {
            self.announced.insert((admitted.id, admitted.target.clone()), admitted);
            return None;
        }
        let Event::CallBegan { call, request, target } = event else { return None };
        let admitted = self.announced.remove(&(*request, target.clone()))?;
        self.open.insert(*call, admitted);
        self.open.get(call)
    }

    /// What a call under way is.
    pub(super) fn get(&self, call: u64) -> Option<&Admitted> {
        self.open.get(&call)
    }

    /// The call is over.
    pub(super) fn end(&mut self, call: u64) -> Option<Admitted> {
        self.open.remove(&call)
    }
}
