//! The configuration as typed: each value is read and checked on its own, nothing is compared with anything else.
//!
//! The shape of the file stands here, one type a table.

use std::net::SocketAddr;
use std::time::Duration;

use seawall_core::settings::Timeouts;
use toml::Spanned;
use toml::de::DeValue;

use super::audit::RawAudit;
use super::breaker::RawBreaker;
use super::chaos::RawChaos;
use super::reader::{At, Context, Section, wrong_type};
use super::resilience::RawResilience;
use super::secret::SecretRef;
use super::templates::RawTemplate;
use super::{LogFormat, Problem, value};
use seawall_core::settings::CapabilityOverrides;

/// More than any machine serves at a time; a larger number is a typing error.
const MOST_REQUESTS: usize = 1_000_000;

/// Twice as many would fill the address space of a process.
const MOST_INSTANCES: usize = 8000;

/// The whole file.
#[derive(Debug)]
pub(super) struct RawConfig {
    pub(super) server: RawServer,
    pub(super) admin: RawAdmin,
    pub(super) metrics: RawMetrics,
    pub(super) plugins: RawPlugins,
    pub(super) state_dir: Option<At<String>>,
    pub(super) clients: Vec<RawClient>,
    pub(super) providers: Vec<RawProvider>,
    pub(super) models: Vec<RawAlias>,
    pub(super) default_timeouts: RawTimeouts,
    pub(super) breaker: RawBreaker,
    pub(super) audit: RawAudit,
    pub(super) templates: Vec<RawTemplate>,
    pub(super) chaos: RawChaos,
}

impl RawConfig {
    pub(super) fn read(text: &str, context: &Context<'_>) -> Self {
        context.document(text, |root| Self {
            server: root.table("server", RawServer::read).unwrap_or_default(),
            admin: root.table("admin", RawAdmin::read).unwrap_or_default(),
            metrics: root.table("metrics", RawMetrics::read).unwrap_or_default(),
            plugins: root.table("plugins", RawPlugins::read).unwrap_or_default(),
            state_dir: root.table("state", |s| s.get("dir", value::non_empty)).flatten(),
            clients: root.tables("clients", RawClient::read),
            providers: root.named_tables("providers", RawProvider::read),
            models: root.named_tables("models", RawAlias::read),
            default_timeouts: root.table("defaults", RawTimeouts::read).unwrap_or_default(),
            breaker: root.table("breaker", RawBreaker::read).unwrap_or_default(),
            audit: root.table("audit", RawAudit::read).unwrap_or_default(),
            templates: root.named_tables("templates", RawTemplate::read),
            chaos: root.table("chaos", RawChaos::read).unwrap_or_default(),
        })
    }
}

/// `[server]`
#[derive(Debug, Default)]
pub(super) struct RawServer {
    pub(super) listen: Option<At<SocketAddr>>,
    pub(super) open: Option<At<bool>>,
    pub(super) max_body_bytes: Option<At<usize>>,
    pub(super) max_answer_bytes: Option<At<usize>>,
    pub(super) max_event_bytes: Option<At<usize>>,
    pub(super) log_format: Option<At<LogFormat>>,
    pub(super) shutdown_timeout: Option<At<Duration>>,
    pub(super) max_requests: Option<At<usize>>,
    pub(super) max_queued: Option<At<usize>>,
    pub(super) queue_timeout: Option<At<Duration>>,
    pub(super) send_timeout: Option<At<Duration>>,
}

impl RawServer {
    fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            listen: section.get("listen", value::listen),
            open: section.get("open", value::boolean),
            max_body_bytes: section.get("max_body_bytes", value::size),
            max_answer_bytes: section.get("max_answer_bytes", value::size),
            max_event_bytes: section.get("max_event_bytes", value::size),
            log_format: section.get("log_format", value::log_format),
            shutdown_timeout: section.get("shutdown_timeout", value::duration),
            max_requests: section.get("max_requests", |_, item| value::count(item, 1, MOST_REQUESTS)),
            max_queued: section.get("max_queued", |_, item| value::count(item, 0, MOST_REQUESTS)),
            queue_timeout: section.get("queue_timeout", value::duration),
            send_timeout: section.get("send_timeout", value::duration),
        }
    }
}

/// `[admin]`
#[derive(Debug, Default)]
pub(super) struct RawAdmin {
    pub(super) listen: Option<At<SocketAddr>>,
    pub(super) token: Option<At<SecretRef>>,
}

impl RawAdmin {
    fn read(section: &mut Section<'_, '_>) -> Self {
        Self { listen: section.get("listen", value::listen), token: section.get("token", SecretRef::read) }
    }
}

/// `[metrics]`
#[derive(Debug, Default)]
pub(super) struct RawMetrics {
    pub(super) open: Option<At<bool>>,
    pub(super) count: Option<At<bool>>,
}

impl RawMetrics {
    fn read(section: &mut Section<'_, '_>) -> Self {
        Self { open: section.get("open", value::boolean), count: section.get("count", value::boolean) }
    }
}

/// `[plugins]`
#[derive(Debug, Default)]
pub(super) struct RawPlugins {
    pub(super) dir: Option<At<String>>,
    pub(super) instances: Option<At<usize>>,
}

impl RawPlugins {
    fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            dir: section.get("dir", value::non_empty),
            instances: section.get("instances", |_, item| value::count(item, 1, MOST_INSTANCES)),
        }
    }
}

/// `[[clients]]`
#[derive(Debug)]
pub(super) struct RawClient {
    pub(super) name: Option<At<String>>,
    pub(super) key: Option<At<SecretRef>>,
    pub(super) tenant: Option<At<String>>,
}

impl RawClient {
    fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            name: section.require("name", "any short name; it shows in logs", value::non_empty),
            key: section.require("key", "key = { env = \"NAME\" } or { file = \"path\" }", SecretRef::read),
            tenant: section.get("tenant", value::non_empty),
        }
    }
}

/// `[providers.NAME]`
#[derive(Debug)]
pub(super) struct RawProvider {
    pub(super) name: At<String>,
    pub(super) adapter: Option<At<String>>,
    pub(super) base_url: Option<At<String>>,
    pub(super) credential: Option<At<SecretRef>>,
    pub(super) config: Option<At<String>>,
    pub(super) domains: Option<At<Vec<At<String>>>>,
    pub(super) models: Vec<(At<String>, CapabilityOverrides)>,
}

impl RawProvider {
    fn read(name: At<String>, section: &mut Section<'_, '_>) -> Self {
        let fix = "name its adapter plugin: adapter = \"ID\"; `seawall plugin list` shows all";
        Self {
            name,
            adapter: section.require("adapter", fix, value::non_empty),
            base_url: section.get("base_url", value::base_url),
            credential: section.get("credential", SecretRef::read),
            config: section.get("config", value::settings),
            domains: section.get("domains", value::names),
            models: section.named_tables("models", |model, section| (model, overrides(section))),
        }
    }
}

fn overrides(section: &mut Section<'_, '_>) -> CapabilityOverrides {
    let mut flag = |key| section.get(key, value::boolean).map(|found| found.value);
    CapabilityOverrides {
        streams: flag("streams"),
        tools: flag("tools"),
        vision: flag("vision"),
        json_schema: flag("json_schema"),
        choices: flag("choices"),
        continues_assistant_prefix: flag("continues_assistant_prefix"),
        context_window: section.get("context_window", value::tokens).map(|found| found.value),
        input_price_per_1m: section.get("input_price_per_1m", value::price).map(|found| found.value),
        output_price_per_1m: section.get("output_price_per_1m", value::price).map(|found| found.value),
    }
}

/// `[models.NAME]`
#[derive(Debug)]
pub(super) struct RawAlias {
    pub(super) name: At<String>,
    pub(super) targets: Option<At<Vec<At<RawTarget>>>>,
    pub(super) timeouts: RawTimeouts,
    pub(super) policy: Option<RawPolicy>,
    pub(super) reroute_content_filter: Option<At<bool>>,
    pub(super) report_alias: Option<At<bool>>,
    pub(super) resilience: RawResilience,
}

impl RawAlias {
    fn read(name: At<String>, section: &mut Section<'_, '_>) -> Self {
        Self {
            name,
            targets: section.require("targets", "targets = [\"provider/model\"], best first", targets),
            timeouts: section.table("timeouts", RawTimeouts::fields).unwrap_or_default(),
            policy: section.table("policy", RawPolicy::read).flatten(),
            reroute_content_filter: section.get("reroute_content_filter", value::boolean),
            report_alias: section.get("report_model", value::report_model),
            resilience: RawResilience::read(section),
        }
    }
}

/// `"provider/model"` or `{ target = "provider/model", weight = 2, timeouts = { first_token = "60s" } }`
#[derive(Debug)]
pub(super) struct RawTarget {
    pub(super) name: String,
    pub(super) weight: f64,
    pub(super) first_token: Option<Duration>,
    pub(super) answer: Option<Duration>,
}

impl RawTarget {
    fn named(name: String) -> Self {
        Self { name, weight: 1.0, first_token: None, answer: None }
    }
}

fn targets(context: &Context<'_>, item: &Spanned<DeValue<'_>>) -> Result<Vec<At<RawTarget>>, Problem> {
    let DeValue::Array(items) = item.get_ref() else {
        return Err(wrong_type("a list of targets", item.get_ref()).fix("targets = [\"provider/model\"]"));
    };
    if items.is_empty() {
        return Err(Problem::new("no-targets", "an alias without targets answers nothing")
            .fix("list at least one \"provider/model\""));
    }
    Ok(items.iter().filter_map(|item| target(context, item)).collect())
}

fn target(context: &Context<'_>, item: &Spanned<DeValue<'_>>) -> Option<At<RawTarget>> {
    let found = match item.get_ref() {
        DeValue::Table(_) => context.table(item, "models.*.targets".into(), |section| {
            let name = section.require("target", "target = \"provider/model\"", value::non_empty);
            let weight = section.get("weight", value::weight).map_or(1.0, |found| found.value);
            let own = section.table("timeouts", |limits| {
                let mut limit = |key| limits.get(key, value::duration).map(|found| found.value);
                (limit("first_token"), limit("answer"))
            });
            let (first_token, answer) = own.unwrap_or_default();
            name.map(|name| RawTarget { weight, first_token, answer, ..RawTarget::named(name.value) })
        })?,
        _ => {
            let name = value::non_empty(context, item).map_err(|problem| problem.or_at(&item.span()));
            context.check(name).map(RawTarget::named)
        }
    };
    found.map(|value| At { value, at: item.span() })
}

/// `policy = { plugin = "ID", config = { .. } }`
#[derive(Debug)]
pub(super) struct RawPolicy {
    pub(super) plugin: At<String>,
    pub(super) config: Option<At<String>>,
}

impl RawPolicy {
    fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let plugin = section.require("plugin", "plugin = \"weighted\"", value::non_empty);
        let config = section.get("config", value::settings);
        plugin.map(|plugin| Self { plugin, config })
    }
}

/// `[models.NAME.timeouts]` and `[defaults.timeouts]`
#[derive(Debug, Default)]
pub(super) struct RawTimeouts {
    pub(super) connect: Option<At<Duration>>,
    pub(super) first_token: Option<At<Duration>>,
    pub(super) answer: Option<At<Duration>>,
    pub(super) stall: Option<At<Duration>>,
    pub(super) total: Option<At<Duration>>,
}

impl RawTimeouts {
    fn read(defaults: &mut Section<'_, '_>) -> Self {
        defaults.table("timeouts", Self::fields).unwrap_or_default()
    }

    fn fields(section: &mut Section<'_, '_>) -> Self {
        let mut limit = |key| section.get(key, value::duration);
        Self {
            connect: limit("connect"),
            first_token: limit("first_token"),
            answer: limit("answer"),
            stall: limit("stall"),
            total: limit("total"),
        }
    }

    /// What is not set stays as it was.
    pub(super) fn over(&self, base: Timeouts) -> Timeouts {
        let pick = |own: &Option<At<Duration>>, base| own.as_ref().map_or(base, |found| found.value);
        Timeouts {
            connect: pick(&self.connect, base.connect),
            first_token: pick(&self.first_token, base.first_token),
            answer: pick(&self.answer, base.answer),
            stall: pick(&self.stall, base.stall),
            total: pick(&self.total, base.total),
        }
    }
}
