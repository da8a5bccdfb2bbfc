//! The models that clients can name, in the form that the client's library reads.

use axum::response::Response;
use http::HeaderMap;
use seawall_core::protocol::{ModelEntry, ModelListForm, models_list};
use seawall_core::reply::ClientError;

use super::{Ingress, answer};

/// Everything an alias or a target of one can be called by.
pub(super) fn list(ingress: &Ingress, headers: &HeaderMap) -> Response {
    match ingress.caller(headers) {
        Ok(_) => {
            let names = ingress.config.load().model_names();
            let entries: Vec<_> = names.iter().map(|name| entry(name)).collect();
            answer::json(200, models_list(&entries, ModelListForm::of(headers)))
        }
        Err(error) => refusal(ingress, headers, &error),
    }
}

/// One name, also such that no list shows (`provider/model`).
pub(super) fn one(ingress: &Ingress, name: &str, headers: &HeaderMap) -> Response {
    let known = ingress.caller(headers).and_then(|_| ingress.config.load().resolve(name));
    match known {
        Ok(alias) => answer::json(200, alone(&entry(&alias.name), ModelListForm::of(headers))),
        Err(error) => refusal(ingress, headers, &error),
    }
}

fn entry(name: &str) -> ModelEntry<'_> {
    // Nobody knows when an upstream's model was made; the protocols want a date.
    ModelEntry {
        id: name,
        created_s: 0,
        owned_by: name.split_once('/').map_or("seawall", |(provider, _)| provider),
    }
}

/// A single model looks like an element of the list.
fn alone(entry: &ModelEntry<'_>, form: ModelListForm) -> String {
    let list: serde_json::Value =
        serde_json::from_slice(&models_list(std::slice::from_ref(entry), form)).unwrap_or_default();
    list.pointer("/data/0").unwrap_or_default().to_string()
}

fn refusal(ingress: &Ingress, headers: &HeaderMap, error: &ClientError) -> Response {
    ingress.decline(ModelListForm::of(headers).protocol(), error)
}
