//! A sheet in the text format of OpenMetrics, which Prometheus asks for.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::figures::{Family, Point, Sheet, Spread, Value};
use super::names::{Kind, prometheus};

/// What the text is.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes a sheet. Fails only where memory does.
pub(crate) fn text(sheet: Sheet) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(sheet)));
    let mut page = String::with_capacity(32 << 10);
    text::encode(&mut page, &registry)?;
    Ok(page)
}

#[derive(Debug)]
struct Page(Sheet);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.families().iter().try_for_each(|family| write_family(&mut encoder, family))
    }
}

fn write_family(encoder: &mut DescriptorEncoder<'_>, family: &Family) -> fmt::Result {
    let metric = family.metric;
    let kind = match metric.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    let unit = metric.unit.suffix().map(|suffix| Unit::Other(suffix.to_owned()));
    let base = metric.prometheus_base();
    let mut encoder = encoder.encode_descriptor(&base, metric.help, unit.as_ref(), kind)?;
    family.points.iter().try_for_each(|point| {
        let labels: Vec<(String, &str)> =
            point.labels.iter().map(|(label, value)| (prometheus(label), &**value)).collect();
        if labels.is_empty() {
            write_value(&mut encoder, metric.kind, point)
        } else {
            write_value(&mut encoder.encode_family(&labels)?, metric.kind, point)
        }
    })
}

fn write_value(encoder: &mut MetricEncoder<'_>, kind: Kind, point: &Point) -> fmt::Result {
    match (&point.value, kind) {
        (Value::Whole(count), Kind::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(count, None),
        (Value::Real(sum), Kind::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(sum, None),
        (Value::Whole(level), _) => encoder.encode_gauge(&i64::try_from(*level).unwrap_or(i64::MAX)),
        (Value::Real(level), _) => encoder.encode_gauge(level),
        (Value::Spread(spread), _) => {
            encoder.encode_histogram::<NoLabelSet>(spread.sum, spread.count(), &buckets(spread), None)
        }
    }
}

/// The format wants each bucket with its own end and count, and the last one without end.
fn buckets(spread: &Spread) -> Vec<(f64, u64)> {
    let ends = spread.bounds.iter().copied().chain([f64::INFINITY]);
    ends.zip(spread.counts.iter().copied()).collect()
}
