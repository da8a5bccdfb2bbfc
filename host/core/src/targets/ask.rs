//! What a caller says when it asks for a permit.

use std::time::Duration;

use crate::outlook::{CallKind, SizeFactor};
use crate::request::RequestId;

/// One call that wants to be made.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// For which request.
    pub request: RequestId,
    /// How long the call may take to its first content (or to its whole answer when plain), plus a second; a probe that
    /// is silent for longer counts as failed.
    pub lease: Duration,
    /// The request has no other candidate, so that neither the ramp after closing nor the learned pace refuses it.
    pub only_one_left: bool,
    /// Which history the call belongs to.
    pub kind: CallKind,
    /// How large the request is.
    pub size: SizeFactor,
}
