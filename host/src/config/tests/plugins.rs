use secrecy::ExposeSecret;

use super::good;
use crate::config::{Config, Environment, PluginFacts, PluginKind};

fn plugin(id: &str, kind: PluginKind, credential_env: Option<&str>) -> PluginFacts {
    PluginFacts { id: id.into(), kind, credential_env: credential_env.map(Into::into).into_iter().collect() }
}

fn loaded() -> Vec<PluginFacts> {
    vec![
        plugin("chatty", PluginKind::Adapter, Some("CHATTY_KEY")),
        plugin("wordy", PluginKind::Adapter, Some("WORDY_KEY")),
        plugin("plain", PluginKind::Adapter, None),
        plugin("weighted", PluginKind::Policy, None),
        plugin("outage", PluginKind::Fault, Some("NOT_A_PROVIDER")),
    ]
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let report = good(text).check_against_plugins(&loaded()).map_err(|errors| errors.to_string());
    let report = report.err().unwrap_or_default();
    assert_eq!(report.lines().count(), expected.len(), "{report}");
    for line in expected {
        assert!(report.contains(line), "missing: {line}\nreported:\n{report}");
    }
}

#[test]
fn plugins_that_are_not_loaded_are_named_with_their_place() {
    check("[providers.up]\nadapter = \"chatty\"\n", &[]);
    check(
        "[providers.up]\nadapter = \"chaty\"\n",
        &[
            "seawall.toml:2:11: no adapter `chaty` is loaded (did you mean \"chatty\"? loaded: chatty, wordy, plain)",
        ],
    );
    check(
        "[providers.up]\nadapter = \"unheard-of\"\n",
        &["(loaded: chatty, wordy, plain; others are dropped"],
    );
    check(
        "[providers.up]\nadapter = \"weighted\"\n",
        &["2:11: plugin `weighted` is loaded, but it is no adapter"],
    );
    check(
        "[providers.up]\nadapter = \"chatty\"\n[models.m]\ntargets = [\"up/x\"]\npolicy = { plugin = \"wieghted\" }\n",
        &["5:21: no policy `wieghted` is loaded (did you mean \"weighted\"?"],
    );
}

#[test]
fn a_plugins_own_complaint_points_into_its_settings() {
    let config =
        good("[providers.up]\nadapter = \"chatty\"\n[providers.up.config]\ndeployments = [\"a\", \"b\"]\n");
    let problem = config.settings_problem("up", "`/deployments/1`: not known", "see the docs");
    let errors = config.errors(vec![problem]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "seawall.toml:4:21: provider `up`: `/deployments/1`: not known (see the docs)"
    );
    for elsewhere in ["`/absent`: missing", "no word of where"] {
        let whole = config.settings_problem("up", elsewhere, "see the docs");
        assert!(config.errors(vec![whole]).unwrap_err().to_string().starts_with("seawall.toml:3:1: "));
    }
}

#[test]
fn keys_in_the_environment_are_enough() {
    let env = Environment::fixed([
        ("HOME", "/h"),
        ("WORDY_KEY", "sk-w\n"),
        ("NOT_A_PROVIDER", "x"),
        ("CHATTY_KEY", ""),
    ]);
    let config = Config::from_environment(&loaded(), &env).unwrap();
    assert_eq!(config.providers.keys().map(|name| &**name).collect::<Vec<_>>(), ["wordy"]);
    let wordy = &config.providers["wordy"];
    assert_eq!((&*wordy.adapter, wordy.credential.as_ref().unwrap().expose_secret()), ("wordy", "sk-w"));
    assert_eq!(config.resolve("any-model").unwrap().targets[0].id.to_string(), "wordy/any-model");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
}

#[test]
fn an_empty_environment_says_what_to_set() {
    let errors = Config::from_environment(&loaded(), &Environment::fixed([("HOME", "/h")])).unwrap_err();
    let report = errors.to_string();
    assert!(report.contains("set one of CHATTY_KEY, WORDY_KEY"), "{report}");
    assert!(report.contains("seawall demo"), "{report}");
}
