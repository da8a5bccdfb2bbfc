//! Fault injectors: misbehaviour of a provider, decided per attempt.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use http::HeaderMap;

use super::{Call, ConfigProblem, PlainReply, PluginFault, PluginRef, TransportFailure};
use crate::class::Class;
use crate::event::{FinishReason, WireEvent};
use crate::request::RequestId;
use crate::target::TargetId;

/// An attempt as a fault injector sees it.
#[derive(Clone, Debug)]
pub struct FaultAttempt {
    /// Which request.
    pub request: RequestId,
    /// Where it goes.
    pub target: TargetId,
    /// The alias asked for.
    pub alias: Arc<str>,
    /// The client's partition.
    pub tenant: Arc<str>,
    /// Streamed.
    pub streaming: bool,
    /// 1 for the request's first upstream call.
    pub number: u32,
    /// The request's number since the fault was armed.
    pub ordinal: u64,
    /// A rough size of the prompt in tokens.
    pub input_tokens: u32,
    /// Attempts that the fault has let through since it was armed.
    pub passed: u64,
    /// The sum of their `input_tokens`.
    pub passed_tokens: u64,
    /// hash(seed, experiment, ordinal).
    pub random: u64,
    /// Wall clock in ms.
    pub now_ms: u64,
    /// Time since arming in ms.
    pub armed_for_ms: u64,
}

/// What a fault does to an attempt.
#[derive(Clone, Debug)]
pub enum FaultAction {
    /// Nothing.
    Pass,
    /// This answer instead.
    Respond(PlainReply),
    /// A failure in the provider's own shape.
    Fail {
        /// Of this class.
        class: Class,
        /// The provider's hint.
        retry_after: Option<String>,
        /// Instead of the status that the provider would use.
        status: Option<u16>,
    },
    /// An answer in the provider's own shape.
    Answer {
        /// Its text.
        text: String,
        /// Its end.
        finish: FinishReason,
    },
    /// No bytes come, as the transport would say it.
    Break(TransportFailure),
    /// Nothing ever comes.
    Hang,
    /// The reply runs through a transform; these headers replace the provider's.
    Rewrite(HeaderMap),
}

/// First the delay, then the action.
#[derive(Clone, Debug)]
pub struct FaultVerdict {
    /// Wait.
    pub delay: Duration,
    /// Act.
    pub action: FaultAction,
}

/// One step of a rewritten reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultStep {
    /// Wait.
    Wait(Duration),
    /// These bytes as they are.
    Raw(Bytes),
    /// So many bytes of filler.
    Fill(u64),
    /// This frame.
    Send(WireEvent),
    /// A failure event in the provider's dialect, then the end.
    Fail(Class),
    /// Nothing more ever comes.
    Stall,
    /// The connection breaks.
    Cut,
    /// A clean end.
    End,
}

/// Rewrites one reply.
pub trait Transform: Send {
    /// What one read brought.
    fn piece(&mut self, frames: Vec<WireEvent>) -> Call<'_, Result<Vec<FaultStep>, PluginFault>>;
    /// The upstream closed.
    fn finish(&mut self) -> Call<'_, Result<Vec<FaultStep>, PluginFault>>;
}

/// One kind of fault in a component's catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultKind {
    /// As operators arm it.
    pub name: String,
    /// Where it strikes: `connect`, `headers`, `limits`, `stream`, `body`, `semantics`, `pool`.
    pub layer: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its parameters.
    pub config_schema: String,
}

/// A fault injector component.
pub trait FaultInjector: Send + Sync + Debug {
    /// Which plugin this is.
    fn plugin(&self) -> &PluginRef;
    /// What it offers.
    fn kinds(&self) -> &[FaultKind];
    /// Problems of parameters.
    fn check<'a>(
        &'a self,
        kind: &'a str,
        config: &'a str,
    ) -> Call<'a, Result<Vec<ConfigProblem>, PluginFault>>;
    /// Decides one attempt.
    fn decide<'a>(
        &'a self,
        kind: &'a str,
        attempt: &'a FaultAttempt,
        config: &'a str,
    ) -> Call<'a, Result<FaultVerdict, PluginFault>>;
    /// Starts rewriting one reply.
    fn transform<'a>(
        &'a self,
        kind: &'a str,
        attempt: &'a FaultAttempt,
        config: &'a str,
    ) -> Call<'a, Result<Box<dyn Transform>, PluginFault>>;
}
