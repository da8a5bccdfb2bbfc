//! A sheet as a message of OTLP.

use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::super::figures::{Family, Point, Sheet, Spread, Value};
use super::super::names::Kind;
use super::{attribute, nanos, scope};

const SINCE_THE_START: i32 = AggregationTemporality::Cumulative as i32;

pub(super) fn message(sheet: &Sheet, resource: Resource, since: SystemTime) -> ExportMetricsServiceRequest {
    let times = Times { since: nanos(since), now: nanos(SystemTime::now()) };
    let metrics = sheet.families().iter().map(|family| times.metric(family)).collect();
    let of_scope = ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() };
    let of_resource = ResourceMetrics {
        resource: Some(resource),
        scope_metrics: vec![of_scope],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }
}

/// In nanoseconds.
struct Times {
    since: u64,
    now: u64,
}

impl Times {
    fn metric(&self, family: &Family) -> Metric {
        let numbers = || family.points.iter().filter_map(|point| self.number(point)).collect();
        let data = match family.metric.kind {
            Kind::Counter => metric::Data::Sum(Sum {
                data_points: numbers(),
                aggregation_temporality: SINCE_THE_START,
                is_monotonic: true,
            }),
            Kind::Gauge => metric::Data::Gauge(Gauge { data_points: numbers() }),
            Kind::Histogram => metric::Data::Histogram(Histogram {
                data_points: family.points.iter().filter_map(|point| self.spread(point)).collect(),
                aggregation_temporality: SINCE_THE_START,
            }),
        };
        Metric {
            name: family.metric.name.to_owned(),
            description: family.metric.help.to_owned(),
            unit: family.metric.unit.code().to_owned(),
            data: Some(data),
            ..Metric::default()
        }
    }

    fn number(&self, point: &Point) -> Option<NumberDataPoint> {
        let value = match &point.value {
            Value::Whole(count) => Number::AsInt(i64::try_from(*count).unwrap_or(i64::MAX)),
            Value::Real(value) => Number::AsDouble(*value),
            Value::Spread(_) => return None,
        };
        Some(NumberDataPoint {
            attributes: attributes(point),
            start_time_unix_nano: self.since,
            time_unix_nano: self.now,
            value: Some(value),
            ..NumberDataPoint::default()
        })
    }

    fn spread(&self, point: &Point) -> Option<HistogramDataPoint> {
        let Value::Spread(spread) = &point.value else { return None };
        let Spread { bounds, counts, sum } = spread;
        Some(HistogramDataPoint {
            attributes: attributes(point),
            start_time_unix_nano: self.since,
            time_unix_nano: self.now,
            count: spread.count(),
            sum: Some(*sum),
            bucket_counts: counts.clone(),
            explicit_bounds: bounds.clone(),
            ..HistogramDataPoint::default()
        })
    }
}

fn attributes(point: &Point) -> Vec<KeyValue> {
    let all = point.labels.iter();
    all.map(|(name, value)| attribute(name, Any::StringValue(value.to_string()))).collect()
}
