//! The examples that the repository shows have to work as they are.

use std::path::Path;

use super::{Config, Environment};

#[track_caller]
fn check(name: &str, variables: &[(&str, &str)], aliases: &[&str], providers: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    let home = [("HOME", "/home/op")];
    let env = Environment::fixed(variables.iter().copied().chain(home));
    let config = Config::load(&path, &env).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.aliases.keys().map(|name| &**name).collect::<Vec<_>>(), aliases);
    assert_eq!(config.providers.keys().map(|name| &**name).collect::<Vec<_>>(), providers);
}

#[test]
fn the_complete_example() {
    let keys = [("OPENAI_API_KEY", "sk-a"), ("ANTHROPIC_API_KEY", "sk-b"), ("GROQ_API_KEY", "sk-c")];
    check("seawall.toml", &keys, &["careful", "chat", "fast"], &["anthropic", "groq", "openai"]);
}

#[test]
fn the_local_example_needs_no_key() {
    check("local.toml", &[], &["local"], &["desk", "rack"]);
}

#[test]
fn the_demo_is_an_example_too() {
    check("demo.toml", &[], &["chat"], &["anthropic", "gemini", "groq", "openai"]);
}
