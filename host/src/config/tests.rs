//! Files in, problems or values out.

mod access;
mod bad;
mod examples;
mod good;
mod plugins;
mod templates;

use std::path::Path;

use super::{Config, ConfigErrors, Environment, Source};

/// A minimal good file, to which cases add lines.
const ONE_PROVIDER: &str = "[providers.up]\nadapter = \"chatty\"\n";

fn environment() -> Environment {
    Environment::fixed([("HOME", "/home/op"), ("UP_KEY", "sk-one"), ("OTHER_KEY", "sk-two"), ("EMPTY", "")])
}

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(Source::new("seawall.toml", text), Path::new("/etc/seawall"), &environment())
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}
