//! The variables that OpenTelemetry's own exporters read, as far as they mean something here.

use std::fmt;
use std::time::Duration;

use crate::config::Environment;

/// What goes to which collector.
#[derive(Clone)]
pub struct OtlpSettings {
    /// Where spans are posted; none = they are not recorded.
    pub traces: Option<String>,
    /// Where metrics are posted; none = they are only scraped.
    pub metrics: Option<String>,
    /// On every report; may hold a key.
    pub headers: Vec<(String, String)>,
    /// Who we are.
    pub resource: Vec<(String, String)>,
    /// For one report.
    pub timeout: Duration,
    /// Between messages of spans.
    pub spans_every: Duration,
    /// Between messages of metrics.
    pub metrics_every: Duration,
    /// Which requests are seen.
    pub sampler: Sampler,
}

impl fmt::Debug for OtlpSettings {
    /// Without addresses and headers: both may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpSettings").field("sampler", &self.sampler).finish_non_exhaustive()
    }
}

/// Which requests are seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// The caller's word counts, where it sent one.
    parent: bool,
    /// Of the others this share, 0 to 1.
    share: f64,
}

impl Sampler {
    pub(super) const NEVER: Self = Self { parent: false, share: 0.0 };
    const ALWAYS: Self = Self { parent: true, share: 1.0 };

    /// Whether a request is seen. `id`: 64 random bits of its trace.
    pub(crate) fn wants(self, parent: Option<bool>, id: u64) -> bool {
        match parent {
            Some(sampled) if self.parent => sampled,
            _ => self.share >= 1.0 || (id >> 11) as f64 / ((1_u64 << 53) as f64) < self.share,
        }
    }

    fn read(name: &str, share: Option<&str>) -> Result<Self, String> {
        let share = || match share.map(str::parse::<f64>) {
            None => Ok(1.0),
            Some(Ok(share)) if (0.0..=1.0).contains(&share) => Ok(share),
            Some(_) => Err("OTEL_TRACES_SAMPLER_ARG is a share between 0 and 1".to_owned()),
        };
        let (parent, name) = match name.strip_prefix("parentbased_") {
            Some(name) => (true, name),
            None => (false, name),
        };
        match name {
            "always_on" => Ok(Self { parent, share: 1.0 }),
            "always_off" => Ok(Self { parent, share: 0.0 }),
            "traceidratio" => Ok(Self { parent, share: share()? }),
            _ => Err(
                "OTEL_TRACES_SAMPLER is always_on, always_off or traceidratio, each also as parentbased_..."
                    .to_owned(),
            ),
        }
    }
}

impl OtlpSettings {
    /// Everything to one collector, as if only its address were set.
    pub fn to(endpoint: &str) -> Self {
        let base = endpoint.trim_end_matches('/');
        Self {
            traces: Some(format!("{base}/v1/traces")),
            metrics: Some(format!("{base}/v1/metrics")),
            headers: Vec::new(),
            resource: vec![(super::key::SERVICE_NAME.to_owned(), "seawall".to_owned())],
            timeout: Duration::from_secs(10),
            spans_every: Duration::from_secs(1),
            metrics_every: Duration::from_secs(60),
            sampler: Sampler::ALWAYS,
        }
    }

    /// What the environment asks for; none where it names no collector.
    pub fn from_env(env: &Environment) -> Result<Option<Self>, String> {
        let get =
            |name: &str| env.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        if get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let general = get("OTEL_EXPORTER_OTLP_ENDPOINT");
        let wanted = |exporter: &str| get(exporter).is_none_or(|kind| kind == "otlp");
        let one =
            |own: &str, exporter: &str, made: Option<String>| get(own).or(made).filter(|_| wanted(exporter));
        let usual = general.as_deref().map(Self::to);
        let made = |pick: fn(&Self) -> &Option<String>| usual.as_ref().and_then(|usual| pick(usual).clone());
        let traces =
            one("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER", made(|usual| &usual.traces));
        let metrics =
            one("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_METRICS_EXPORTER", made(|usual| &usual.metrics));
        if traces.is_none() && metrics.is_none() {
            return Ok(None);
        }
        if let Some(other) =
            get("OTEL_EXPORTER_OTLP_PROTOCOL").filter(|protocol| *protocol != "http/protobuf")
        {
            return Err(format!(
                "OTEL_EXPORTER_OTLP_PROTOCOL is `{other}`; this gateway speaks http/protobuf"
            ));
        }
        let millis = |name: &str, usual: Duration| match get(name).map(|value| value.parse()) {
            None => Ok(usual),
            Some(Ok(ms)) if ms > 0 => Ok(Duration::from_millis(ms)),
            Some(_) => Err(format!("{name} is a number of milliseconds above 0")),
        };
        let mut settings = Self::to("");
        settings.timeout = millis("OTEL_EXPORTER_OTLP_TIMEOUT", settings.timeout)?;
        settings.spans_every = millis("OTEL_BSP_SCHEDULE_DELAY", settings.spans_every)?;
        settings.metrics_every = millis("OTEL_METRIC_EXPORT_INTERVAL", settings.metrics_every)?;
        if let Some(sampler) = get("OTEL_TRACES_SAMPLER") {
            settings.sampler = Sampler::read(&sampler, get("OTEL_TRACES_SAMPLER_ARG").as_deref())?;
        }
        let headers = get("OTEL_EXPORTER_OTLP_HEADERS").as_deref().map(pairs).unwrap_or_default();
        let mut resource = get("OTEL_RESOURCE_ATTRIBUTES").as_deref().map(pairs).unwrap_or_default();
        let named = get("OTEL_SERVICE_NAME");
        if named.is_some() || !resource.iter().any(|(name, _)| name == super::key::SERVICE_NAME) {
            resource.retain(|(name, _)| name != super::key::SERVICE_NAME);
            resource
                .push((super::key::SERVICE_NAME.to_owned(), named.unwrap_or_else(|| "seawall".to_owned())));
        }
        Ok(Some(Self { traces, metrics, headers, resource, ..settings }))
    }
}

/// `a=1,b=2`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}
