use std::fs;

use seawall_core::ports::PromptFacts;
use seawall_core::target::TargetId;

use super::{ONE_PROVIDER, good, parse};
use crate::config::{Config, Environment, Source, Templates};

fn words(config: &Templates, target: &str, degraded: bool, system: &str) -> Option<String> {
    let target = TargetId::parse(target).expect("a target");
    let template = config.of(&target)?;
    Some(template.render(&PromptFacts { target: &target, degraded, system }).expect("words"))
}

#[test]
fn the_first_pattern_that_names_the_target_gives_its_words() {
    let config = good(&format!(
        "{ONE_PROVIDER}\n[models.chat]\ntargets = [\"up/llama-8b\", \"up/big\"]\n\
         [templates.small]\nmatch = [\"up/llama-*\", \"*/tiny\"]\n\
         system = '''{{% if degraded %}}Sorry. {{% endif %}}{{{{ system }}}} You are {{{{ model }}}} of {{{{ provider }}}}.\n'''\n\
         [templates.rest]\nmatch = \"*/*-8b*\"\nsystem = \"short\"\n"
    ));
    let said = |target, degraded| words(&config.templates, target, degraded, "Be kind.");
    assert_eq!(said("up/llama-8b", false).as_deref(), Some("Be kind. You are llama-8b of up."));
    assert_eq!(said("up/llama-8b", true).as_deref(), Some("Sorry. Be kind. You are llama-8b of up."));
    assert_eq!(said("other/tiny", false).as_deref(), Some("Be kind. You are tiny of other."));
    assert_eq!(said("up/qwen-8b-it", false).as_deref(), Some("short"));
    assert_eq!(said("up/tiny-2", false), None);
    assert_eq!(said("up/big", false), None);
    let prompts = |alias: &seawall_core::settings::Alias| -> Vec<_> {
        alias.targets.iter().map(|t| t.prompt.as_ref().map(|p| p.template().name.to_string())).collect()
    };
    assert_eq!(prompts(&config.aliases["chat"]), [Some("small".to_owned()), None]);
    assert_eq!(prompts(&config.resolve("up/qwen-8b").expect("a target")), [Some("rest".to_owned())]);
}

#[test]
fn a_files_version_changes_with_its_text() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!(
        "{ONE_PROVIDER}\n[templates.small]\nmatch = \"up/*\"\nsystem = {{ file = \"small.jinja\" }}\n"
    );
    let version = |words: &str| {
        fs::write(dir.path().join("small.jinja"), words).expect("a file");
        let env = Environment::fixed([("UP_KEY", "k"), ("HOME", "/home/op")]);
        let config = Config::parse(Source::new("seawall.toml", &*text), dir.path(), &env).expect("good");
        config.templates.list().next().expect("a template").version.to_string()
    };
    let (one, two) = (version("{{ system }} one"), version("{{ system }} two"));
    assert_eq!(one.len(), 12);
    assert_ne!(one, two);
    assert_eq!(one, version("{{ system }} one"));
}

#[test]
fn problems_have_place_cause_and_fix() {
    for (lines, says) in [
        ("match = \"up/*\"", "`system` is missing in [templates.t]"),
        ("system = \"x\"", "`match` is missing in [templates.t]"),
        (
            "match = \"llama\"\nsystem = \"x\"",
            "4:9: `llama` names no target (write \"llama/*\", or \"*/llama\" for a model)",
        ),
        ("match = \"upp/*\"\nsystem = \"x\"", "provider `upp` is not configured (did you mean `up`?)"),
        (
            "match = \"up/*\"\nsystem = \"{{ sytem }}\"",
            "5:10: the template names `sytem`, which it is not given (did you mean `system`?)",
        ),
        ("match = \"up/*\"\nsystem = \"{% if %}\"", "the template cannot be read: syntax error in line 1"),
        ("match = \"up/*\"\nsystem = \"{{ system | nonsense }}\"", "unknown filter"),
        (
            "match = \"up/*\"\nsystem = \"{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}\"",
            "the template fails on a prompt",
        ),
        ("match = \"up/*\"\nsystem = { file = \"nowhere.jinja\" }", "cannot read /etc/seawall/nowhere.jinja"),
        ("match = \"up/*\"\nsystem = 3", "a text or { file = \"path\" }"),
    ] {
        let Err(errors) = parse(&format!("{ONE_PROVIDER}[templates.t]\n{lines}\n")) else {
            panic!("accepted: {lines}")
        };
        let report = errors.to_string();
        assert!(report.contains(says), "missing: {says}\nreported:\n{report}");
        assert!(errors.problems().iter().all(|problem| problem.fix.is_some()), "{report}");
    }
}
