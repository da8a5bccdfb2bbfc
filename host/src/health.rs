//! Live and ready. Live: the process answers. Ready: it makes sense to send requests here. Reasons name no provider,
//! since both are asked without a token.

use serde::Serialize;
use utoipa::ToSchema;

/// Why the gateway should get no requests now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotReady {
    /// A stop was asked for.
    ShuttingDown,
    /// None of the configured providers has a loaded adapter.
    NoAdapter,
    /// No provider is configured.
    NoProvider,
}

/// Answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether to send requests here.
    pub ready: bool,
    /// Why not; empty when ready.
    pub reasons: Vec<NotReady>,
}

impl Readiness {
    /// From what is in the way.
    pub fn new(reasons: Vec<NotReady>) -> Self {
        Self { ready: reasons.is_empty(), reasons }
    }

    /// 200 or 503.
    pub fn status(&self) -> u16 {
        if self.ready { 200 } else { 503 }
    }
}
