//! The contract (`wit/plugin.wit`) as Rust types, generated. Authors reach the types through the modules beside this
//! one; the paths in here follow the generator.
//!
//! Each world's full description goes into a component through its export macro only, so a plugin carries exactly the
//! world that it exports although all three are generated here.
#![expect(missing_docs, reason = "generated from the contract, documented there")]
#![allow(
    missing_debug_implementations,
    unreachable_pub,
    clippy::indexing_slicing,
    clippy::allow_attributes_without_reason,
    elided_lifetimes_in_paths,
    reason = "generated from the contract; which of these occur depends on the generator's version"
)]

/// World `provider-adapter-with-dialect`; also the home of the shared `types` and `host`.
pub mod adapter {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "provider-adapter-with-dialect",
        runtime_path: "::seawall_plugin::wit_bindgen::rt",
        default_bindings_module: "::seawall_plugin::bindings::adapter",
        pub_export_macro: true,
        export_macro_name: "export_adapter_world",
        additional_derives: [PartialEq],
    });
}

/// World `routing-policy`.
pub mod policy {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "routing-policy",
        runtime_path: "::seawall_plugin::wit_bindgen::rt",
        default_bindings_module: "::seawall_plugin::bindings::policy",
        pub_export_macro: true,
        export_macro_name: "export_policy_world",
        additional_derives: [PartialEq],
        with: {
            "seawall:plugin/types@0.1.0": super::adapter::seawall::plugin::types,
            "seawall:plugin/host@0.1.0": super::adapter::seawall::plugin::host,
        },
    });
}

/// World `fault-injector`.
pub mod fault {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "fault-injector",
        runtime_path: "::seawall_plugin::wit_bindgen::rt",
        default_bindings_module: "::seawall_plugin::bindings::fault",
        pub_export_macro: true,
        export_macro_name: "export_fault_world",
        additional_derives: [PartialEq],
        with: {
            "seawall:plugin/types@0.1.0": super::adapter::seawall::plugin::types,
            "seawall:plugin/host@0.1.0": super::adapter::seawall::plugin::host,
        },
    });
}
