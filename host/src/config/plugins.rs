//! What a configuration needs of plugins, and a configuration made from nothing but plugins and the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use seawall_core::breaker::BreakerSettings;
use seawall_core::settings::Timeouts;
use secrecy::SecretString;

use super::names::nearest;
use super::resolve::{default_admin_listen, default_plugins, default_server};
use super::{
    Access, Admin, ChaosRules, Config, ConfigErrors, DEFAULT_PLUGINS_DIR, Directs, Environment, Metrics,
    Problem, Provider, Source, Templates, audit, default_state_dir,
};

/// What a plugin extends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PluginKind {
    /// Provider adapter.
    Adapter,
    /// Routing policy.
    Policy,
    /// Fault injector.
    Fault,
}

/// What a configuration has to know of a loaded plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFacts {
    /// The file's stem.
    pub id: Arc<str>,
    /// What it extends.
    pub kind: PluginKind,
    /// The variables in which its provider's key usually stands, the usual one first.
    pub credential_env: Vec<String>,
}

impl Config {
    /// Whether every plugin that is named is loaded.
    pub fn check_against_plugins(&self, loaded: &[PluginFacts]) -> Result<(), ConfigErrors> {
        let adapters = self.providers.values().filter_map(|provider| {
            let problem = missing_plugin(&provider.adapter, PluginKind::Adapter, loaded)?;
            Some(self.place(problem, &["providers", &provider.name, "adapter"]))
        });
        let policies = self.aliases.values().filter_map(|alias| {
            let plugin = &alias.policy.as_ref()?.plugin;
            let problem = missing_plugin(plugin, PluginKind::Policy, loaded)?;
            Some(self.place(problem, &["models", &alias.name, "policy", "plugin"]))
        });
        self.errors(adapters.chain(policies).collect())
    }

    /// Whether a provider or an alias names this plugin.
    pub fn uses_plugin(&self, id: &str) -> bool {
        let policies = self.aliases.values().filter_map(|alias| alias.policy.as_ref());
        self.providers.values().any(|provider| *provider.adapter == *id)
            || policies.into_iter().any(|policy| *policy.plugin == *id)
    }

    /// `Err` when there are any; they are quoted from this configuration's source.
    pub fn errors(&self, problems: Vec<Problem>) -> Result<(), ConfigErrors> {
        if problems.is_empty() { Ok(()) } else { Err(ConfigErrors::new(self.source.clone(), problems)) }
    }

    /// What an adapter says against its own settings. Where its words begin with a JSON pointer in backticks, that
    /// place is quoted, else the settings as a whole.
    pub fn settings_problem(&self, provider: &str, cause: &str, fix: &str) -> Problem {
        let quoted = cause.strip_prefix('`').and_then(|rest| rest.split_once('`'));
        let pointer = quoted.map_or("", |(pointer, _)| pointer);
        let steps: Vec<String> =
            pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        let path = ["providers", provider, "config"].into_iter().chain(steps.iter().map(String::as_str));
        let path: Vec<&str> = path.collect();
        self.place(Problem::new("plugin-settings", format!("provider `{provider}`: {cause}")).fix(fix), &path)
    }

    fn place(&self, problem: Problem, path: &[&str]) -> Problem {
        match self.source.locate(path.iter().copied()) {
            Some(at) => problem.at(at),
            None => problem,
        }
    }

    /// Without a file: a provider for each adapter whose usual key is in the environment, under the adapter's name.
    /// Clients name targets (`provider/model`); with one provider the bare model name is enough.
    pub fn from_environment(loaded: &[PluginFacts], env: &Environment) -> Result<Self, ConfigErrors> {
        let source = Source::new("the environment", "");
        let providers: BTreeMap<_, _> = loaded
            .iter()
            .filter(|plugin| plugin.kind == PluginKind::Adapter)
            .filter_map(|plugin| {
                let credential = plugin.credential_env.iter().find_map(|name| env.get(name))?;
                Some((plugin.id.clone(), found_provider(&plugin.id, credential)))
            })
            .collect();
        if providers.is_empty() {
            return Err(ConfigErrors::new(source, vec![no_keys(loaded)]));
        }
        let state_dir = default_state_dir(env)?;
        Ok(Self {
            audit: audit::usual(&state_dir),
            source,
            server: default_server(),
            admin: Admin {
                listen: default_admin_listen(),
                token: env.get("SEAWALL_ADMIN_TOKEN").map(SecretString::from),
            },
            metrics: Metrics::default(),
            plugins: default_plugins(PathBuf::from(DEFAULT_PLUGINS_DIR)),
            state_dir,
            providers,
            aliases: BTreeMap::new(),
            directs: Directs::default(),
            templates: Templates::default(),
            breaker: BreakerSettings::default(),
            default_timeouts: Timeouts::default(),
            access: Access::Open,
            chaos: ChaosRules::default(),
        })
    }
}

fn found_provider(id: &Arc<str>, credential: String) -> Provider {
    Provider {
        name: id.clone(),
        adapter: id.clone(),
        base_url: None,
        credential: Some(SecretString::from(credential.trim().to_owned())),
        config: "{}".into(),
        domains: Vec::new(),
        models: BTreeMap::new(),
    }
}

fn no_keys(loaded: &[PluginFacts]) -> Problem {
    let variables: Vec<&str> =
        loaded.iter().filter_map(|plugin| plugin.credential_env.first().map(String::as_str)).collect();
    let cause = "there is no configuration file, and no provider's key in the environment";
    let problem = Problem::new("no-providers", cause);
    if variables.is_empty() {
        return problem.fix("give a file with --config, or try `seawall demo`, which needs neither");
    }
    problem.fix(format!(
        "set one of {}, give a file with --config, or try `seawall demo`, which needs neither",
        variables.join(", ")
    ))
}

fn missing_plugin(id: &str, kind: PluginKind, loaded: &[PluginFacts]) -> Option<Problem> {
    let word = match kind {
        PluginKind::Adapter => "adapter",
        PluginKind::Policy => "policy",
        PluginKind::Fault => "fault injector",
    };
    let same: Vec<&str> =
        loaded.iter().filter(|plugin| plugin.kind == kind).map(|plugin| &*plugin.id).collect();
    if let Some(found) = loaded.iter().find(|plugin| &*plugin.id == id) {
        let other = format!("plugin `{id}` is loaded, but it is no {word}");
        let fix = if same.is_empty() {
            format!("no {word} is loaded; `cargo xtask plugins` builds the bundled ones")
        } else {
            format!("use one of: {}", same.join(", "))
        };
        return (found.kind != kind).then(|| Problem::new("wrong-plugin-kind", other).fix(fix));
    }
    let fix = match (nearest(id, same.iter().copied()), same.is_empty()) {
        (Some(near), _) => format!("did you mean \"{near}\"? loaded: {}", same.join(", ")),
        (None, false) => format!("loaded: {}; others are dropped into the plugins folder", same.join(", ")),
        (None, true) => {
            "no plugin of this kind is loaded; `cargo xtask plugins` builds the bundled ones".to_owned()
        }
    };
    Some(Problem::new("unknown-plugin", format!("no {word} `{id}` is loaded")).fix(fix))
}
