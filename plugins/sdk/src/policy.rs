//! Routing policies: reorder or exclude the candidates of one request.

use std::marker::PhantomData;

use crate::bindings::policy::exports::seawall::plugin::policy::Guest;

pub use crate::bindings::adapter::seawall::plugin::types::{ConfigProblem, Manifest};
pub use crate::bindings::policy::exports::seawall::plugin::policy::{Candidate, Circuit, Plan, RequestInfo};

/// A routing policy. On any fault the gateway uses the configured order.
pub trait RoutingPolicy: 'static {
    /// What it is.
    fn describe() -> Manifest;

    /// Problems of the operator's settings.
    fn check(config: &str) -> Vec<ConfigProblem> {
        let _ = config;
        Vec::new()
    }

    /// Orders the candidates, from the arguments alone.
    ///
    /// # Errors
    /// Text for the operator; the configured order is used then.
    fn route(request: &RequestInfo, candidates: &[Candidate], config: &str) -> Result<Plan, String>;
}

/// What [`crate::export_policy!`] exports.
#[derive(Debug)]
pub struct Exported<P>(PhantomData<P>);

impl<P: RoutingPolicy> Guest for Exported<P> {
    fn describe() -> Manifest {
        P::describe()
    }

    fn check(config: String) -> Vec<ConfigProblem> {
        P::check(&config)
    }

    fn route(req: RequestInfo, candidates: Vec<Candidate>, config: String) -> Result<Plan, String> {
        P::route(&req, &candidates, &config)
    }
}
