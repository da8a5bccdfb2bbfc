//! `seawall:plugin@0.1`: bindings and the way from their types to the core's and back.

pub(crate) mod answers;
pub(crate) mod questions;

pub(crate) use bindings::exports::seawall::plugin as exports;
pub(crate) use bindings::seawall::plugin as imports;

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated from the contract")]
mod bindings {
    // One world with everything a host can meet: each interface is then looked up by itself, so that `dialect` can be
    // absent and the types of all kinds of plugins are the same types.
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package seawall:every;
            world every {
                import seawall:plugin/host@0.1.0;
                export seawall:plugin/provider@0.1.0;
                export seawall:plugin/dialect@0.1.0;
                export seawall:plugin/policy@0.1.0;
                export seawall:plugin/fault@0.1.0;
            }
        ",
        world: "seawall:every/every",
        with: { "seawall:plugin/host.request-body": crate::guest::Body },
        imports: { default: trappable },
        // What is given to a guest is copied into its memory, and need not be copied before.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}
