//! Write a Seawall plugin in Rust.
//!
//! A plugin computes and the gateway acts: there is no clock, no randomness, no file, no socket and no secret in here.
//! Whatever a decision needs is an argument. Three kinds of plugin exist, each one trait and one macro:
//!
//! | kind | trait | macro |
//! |---|---|---|
//! | provider adapter | [`adapter::ProviderAdapter`] | [`export_adapter!`] |
//! | routing policy | [`policy::RoutingPolicy`] | [`export_policy!`] |
//! | fault injector | [`fault::FaultInjector`] | [`export_fault!`] |
//!
//! Every default of [`adapter::ProviderAdapter`] fits a server that speaks OpenAI's chat completions; an adapter for
//! such a server says only what it is and where. Everything here compiles natively too, so that `cargo test` runs a
//! plugin's logic without a gateway. Instances are reused and thrown away at will: a decision must not depend on
//! statics.

// The export macros and the generated bindings name this crate from outside.
extern crate self as seawall_plugin;

pub mod adapter;
pub mod bindings;
pub mod body;
pub mod chat;
pub mod config;
pub mod error;
pub mod fault;
pub mod headers;
mod log;
pub mod models;
pub mod policy;
pub mod retry;
pub mod text;

pub use log::{Level, log};
pub use seawall_params::{delay, kinds, random};
pub use serde_json;

#[doc(hidden)]
pub use wit_bindgen;

/// Instances run on one thread, one call at a time.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// What an adapter's source file usually imports.
pub mod prelude {
    pub use crate::adapter::{
        Answer, Auth, BodyPlan, Capabilities, Decoder, Event, Failure, Finish, FinishReason, Framing, Header,
        HttpRequest, Info, Manifest, ProviderAdapter, Reasoning, Reply, ReplyFormat, Settings, Shape, Start,
        StreamEvent, Target, ToolDelta, Usage, WireEvent,
    };
    pub use crate::body::Body;
    pub use crate::config::{ConfigProblem, Options};
    pub use crate::error::{ErrorClass, ProviderError, Scope};
    pub use crate::{chat, headers, retry, text};
    pub use serde_json::{Map, Value, json};
}

/// Exports a type that implements [`adapter::ProviderAdapter`] as a component of the world
/// `provider-adapter-with-dialect`. Does nothing on native targets.
#[macro_export]
macro_rules! export_adapter {
    ($adapter:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::adapter::Exported<$adapter>;
            $crate::bindings::adapter::export_adapter_world!(Exported);
        };
    };
}

/// Exports a type that implements [`policy::RoutingPolicy`] as a component of the world `routing-policy`. Does nothing
/// on native targets.
#[macro_export]
macro_rules! export_policy {
    ($policy:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::policy::Exported<$policy>;
            $crate::bindings::policy::export_policy_world!(Exported);
        };
    };
}

/// Exports a type that implements [`fault::FaultInjector`] as a component of the world `fault-injector`. Does nothing
/// on native targets.
#[macro_export]
macro_rules! export_fault {
    ($fault:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::fault::Exported<$fault>;
            $crate::bindings::fault::export_fault_world!(Exported);
        };
    };
}
