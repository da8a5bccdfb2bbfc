//! Raw to resolved: defaults, names checked against each other, secrets fetched.
//!
//! Goes on after a problem, so that all are found; the caller uses the result only when none was reported.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use seawall_core::request::default_tenant;
use seawall_core::settings::{Alias, AliasTarget, PolicyChoice, Timeouts};
use seawall_core::target::{ProviderName, TargetId};
use seawall_wasm::Limits;

use super::exposure::{check_exposure, is_loopback};
use super::names::nearest;
use super::raw::{RawAdmin, RawAlias, RawClient, RawConfig, RawPlugins, RawProvider, RawServer, RawTarget};
use super::reader::{At, Context};
use super::secret::SecretRef;
use super::templates::{self, Templates};
use super::{
    Access, Admin, Admission, Client, Config, ConfigErrors, Directs, Environment, LogFormat, Metrics,
    Plugins, Problem, Provider, Server, Source,
};

const MIB: usize = 1 << 20;
/// Who waits behind an eighth as many requests as are worked on waits about an eighth of their time.
const QUEUE_SHARE: usize = 8;
const NAME_RULE: &str = "letters, digits, `-`, `_`, `.` and `:`, at most 128";

/// Defaults of everything that can be left out.
pub(super) fn default_server() -> Server {
    Server {
        listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
        max_body_bytes: 32 * MIB,
        max_answer_bytes: 32 * MIB,
        max_event_bytes: 8 * MIB,
        log_format: LogFormat::Auto,
        shutdown_timeout: Duration::from_secs(300),
        admission: Admission {
            max_requests: 4096,
            max_queued: 4096 / QUEUE_SHARE,
            queue_timeout: Duration::from_millis(250),
        },
        send_timeout: Duration::from_secs(30),
    }
}

/// The admin listener's default address.
pub(super) fn default_admin_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8081))
}

/// Plugins in a folder of their own.
pub(super) fn default_plugins(dir: PathBuf) -> Plugins {
    Plugins { dir, instances: Limits::default().instances }
}

/// The plugins folder unless another one is named.
pub const DEFAULT_PLUGINS_DIR: &str = "plugins.d";

/// Where the audit trail is kept unless the operator says otherwise.
pub fn default_audit_dir(env: &Environment) -> Result<PathBuf, ConfigErrors> {
    default_state_dir(env).map(|state_dir| super::audit::usual(&state_dir).dir)
}

/// Where state is kept unless the operator says otherwise.
pub fn default_state_dir(env: &Environment) -> Result<PathBuf, ConfigErrors> {
    state_dir(env).map_err(|problem| ConfigErrors::new(Source::new("the environment", ""), vec![problem]))
}

fn state_dir(env: &Environment) -> Result<PathBuf, Problem> {
    let xdg = env.get("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env.get("HOME").map(|home| Path::new(&home).join(".local/state"));
    xdg.or_else(home).map(|dir| dir.join("seawall")).ok_or_else(|| {
        Problem::new("no-state-dir", "neither XDG_STATE_HOME nor HOME says where state may be kept")
            .fix("add [state] dir = \"path\"")
    })
}

/// `None` when something without a default is missing; problems stand in the context either way.
pub(super) fn resolve(raw: RawConfig, source: Source, base: &Path, context: &Context<'_>) -> Option<Config> {
    let folder = |found: Option<At<String>>| found.map(|found| base.join(found.value));
    let plugins = resolve_plugins(raw.plugins, base);
    let state_dir = folder(raw.state_dir).or_else(|| context.check(state_dir(context.env)));
    let default_timeouts = raw.default_timeouts.over(Timeouts::default());

    if raw.providers.is_empty() {
        let problem = Problem::new("no-providers", "no provider is configured, so nothing can be answered");
        context.report(problem.fix("add [providers.NAME] with an adapter, and a credential if it needs one"));
    }
    let access = resolve_access(&raw.clients, base, context);
    check_exposure(&raw.server, &raw.admin, &raw.clients, context);
    let admin = resolve_admin(raw.admin, base, context);
    // A provider with a problem of its own still exists for those who name it.
    let names: Vec<String> = raw.providers.iter().map(|provider| provider.name.value.clone()).collect();
    let providers =
        raw.providers.into_iter().filter_map(|provider| resolve_provider(provider, base, context));
    let providers = providers.map(|provider| (provider.name.clone(), provider)).collect();
    let given: Vec<&str> = names.iter().map(String::as_str).collect();
    let templates = templates::resolve(&raw.templates, &given, base, context);
    let known = Providers { names: given, resolved: &providers, templates: &templates };
    let aliases =
        raw.models.iter().filter_map(|alias| resolve_alias(alias, &known, default_timeouts, context));
    let aliases: BTreeMap<_, _> = aliases.map(|alias| (alias.name.clone(), Arc::new(alias))).collect();
    let state_dir = state_dir?;
    let audit = raw.audit.resolve(base, &state_dir, aliases.keys(), context);
    Some(Config {
        source,
        server: resolve_server(raw.server),
        admin,
        metrics: Metrics {
            open: raw.metrics.open.is_some_and(|open| open.value),
            count: raw.metrics.count.is_none_or(|count| count.value),
        },
        plugins,
        state_dir,
        providers,
        aliases,
        directs: Directs::default(),
        templates,
        breaker: raw.breaker.resolve(context),
        audit,
        default_timeouts,
        access,
        chaos: raw.chaos.resolve(base, context),
    })
}

fn resolve_plugins(raw: RawPlugins, base: &Path) -> Plugins {
    let dir = raw.dir.map_or(DEFAULT_PLUGINS_DIR.into(), |found| found.value);
    let default = default_plugins(base.join(dir));
    let instances = raw.instances.and_then(|found| u32::try_from(found.value).ok());
    Plugins { instances: instances.unwrap_or(default.instances), ..default }
}

fn resolve_server(raw: RawServer) -> Server {
    fn pick<T>(found: Option<At<T>>, default: T) -> T {
        found.map_or(default, |found| found.value)
    }
    let default = default_server();
    let max_requests = pick(raw.max_requests, default.admission.max_requests);
    Server {
        listen: pick(raw.listen, default.listen),
        max_body_bytes: pick(raw.max_body_bytes, default.max_body_bytes),
        max_answer_bytes: pick(raw.max_answer_bytes, default.max_answer_bytes),
        max_event_bytes: pick(raw.max_event_bytes, default.max_event_bytes),
        log_format: pick(raw.log_format, default.log_format),
        shutdown_timeout: pick(raw.shutdown_timeout, default.shutdown_timeout),
        admission: Admission {
            max_requests,
            max_queued: pick(raw.max_queued, max_requests.div_ceil(QUEUE_SHARE)),
            queue_timeout: pick(raw.queue_timeout, default.admission.queue_timeout),
        },
        send_timeout: pick(raw.send_timeout, default.send_timeout),
    }
}

/// A token that is named by a variable which is not set is made instead, as when none is named; on an address that
/// others can reach it has to be the operator's own.
fn resolve_admin(raw: RawAdmin, base: &Path, context: &Context<'_>) -> Admin {
    let listen = raw.listen.as_ref().map_or_else(default_admin_listen, |found| found.value);
    let token = raw.token.and_then(|token| {
        let unset = matches!(&token.value, SecretRef::Env(name) if context.env.get(name).is_none());
        if unset && is_loopback(listen) { None } else { fetch(&token, base, context) }
    });
    Admin { listen, token }
}

fn resolve_access(raw: &[RawClient], base: &Path, context: &Context<'_>) -> Access {
    let mut clients: Vec<Client> = Vec::new();
    for client in raw {
        let (Some(name), Some(key)) = (&client.name, &client.key) else { continue };
        if clients.iter().any(|known| *known.name == *name.value) {
            let cause = format!("client `{}` appears twice", name.value);
            context.report(
                Problem::new("duplicate-client", cause)
                    .at(name.at.clone())
                    .fix("give each a name of its own"),
            );
        }
        let Some(secret) = fetch(key, base, context) else { continue };
        let tenant = client.tenant.as_ref().map_or_else(default_tenant, |own| Arc::from(&*own.value));
        let made = Client::new(&name.value, tenant, &secret);
        if let Some(twin) = clients.iter().find(|known| known.same_key(&made)) {
            let cause = format!("clients `{}` and `{}` have the same key", twin.name, made.name);
            context.report(
                Problem::new("duplicate-client", cause).at(key.at.clone()).fix("a key tells who is calling"),
            );
        }
        clients.push(made);
    }
    if raw.is_empty() { Access::Open } else { Access::Keyed(clients) }
}

fn resolve_provider(raw: RawProvider, base: &Path, context: &Context<'_>) -> Option<Provider> {
    check_name("provider", &raw.name, context);
    let credential = raw.credential.and_then(|credential| fetch(&credential, base, context));
    let name: ProviderName = raw.name.value.into();
    let models =
        raw.models.into_iter().map(|(model, overrides)| (model.value.into(), Arc::new(overrides))).collect();
    let domains = raw.domains.map(|found| found.value).unwrap_or_default();
    for domain in &domains {
        check_name("domain", domain, context);
    }
    Some(Provider {
        name,
        domains: domains.into_iter().map(|domain| domain.value.into()).collect(),
        adapter: raw.adapter?.value.into(),
        base_url: raw.base_url.map(|url| url.value.into()),
        credential,
        config: raw.config.map_or_else(|| "{}".into(), |config| config.value.into()),
        models,
    })
}

/// What targets can refer to.
struct Providers<'a> {
    names: Vec<&'a str>,
    resolved: &'a BTreeMap<ProviderName, Provider>,
    templates: &'a Templates,
}

fn resolve_alias(
    raw: &RawAlias,
    providers: &Providers<'_>,
    defaults: Timeouts,
    context: &Context<'_>,
) -> Option<Alias> {
    check_name("alias", &raw.name, context);
    let mut seen = BTreeSet::new();
    let mut targets = Vec::new();
    for target in &raw.targets.as_ref()?.value {
        let Some(resolved) = context.check(resolve_target(target, providers)) else { continue };
        if seen.insert(resolved.id.clone()) {
            targets.push(resolved);
        } else {
            let cause = format!("target `{}` appears twice", resolved.id);
            let fix = "asking the same target again is the cascade's business; remove one";
            context.report(Problem::new("duplicate-target", cause).at(target.at.clone()).fix(fix));
        }
    }
    let mut alias = Alias {
        timeouts: raw.timeouts.over(defaults),
        policy: raw.policy.as_ref().map(|policy| PolicyChoice {
            plugin: policy.plugin.value.as_str().into(),
            config: policy.config.as_ref().map_or("{}", |config| config.value.as_str()).into(),
        }),
        reroute_content_filter: raw.reroute_content_filter.as_ref().is_some_and(|found| found.value),
        report_alias: raw.report_alias.as_ref().is_some_and(|found| found.value),
        ..Alias::new(raw.name.value.as_str(), targets)
    };
    raw.resilience.apply(&mut alias, context);
    Some(alias)
}

fn resolve_target(raw: &At<RawTarget>, providers: &Providers<'_>) -> Result<AliasTarget, Problem> {
    let name = &raw.value.name;
    let Some(id) = TargetId::parse(name) else {
        let fix = match (name.split_once('/'), providers.names.as_slice()) {
            (Some((provider, "")), _) => format!("write \"{provider}/MODEL\", with the model's name"),
            (None, [sole]) if !name.is_empty() => format!("write \"{sole}/{name}\""),
            _ => "write \"provider/model\"".to_owned(),
        };
        let cause = format!("`{name}` does not say which provider and which model");
        return Err(Problem::new("bad-target", cause).at(raw.at.clone()).fix(fix));
    };
    if !providers.names.contains(&&*id.provider) {
        let fix = match nearest(&id.provider, providers.names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}/{}\"?", id.model),
            None => format!("add [providers.{}], or use one of: {}", id.provider, providers.names.join(", ")),
        };
        let cause = format!("provider `{}` is not configured", id.provider);
        return Err(Problem::new("unknown-provider", cause).at(raw.at.clone()).fix(fix));
    }
    let provider = providers.resolved.get(&id.provider);
    let overrides = provider.and_then(|provider| provider.models.get(&id.model).cloned());
    Ok(AliasTarget {
        weight: raw.value.weight,
        overrides,
        first_token: raw.value.first_token,
        answer: raw.value.answer,
        domains: provider.map(|provider| provider.domains.clone()).unwrap_or_default(),
        prompt: providers.templates.of(&id),
        ..AliasTarget::new(id)
    })
}

/// Names go into URLs, metrics and headers; the first slash of a model name separates provider and model.
fn check_name(kind: &str, name: &At<String>, context: &Context<'_>) {
    let text = &name.value;
    let problem = if text.contains('/') {
        Problem::new("slash-in-name", format!("the {kind} name `{text}` holds a slash"))
            .fix("a slash separates provider and model; choose a name without one")
    } else if text.is_empty()
        || text.len() > 128
        || !text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
    {
        Problem::new(
            "bad-name",
            format!("the {kind} name `{text}` holds other characters than it may, or is too long or empty"),
        )
        .fix(NAME_RULE)
    } else {
        return;
    };
    context.report(problem.at(name.at.clone()));
}

pub(super) fn fetch(
    secret: &At<SecretRef>,
    base: &Path,
    context: &Context<'_>,
) -> Option<secrecy::SecretString> {
    let fetched = secret.value.fetch(base, context.env);
    context.check(fetched.map_err(|problem| problem.or_at(&secret.at)))
}
