//! Seawall, an LLM gateway that keeps applications standing when providers fail: HTTP in and out, configuration,
//! telemetry and the command line around the decisions of `seawall_core`.

pub mod admin;
pub mod audit;
pub mod bundled;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod health;
pub mod ingress;
mod lanes;
pub mod reports;
pub mod server;
pub mod shutdown;
pub mod state;
pub mod tasks;
pub mod telemetry;
pub mod transport;
