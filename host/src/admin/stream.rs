//! The live stream: server-sent events over an ordinary GET, so that the token stays in a header (`fetch`, not
//! `EventSource`, which can send none).
//!
//! First a `snapshot`, or what was missed behind `Last-Event-ID`, then a `batch` ten times a second when anything
//! happened and at least every five seconds. `gap`: this watcher was too slow, and a new snapshot follows.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use seawall_core::availability::Report;
use seawall_core::fault::ArmedStatus;
use seawall_core::targets::TargetStatus;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::json::{AdminError, ErrorBody};
use super::plugins::PluginReport;
use super::status::Status;
use super::{Admin, Shared};
use crate::ingress::Load;
use crate::shutdown::Phase;
use crate::telemetry::Totals;
use crate::telemetry::live::{Gap, MOST_WATCHERS, Scene, Snapshot, Told};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The live stream, as server-sent events: `snapshot` first and behind a `gap`, then `batch` after `batch`.
#[utoipa::path(get, path = "/admin/stream", tag = "status",
    params(("last-event-id" = Option<String>, Header, description = "Go on behind this event, if it is known here")),
    responses(
        (status = 200, description = "What `data` of each event holds", content_type = "text/event-stream", body = Data<'_>),
        (status = 503, description = "`too_many_watchers`", body = ErrorBody),
    ),
)]
pub(super) async fn open(State(admin): State<Shared>, headers: HeaderMap) -> Result<Response, AdminError> {
    let behind = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let scene: Arc<dyn Scene> = admin.clone();
    let Some(watcher) = admin.notes.live().watch(scene, behind) else {
        let message = format!("{MOST_WATCHERS} live streams are open, which is as many as there may be");
        return Err(AdminError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_watchers", message)
            .fix("close a dashboard; what scripts need stands in /admin/status and /metrics"));
    };
    let ending = admin.phase.clone();
    let messages = stream::unfold((watcher, ending), |(mut watcher, mut ending)| async move {
        let message = tokio::select! {
            biased;
            () = ending.reached(Phase::Ended) => None,
            message = watcher.next() => message,
        }?;
        Some((Ok::<_, std::convert::Infallible>(message), (watcher, ending)))
    });
    let mut response = Response::new(Body::from_stream(messages));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// `data` of an event.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = LiveData)]
#[expect(dead_code, reason = "the bus writes one of them at a time; this says which there are")]
enum Data<'a> {
    Snapshot(Snapshot<'a, Whole>),
    Batch(Told<'a, Sums>),
    Gap(Gap),
}

/// What a dashboard begins with.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveState)]
struct Whole {
    status: Status,
    plugins: PluginReport,
    faults: Vec<ArmedStatus>,
    availability: Report,
}

/// What stands beside events.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveSums)]
struct Sums {
    #[serde(skip_serializing_if = "Option::is_none")]
    counters: Option<Totals>,
    ingress: Load,
    #[serde(skip_serializing_if = "Option::is_none")]
    targets: Option<Vec<TargetStatus>>,
}

impl Scene for Admin {
    fn whole(&self) -> Box<RawValue> {
        raw(&Whole {
            status: self.status(),
            plugins: self.control.status(),
            faults: self.chaos.list(),
            availability: self.notes.availability().report(Instant::now()),
        })
    }

    fn sums(&self, targets: bool) -> Box<RawValue> {
        raw(&Sums {
            counters: self.notes.totals(),
            ingress: self.ingress.load(),
            targets: targets.then(|| self.targets.status()),
        })
    }
}

/// What cannot be written is null.
fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
