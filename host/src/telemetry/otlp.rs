//! Traces and metrics for an OpenTelemetry collector, as OTLP over HTTP, where the usual `OTEL_*` variables ask for it.
//!
//! The messages are those of the `opentelemetry` family; queue, task and client are the house's own: the metrics are read
//! off the one sheet that `/metrics` shows, the spans off the one record of a request (or of a hidden call, or of a
//! refusal), and one supervised task sends both. The request path does a `try_send`; a full queue or a collector that does
//! not answer loses spans, counted.

mod metrics;
mod settings;
mod spans;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use seawall_core::note::Note;
use seawall_core::record::{Record, Twin};
use seawall_core::request::{Protocol, RequestId};
use seawall_core::trace::Trace;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

pub use self::settings::OtlpSettings;
pub(crate) use self::settings::Sampler;
use super::figures::{Counter, Sheet};
use super::names::{self, key};
use crate::shutdown::{Phase, PhaseWatch};
use crate::transport::{Reporter, TransportSetupError};

/// Requests and hidden calls that wait to be sent.
const QUEUE: usize = 16_384;
/// Of them in one message.
const BATCH: usize = 512;
const PROTOBUF: &str = "application/x-protobuf";

/// Where what is exported comes from.
pub(crate) trait Source: Send + Sync {
    /// Everything that is counted, now.
    fn sheet(&self) -> Sheet;
    /// The name that the conventions know a configured provider by.
    fn provider(&self, name: &str) -> Option<String>;
}

/// Sends to a collector.
#[derive(Debug)]
pub(crate) struct Otlp {
    queue: mpsc::Sender<Seen>,
    /// Until the task takes it.
    arrivals: Mutex<Option<mpsc::Receiver<Seen>>>,
    traces: Option<Reporter>,
    metrics: Option<Reporter>,
    settings: OtlpSettings,
    dropped: Counter,
    since: SystemTime,
}

impl Otlp {
    /// Sends nothing yet.
    pub(crate) fn new(settings: OtlpSettings) -> Result<Self, TransportSetupError> {
        let reporter = |url: &Option<String>| {
            let url = url.as_deref();
            url.map(|url| Reporter::new(url, &settings.headers, settings.timeout)).transpose()
        };
        let (traces, metrics) = (reporter(&settings.traces)?, reporter(&settings.metrics)?);
        let (queue, arrivals) = mpsc::channel(QUEUE);
        Ok(Self {
            queue,
            arrivals: Mutex::new(Some(arrivals)),
            traces,
            metrics,
            settings,
            dropped: Counter::default(),
            since: SystemTime::now(),
        })
    }

    /// Who decides which requests are seen.
    pub(crate) fn sampler(&self) -> Sampler {
        if self.traces.is_some() { self.settings.sampler } else { Sampler::NEVER }
    }

    /// Takes what has ended, if it is to be seen. Never waits.
    pub(super) fn offer(&self, note: &Note) {
        if let Some(seen) = Seen::of(note)
            && self.queue.try_send(seen).is_err()
        {
            self.dropped.one();
        }
    }

    pub(super) fn gather(&self, sheet: &mut Sheet) {
        sheet.put(&names::QUEUE_DROPPED, [(key::QUEUE, "traces".into())], &self.dropped);
    }

    /// Sends until the process ends, and then once more what is left.
    pub(crate) async fn run(self: Arc<Self>, source: Arc<dyn Source>, mut ending: PhaseWatch) {
        let taken = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut arrivals) = taken else { return };
        let ticks = |every: Duration| {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut spans_at, mut metrics_at) =
            (ticks(self.settings.spans_every), ticks(self.settings.metrics_every));
        // The first tick is at once, when there is nothing to tell.
        metrics_at.tick().await;
        let mut health = Health::default();
        loop {
            tokio::select! {
                biased;
                () = ending.reached(Phase::Ended) => {
                    self.send_spans(&mut arrivals, source.as_ref(), &mut health).await;
                    self.send_metrics(source.as_ref(), &mut health).await;
                    return;
                }
                _ = metrics_at.tick() => self.send_metrics(source.as_ref(), &mut health).await,
                _ = spans_at.tick() => self.send_spans(&mut arrivals, source.as_ref(), &mut health).await,
            }
        }
    }

    async fn send_spans(
        &self,
        arrivals: &mut mpsc::Receiver<Seen>,
        source: &dyn Source,
        health: &mut Health,
    ) {
        let Some(reporter) = &self.traces else { return };
        loop {
            let mut seen = Vec::new();
            while seen.len() < BATCH
                && let Ok(one) = arrivals.try_recv()
            {
                seen.push(one);
            }
            if seen.is_empty() {
                return;
            }
            let message = spans::message(&seen, self.resource(), source);
            let sent = reporter.post(PROTOBUF, message.encode_to_vec()).await;
            if sent.is_err() {
                self.dropped.add(u64::try_from(seen.len()).unwrap_or(u64::MAX));
            }
            if !health.after(sent) {
                return;
            }
        }
    }

    async fn send_metrics(&self, source: &dyn Source, health: &mut Health) {
        let Some(reporter) = &self.metrics else { return };
        let message = metrics::message(&source.sheet(), self.resource(), self.since);
        let sent = reporter.post(PROTOBUF, message.encode_to_vec()).await;
        health.after(sent);
    }

    fn resource(&self) -> Resource {
        let own = [(key::SERVICE_VERSION.to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
        let told = self.settings.resource.iter().cloned();
        let attributes =
            own.into_iter().chain(told).map(|(name, value)| attribute(&name, Any::StringValue(value)));
        Resource { attributes: attributes.collect(), ..Resource::default() }
    }
}

/// What has ended and is to be seen.
#[derive(Debug)]
struct Seen {
    trace: Arc<Trace>,
    what: What,
}

#[derive(Debug)]
enum What {
    Request(Arc<Record>),
    Twin {
        id: RequestId,
        twin: Arc<Twin>,
    },
    Refusal {
        id: RequestId,
        protocol: Protocol,
        status: u16,
        code: String,
        after: Duration,
        ended: SystemTime,
    },
}

impl Seen {
    fn of(note: &Note) -> Option<Self> {
        let wanted =
            |trace: &Option<Arc<Trace>>| trace.clone().filter(|trace| trace.recorded && trace.sampled);
        Some(match note {
            Note::RequestEnded(record) => {
                Self { trace: wanted(&record.trace)?, what: What::Request(Arc::clone(record)) }
            }
            Note::TwinEnded { id, twin } => {
                Self { trace: wanted(&twin.trace)?, what: What::Twin { id: *id, twin: Arc::clone(twin) } }
            }
            Note::RequestRefused { id, protocol, status, code, after, trace } => Self {
                trace: wanted(trace)?,
                what: What::Refusal {
                    id: *id,
                    protocol: *protocol,
                    status: *status,
                    code: code.clone(),
                    after: *after,
                    ended: SystemTime::now(),
                },
            },
            _ => return None,
        })
    }
}

/// Says once that the collector does not answer, and once that it does again.
#[derive(Debug, Default)]
struct Health {
    broken: bool,
}

impl Health {
    /// Whether it went well.
    fn after(&mut self, sent: Result<(), String>) -> bool {
        match sent {
            Ok(()) => {
                if std::mem::take(&mut self.broken) {
                    tracing::info!("the collector takes telemetry again");
                }
                true
            }
            Err(why) => {
                if !std::mem::replace(&mut self.broken, true) {
                    tracing::warn!(
                        why,
                        "the collector does not take telemetry; requests go on, spans are dropped"
                    );
                }
                false
            }
        }
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "seawall".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

fn attribute(name: &str, value: Any) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanos(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
