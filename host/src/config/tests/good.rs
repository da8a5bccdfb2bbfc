use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::breaker::BreakerSettings;
use seawall_core::settings::{Alias, Atomic, Probe, Slo, StreamSettings};
use secrecy::ExposeSecret;

use super::{ONE_PROVIDER, good};
use crate::audit::{ContentRules, Patterns, Settings};
use crate::config::{Access, Config, LogFormat};

#[test]
fn everything_but_a_provider_can_be_left_out() {
    let config = good(ONE_PROVIDER);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.server.max_body_bytes, 32 << 20);
    assert_eq!(config.server.log_format, LogFormat::Auto);
    assert_eq!((config.server.admission.max_requests, config.server.admission.max_queued), (4096, 512));
    assert_eq!(config.breaker, BreakerSettings::default());
    assert_eq!(config.plugins.dir, Path::new("/etc/seawall/plugins.d"));
    assert_eq!(config.state_dir, Path::new("/home/op/.local/state/seawall"));
    assert_eq!(config.audit, Settings::usual("/home/op/.local/state/seawall/audit".into()));
    assert!(config.admin.token.is_none() && config.aliases.is_empty());
    assert!(matches!(config.access, Access::Open));
    let up = &config.providers["up"];
    assert!(up.credential.is_none() && up.base_url.is_none() && up.models.is_empty());
    assert_eq!(&*up.config, "{}");
}

#[test]
fn everything_can_be_said() {
    let config = good(
        r#"
        [server]
        listen = "0.0.0.0:9000"
        open = true
        max_body_bytes = "1MiB"
        max_answer_bytes = 0x10_0000
        max_event_bytes = 65_536
        log_format = "json"
        shutdown_timeout = "10s"
        max_requests = 100
        queue_timeout = "50ms"
        send_timeout = "1m"
        [breaker]
        consecutive = 5
        failure_rate = 1
        rate_minimum = 50
        window = "1m"
        open_base = "1s"
        open_cap = "2s"
        hint_cap = "1m"
        probes = 1
        ramp = "5s"
        forgive = "2m"
        [audit]
        enabled = false
        dir = "trail"
        queue = 100
        max_age = "12h"
        max_size = "10GiB"
        max_spill = 0
        [audit.content]
        models = ["chat"]
        max_bytes = "1KiB"
        redact = ["keys", "cards"]
        [admin]
        listen = "[::1]:9001"
        token = { env = "OTHER_KEY" }
        [plugins]
        dir = "../plugins"
        [state]
        dir = "/var/lib/seawall"
        [defaults.timeouts]
        total = "1m"
        stall = "2.5s"
        [providers.up]
        adapter = "chatty"
        base_url = "https://host.example/v1/"
        credential = { env = "UP_KEY" }
        config = { region = "${REGION:-eu}", retries = 3, flags = [true, 0.5], deep = { a = "$${x}" } }
        [providers.up.models."org/big"]
        vision = false
        context_window = 128_000
        input_price_per_1m = 0
        output_price_per_1m = 1.25
        [models.chat]
        targets = ["up/org/big", { target = "up/small", weight = 2 }]
        policy = { plugin = "weighted", config = { sticky = true } }
        reroute_content_filter = true
        report_model = "alias"
        [models.chat.timeouts]
        total = "250ms"
        "#,
    );
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:9000");
    assert_eq!(config.server.max_body_bytes, 1 << 20);
    assert_eq!(config.server.max_answer_bytes, 0x10_0000);
    assert_eq!(config.server.max_event_bytes, 65_536);
    assert_eq!(config.server.log_format, LogFormat::Json);
    assert_eq!(config.server.shutdown_timeout, Duration::from_secs(10));
    let admission = config.server.admission;
    assert_eq!((admission.max_requests, admission.max_queued), (100, 13), "an eighth unless said");
    assert_eq!(admission.queue_timeout, Duration::from_millis(50));
    assert_eq!(config.server.send_timeout, Duration::from_secs(60));
    let breaker = BreakerSettings {
        consecutive: 5,
        failure_rate: 1.0,
        rate_minimum: 50,
        window: Duration::from_secs(60),
        open_base: Duration::from_secs(1),
        open_cap: Duration::from_secs(2),
        hint_cap: Duration::from_secs(60),
        probes: 1,
        ramp: Duration::from_secs(5),
        forgive: Duration::from_secs(120),
    };
    assert_eq!(config.breaker, breaker);
    let audit = Settings {
        enabled: false,
        queue: 100,
        max_age: Duration::from_hours(12),
        max_bytes: 10 << 30,
        max_spill_bytes: 0,
        content: ContentRules {
            aliases: vec!["chat".into()],
            max_bytes: 1_024,
            redact: Patterns { keys: true, emails: false, cards: true },
        },
        ..Settings::usual("/etc/seawall/trail".into())
    };
    assert_eq!(config.audit, audit);
    assert_eq!(config.admin.listen.to_string(), "[::1]:9001");
    assert_eq!(config.admin.token.as_ref().unwrap().expose_secret(), "sk-two");
    assert_eq!(config.plugins.dir, Path::new("/etc/seawall/../plugins"));
    assert_eq!(config.state_dir, Path::new("/var/lib/seawall"));
    assert_eq!(config.default_timeouts.stall, Duration::from_millis(2500));
    assert_eq!(config.default_timeouts.connect, Duration::from_secs(2));

    let up = &config.providers["up"];
    assert_eq!(up.base_url.as_deref(), Some("https://host.example/v1"));
    assert_eq!(up.credential.as_ref().unwrap().expose_secret(), "sk-one");
    let settings: serde_json::Value = serde_json::from_str(&up.config).unwrap();
    let wanted =
        serde_json::json!({"region": "eu", "retries": 3, "flags": [true, 0.5], "deep": {"a": "${x}"}});
    assert_eq!(settings, wanted);
    let big = &up.models["org/big"];
    assert_eq!((big.vision, big.tools, big.context_window), (Some(false), None, Some(128_000)));
    assert_eq!((big.input_price_per_1m, big.output_price_per_1m), (Some(0.0), Some(1.25)));

    let chat = &config.aliases["chat"];
    let targets: Vec<_> = chat.targets.iter().map(|t| (t.id.to_string(), t.weight)).collect();
    assert_eq!(targets, [("up/org/big".to_owned(), 1.0), ("up/small".to_owned(), 2.0)]);
    assert_eq!(&*chat.policy.as_ref().unwrap().plugin, "weighted");
    assert_eq!(&*chat.policy.as_ref().unwrap().config, r#"{"sticky":true}"#);
    assert!(chat.reroute_content_filter && chat.report_alias);
    assert_eq!(chat.timeouts.total, Duration::from_millis(250));
    assert_eq!(chat.timeouts.stall, Duration::from_millis(2500), "inherited from [defaults.timeouts]");
}

#[test]
fn an_alias_says_what_is_done_about_failures() {
    let config = good(
        r#"
        [providers.up]
        adapter = "chatty"
        domains = ["vendor", "eu-west-1"]
        [providers.down]
        adapter = "chatty"
        [models.plain]
        targets = ["up/a", "down/b"]
        [models.chat]
        targets = ["up/a", { target = "up/b", timeouts = { first_token = "90s" } }, "down/c", "down/d"]
        probe = "request"
        hedge = false
        continue = ["restart", "instruct"]
        atomic = "tools+json"
        slo = { first_token = "1s" }
        first_token_budget = "40s"
        pools = [["down/c", "down/d"], ["up/a", "up/b"]]
        [models.bare]
        targets = ["up/a"]
        continue = []
        atomic = "off"
        "#,
    );
    let plain = &config.aliases["plain"];
    let usual = Alias::new("plain", plain.targets.clone());
    assert_eq!((plain.probe, plain.hedge, plain.streams), (usual.probe, true, usual.streams));
    assert_eq!((plain.slo, plain.first_token_budget), (usual.slo, usual.first_token_budget));
    assert!(plain.targets.iter().all(|target| target.pool.is_none() && target.first_token.is_none()));

    let chat = &config.aliases["chat"];
    assert_eq!((chat.probe, chat.hedge), (Probe::Request, false));
    let streams =
        StreamSettings { atomic: Atomic::ToolsAndJson, prefill: false, restart: true, instruct: true };
    assert_eq!(chat.streams, streams);
    assert_eq!(chat.slo, Slo { first_token: Duration::from_secs(1), ..Slo::default() });
    assert_eq!(chat.first_token_budget, Duration::from_secs(40));
    let pools: Vec<_> = chat.targets.iter().map(|target| target.pool).collect();
    assert_eq!(pools, [Some(1), Some(1), Some(0), Some(0)]);
    let own: Vec<_> = chat.targets.iter().map(|target| (target.first_token, target.answer)).collect();
    assert_eq!(own[1], (Some(Duration::from_secs(90)), None));
    assert_eq!(own[0], (None, None));
    assert_eq!(*chat.targets[0].domains, ["vendor".into(), "eu-west-1".into()]);
    assert!(chat.targets[2].domains.is_empty());

    let bare = config.aliases["bare"].streams;
    assert_eq!((bare.prefill, bare.restart, bare.instruct, bare.atomic), (false, false, false, Atomic::Off));
    let direct = config.resolve("up/any").unwrap();
    assert_eq!(
        direct.targets[0].domains.len(),
        2,
        "a target that is named directly has its provider's fate, too"
    );
}

#[test]
fn a_target_that_is_named_directly_is_resolved_once_and_strangers_take_no_room() {
    let config = good(ONE_PROVIDER);
    let once = config.resolve("up/any").unwrap();
    for made_up in 0..2_000 {
        let name = format!("up/made-up-{made_up}");
        assert_eq!(*config.resolve(&name).unwrap().name, *name);
    }
    assert!(Arc::ptr_eq(&once, &config.resolve("up/any").unwrap()));
    let strangers = |name| Arc::ptr_eq(&config.resolve(name).unwrap(), &config.resolve(name).unwrap());
    assert!(strangers("up/made-up-0") && !strangers("up/made-up-1999"));
}

#[test]
fn overrides_change_only_what_they_name() {
    let config = good(&format!("{ONE_PROVIDER}[providers.up.models.m]\ntools = false\n"));
    let base = seawall_core::target::Capabilities::default();
    let applied = config.providers["up"].models["m"].apply(&base);
    assert_eq!(applied, seawall_core::target::Capabilities { tools: false, ..base });
}

#[test]
fn variables_are_filled_in_after_parsing() {
    let dir = |value: &str| good(&format!("{ONE_PROVIDER}[plugins]\ndir = '{value}'\n")).plugins.dir;
    assert_eq!(dir("/a/${UP_KEY}/b"), Path::new("/a/sk-one/b"));
    assert_eq!(dir("/${NOT_SET:-x}${NOT_SET:-}"), Path::new("/x"));
    assert_eq!(dir("/${EMPTY:-fallback}"), Path::new("/fallback"));
    assert_eq!(dir("/$UP_KEY $${UP_KEY}"), Path::new("/$UP_KEY ${UP_KEY}"));
    assert_eq!(dir("/${NOT_SET:-\"]}"), Path::new("/\"]"), "a value brings no structure");
}

#[test]
fn an_admin_token_whose_variable_is_not_set_is_made_instead_on_loopback() {
    let config = good(&format!("{ONE_PROVIDER}[admin]\ntoken = {{ env = \"NOT_SET\" }}\n"));
    assert!(config.admin.token.is_none());
}

#[test]
fn secret_files_count_from_the_configuration_and_lose_their_line_end() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "sk-file\n").unwrap();
    let file = dir.path().join("seawall.toml");
    std::fs::write(&file, format!("{ONE_PROVIDER}credential = {{ file = \"key\" }}\n")).unwrap();
    let config = Config::load(&file, &super::environment()).unwrap();
    assert_eq!(config.providers["up"].credential.as_ref().unwrap().expose_secret(), "sk-file");
    assert_eq!(config.plugins.dir, dir.path().join("plugins.d"));
    assert!(!format!("{config:?}").contains("sk-file"));
}

const TWO_PROVIDERS: &str = "[providers.up]\nadapter = \"chatty\"\n[providers.down]\nadapter = \"chatty\"\n\
                             [models.chat]\ntargets = [\"up/m\", \"down/org/n\"]\n";

#[track_caller]
fn resolves(config: &Config, name: &str, targets: &[&str]) {
    let alias = config.resolve(name).unwrap_or_else(|error| panic!("{name}: {}", error.message));
    assert_eq!(*alias.name, *name);
    assert_eq!(alias.targets.iter().map(|t| t.id.to_string()).collect::<Vec<_>>(), targets);
}

#[track_caller]
fn unknown(config: &Config, name: &str, hint: &str) {
    let error = config.resolve(name).expect_err(name);
    assert_eq!(
        (error.status, error.code.as_str(), error.param.as_deref()),
        (404, "model_not_found", Some("model"))
    );
    assert!(error.message.contains(hint), "{}", error.message);
}

#[test]
fn names_with_two_providers() {
    let config = good(TWO_PROVIDERS);
    resolves(&config, "chat", &["up/m", "down/org/n"]);
    resolves(&config, "up/m", &["up/m"]);
    resolves(&config, "down/any/thing", &["down/any/thing"]);
    unknown(&config, "chta", "did you mean `chat`?");
    unknown(&config, "dwon/x", "did you mean `down/x`?");
    unknown(&config, "gpt-something", "known: chat");
    unknown(&config, "up/", "did you mean `up/m`?");
    unknown(&config, "/m", "known: chat");
    unknown(&config, "", "known: chat");
    let long = "x".repeat(100_000);
    let error = config.resolve(&long).unwrap_err();
    assert!(error.message.len() < 300, "{}", error.message.len());
    for bad in ["up/m\nforged line", "up/\u{1b}[31mred", &format!("up/{}", "m".repeat(1000))] {
        unknown(&config, bad, "at most 256 bytes and no control characters");
        let message = config.resolve(bad).unwrap_err().message;
        assert!(message.len() < 300 && !message.contains(['\n', '\u{1b}']), "{message:?}");
    }
    resolves(&config, &format!("up/{}", "m".repeat(253)), &[&format!("up/{}", "m".repeat(253))]);
    assert_eq!(config.model_names(), ["chat", "down/org/n", "up/m"]);
}

#[test]
fn a_bare_name_goes_to_the_sole_provider() {
    let config = good(ONE_PROVIDER);
    resolves(&config, "some-model", &["up/some-model"]);
    unknown(&config, "org/some-model", "name a target as `provider/model`; providers: up");
}

#[test]
fn aliases_are_handed_out_without_copying() {
    let config = good(TWO_PROVIDERS);
    assert!(Arc::ptr_eq(&config.resolve("chat").unwrap(), &config.aliases["chat"]));
}
