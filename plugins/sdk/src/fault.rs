//! Fault injectors: misbehaviour of a provider, decided per attempt.
//!
//! Most injectors are a table of kinds and two functions: [`FaultTable`]. [`FaultInjector`] is the contract itself.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::bindings::fault::exports::seawall::plugin::fault::{Guest, GuestTransform};
use crate::config::{problem, summary};
use crate::kinds::Values;
use crate::random::{Draws, hash, mix};

pub use crate::bindings::adapter::seawall::plugin::types::{
    ConfigProblem, ErrorClass, FinishReason, Header, Manifest,
};
pub use crate::bindings::fault::exports::seawall::plugin::fault::{
    Action, Attempt, Catalogue, ClassFailure, FakeAnswer, FakeResponse, Frame, Kind, Step, Verdict,
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

/// A fault injector whose kinds are a table: what they take is read, checked and described by it.
pub trait FaultTable: 'static {
    /// The component's name.
    const NAME: &'static str;
    /// Its version.
    const VERSION: &'static str;
    /// What it is, in a line.
    const ABOUT: &'static str;
    /// What it offers.
    const KINDS: &'static [crate::kinds::Kind];

    /// What happens to one attempt, from the arguments alone.
    fn verdict(kind: &str, attempt: &Attempt, values: &Values) -> Verdict;

    /// Rewrites one reply after [`Action::Rewrite`]; by default nothing is changed.
    fn rewrite(kind: &str, attempt: &Attempt, values: &Values) -> Box<dyn Transform> {
        let _ = (kind, attempt, values);
        Box::new(Untouched)
    }
}

impl<F: FaultTable> FaultInjector for F {
    fn describe() -> Catalogue {
        let kinds = F::KINDS.iter().map(|kind| Kind {
            name: kind.name.to_owned(),
            layer: kind.layer.to_owned(),
            description: kind.about.to_owned(),
            config_schema: kind.schema(),
        });
        Catalogue {
            manifest: Manifest {
                name: F::NAME.to_owned(),
                version: F::VERSION.to_owned(),
                description: F::ABOUT.to_owned(),
                config_schema: None,
            },
            kinds: kinds.collect(),
        }
    }

    fn check(kind: &str, config: &str) -> Vec<ConfigProblem> {
        read::<F>(kind, config).err().unwrap_or_default()
    }

    fn decide(kind: &str, attempt: &Attempt, config: &str) -> Result<Verdict, String> {
        let values = read::<F>(kind, config).map_err(|problems| summary(&problems))?;
        Ok(F::verdict(kind, attempt, &values))
    }

    fn transform(kind: &str, attempt: &Attempt, config: &str) -> Box<dyn Transform> {
        match read::<F>(kind, config) {
            Ok(values) => F::rewrite(kind, attempt, &values),
            Err(_) => Box::new(Untouched),
        }
    }
}

fn read<F: FaultTable>(kind: &str, config: &str) -> Result<Values, Vec<ConfigProblem>> {
    match F::KINDS.iter().find(|known| known.name == kind) {
        Some(known) => known.read(config),
        None => Err(vec![problem("", format!("unknown kind `{kind}`"), None)]),
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
    /// An attempt as an injector's own tests need one.
    pub fn example(random: u64) -> Self {
        Self {
            request_id: "req_0000000000000001".to_owned(),
            provider: "provider".to_owned(),
            model: "model".to_owned(),
            alias: "chat".to_owned(),
            tenant: "default".to_owned(),
            streaming: true,
            attempt: 1,
            ordinal: random,
            input_tokens: 10,
            passed: 0,
            passed_tokens: 0,
            random,
            now_ms: 784_111_777_250,
            armed_for_ms: 0,
        }
    }

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

    /// A failure of this class in the provider's own shape.
    pub fn fail(class: ErrorClass) -> Self {
        Self::now(Action::Fail(ClassFailure { class, retry_after: None, status: None }))
    }

    /// An answer with this text in the provider's own shape.
    pub fn answer(text: impl Into<String>, finish: FinishReason) -> Self {
        Self::now(Action::Answer(FakeAnswer { text: text.into(), finish }))
    }

    /// The reply runs through the component's transform.
    pub fn rewrite() -> Self {
        Self::now(Action::Rewrite(Vec::new()))
    }
}

/// A frame as the bytes of a server-sent event, for [`Step::Raw`].
pub fn sse(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.data.len() + 32);
    if let Some(name) = &frame.event {
        out.extend_from_slice(format!("event: {name}\n").as_bytes());
    }
    for line in frame.data.split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
    out
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
