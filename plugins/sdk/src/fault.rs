//! Fault injectors: misbehaviour of a provider, decided per attempt.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::bindings::fault::exports::seawall::plugin::fault::{Guest, GuestTransform};
use crate::random::{Draws, hash, mix};

pub use crate::bindings::adapter::seawall::plugin::types::{ConfigProblem, ErrorClass, Header, Manifest};
pub use crate::bindings::fault::exports::seawall::plugin::fault::{
    Action, Attempt, Catalogue, ClassFailure, FakeResponse, Frame, Kind, Step, Verdict,
};

/// A fault injector.
pub trait FaultInjector: 'static {
    /// What it is and which kinds it offers.
    fn describe() -> Catalogue;

    /// Problems of one kind's settings.
    fn check(kind: &str, config: &str) -> Vec<ConfigProblem>;

    /// What happens to one attempt, from the arguments alone.
    ///
    /// # Errors
    /// Text for the operator; the attempt then goes to the provider untouched.
    fn decide(kind: &str, attempt: &Attempt, config: &str) -> Result<Verdict, String>;

    /// Rewrites one reply after [`Action::Rewrite`]; by default nothing is changed.
    fn transform(kind: &str, attempt: &Attempt, config: &str) -> Box<dyn Transform> {
        let _ = (kind, attempt, config);
        Box::new(Untouched)
    }
}

/// Rewrites one reply, frame by frame.
pub trait Transform {
    /// What one read brought.
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step>;

    /// The upstream closed.
    fn finish(&mut self) -> Vec<Step> {
        vec![Step::End]
    }
}

/// Sends everything on as it came.
#[derive(Clone, Copy, Debug)]
pub struct Untouched;

impl Transform for Untouched {
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step> {
        frames.into_iter().map(Step::Send).collect()
    }
}

impl Attempt {
    /// Random draws for this attempt: equal for equal arguments, unrelated between attempts, also between the attempts
    /// of one request.
    pub fn draws(&self) -> Draws {
        let place = hash(&self.provider) ^ hash(&self.model).rotate_left(1) ^ u64::from(self.attempt);
        Draws::new(mix(self.random ^ mix(self.ordinal ^ mix(place))))
    }
}

impl Verdict {
    /// The call goes to the provider at once.
    pub fn pass() -> Self {
        Self::now(Action::Pass)
    }

    /// That action, without delay.
    pub fn now(action: Action) -> Self {
        Self { delay_ms: 0, action }
    }
}

/// What [`crate::export_fault!`] exports.
#[derive(Debug)]
pub struct Exported<F>(PhantomData<F>);

impl<F: FaultInjector> Guest for Exported<F> {
    type Transform = ExportedTransform<F>;

    fn describe() -> Catalogue {
        F::describe()
    }

    fn check(kind: String, config: String) -> Vec<ConfigProblem> {
        F::check(&kind, &config)
    }

    fn decide(kind: String, a: Attempt, config: String) -> Result<Verdict, String> {
        F::decide(&kind, &a, &config)
    }
}

/// One running rewrite.
pub struct ExportedTransform<F> {
    inner: RefCell<Box<dyn Transform>>,
    fault: PhantomData<F>,
}

impl<F> std::fmt::Debug for ExportedTransform<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExportedTransform").finish_non_exhaustive()
    }
}

impl<F: FaultInjector> GuestTransform for ExportedTransform<F> {
    fn new(kind: String, a: Attempt, config: String) -> Self {
        Self { inner: RefCell::new(F::transform(&kind, &a, &config)), fault: PhantomData }
    }

    fn piece(&self, frames: Vec<Frame>) -> Vec<Step> {
        self.inner.borrow_mut().piece(frames)
    }

    fn finish(&self) -> Vec<Step> {
        self.inner.borrow_mut().finish()
    }
}
