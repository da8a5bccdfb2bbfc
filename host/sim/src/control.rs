//! The control API under `/_sim`: arm and clear faults, change a lane's settings, read its log.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::body::SimBody;
use crate::dialect::Dialect;
use crate::fault::Fault;
use crate::fault::armed::Faults;
use crate::lane::{Lane, Prefill};
use crate::service::{Shared, control_response, misuse, response};

/// First segment of the control API's paths; no lane can have this name.
pub(crate) const ROOT: &str = "/_sim";

/// A change of one lane; what is absent stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Replaces the armed faults.
    faults: Option<Vec<Fault>>,
    /// `null` takes the requirement away.
    #[serde(default, deserialize_with = "present")]
    key: Option<Option<String>>,
    prefill: Option<Prefill>,
    first_token_ms: Option<u64>,
    pace_ms: Option<u64>,
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

pub(crate) fn answer(shared: &Shared, parts: &Parts, body: &Bytes) -> Response<SimBody> {
    let path = parts.uri.path().strip_prefix(ROOT).unwrap_or_default().trim_matches('/');
    let segments: Vec<&str> = path.split('/').collect();
    let (name, part) = match segments.as_slice() {
        [""] => return whole(shared, &parts.method),
        ["lanes", name] => (*name, ""),
        ["lanes", name, part] => (*name, *part),
        _ => {
            return misuse(
                StatusCode::NOT_FOUND,
                "use /_sim or /_sim/lanes/{lane}, with /faults, /log or /last behind it",
            );
        }
    };
    let Some(lane) = shared.lanes.get(name) else {
        return misuse(StatusCode::BAD_REQUEST, "not a lane's name, or too many lanes already");
    };
    match (&parts.method, part) {
        (&Method::GET, "") => ok(&lane.show()),
        (&Method::POST | &Method::PUT, "") => change(&lane, body),
        (&Method::DELETE, "") => {
            lane.clear();
            ok(&lane.show())
        }
        (&Method::DELETE, "faults") => {
            lane.set_faults(Vec::new());
            ok(&lane.show())
        }
        (&Method::GET, "log") => ok(&serde_json::to_value(lane.log()).unwrap_or_default()),
        (&Method::DELETE, "log") => {
            lane.clear_log();
            ok(&json!([]))
        }
        (&Method::GET, "last") => last(&lane),
        _ => misuse(
            StatusCode::METHOD_NOT_ALLOWED,
            "no such method here: GET, POST and DELETE a lane, DELETE its faults, GET and DELETE its log",
        ),
    }
}

fn whole(shared: &Shared, method: &Method) -> Response<SimBody> {
    let lanes = shared.lanes.all();
    match *method {
        Method::GET => {
            let paths =
                [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini, Dialect::Groq].map(|dialect| {
                    (
                        json!(dialect).as_str().unwrap_or_default().to_owned(),
                        json!(format!("/{{lane}}{}", dialect.base_path())),
                    )
                });
            ok(&json!({
                "base_paths": Value::Object(paths.into_iter().collect()),
                "refused": shared.refused,
                "lanes": lanes.iter().map(Lane::show).collect::<Vec<_>>(),
            }))
        }
        Method::DELETE => {
            for lane in lanes {
                lane.clear();
                lane.clear_log();
            }
            ok(&json!({}))
        }
        _ => misuse(StatusCode::METHOD_NOT_ALLOWED, "GET shows the lanes, DELETE clears them all"),
    }
}

fn change(lane: &Lane, body: &Bytes) -> Response<SimBody> {
    let change: Change = match serde_json::from_slice(body) {
        Ok(change) => change,
        Err(error) => return misuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if change.faults.as_ref().is_some_and(|faults| faults.len() > Faults::MOST) {
        return misuse(StatusCode::BAD_REQUEST, "at most 64 faults");
    }
    lane.configure(|settings| {
        settings.key = change.key.unwrap_or(settings.key.take());
        settings.prefill = change.prefill.unwrap_or(settings.prefill);
        settings.first_token_ms = change.first_token_ms.unwrap_or(settings.first_token_ms);
        settings.pace_ms = change.pace_ms.unwrap_or(settings.pace_ms);
    });
    if let Some(faults) = change.faults {
        lane.set_faults(faults);
    }
    ok(&lane.show())
}

fn last(lane: &Lane) -> Response<SimBody> {
    match lane.last_body() {
        Some(body) => {
            response(StatusCode::OK, "application/json", HeaderMap::new(), SimBody::whole(body, None))
        }
        None => misuse(StatusCode::NOT_FOUND, "no request yet"),
    }
}

fn ok(body: &Value) -> Response<SimBody> {
    control_response(StatusCode::OK, body)
}
