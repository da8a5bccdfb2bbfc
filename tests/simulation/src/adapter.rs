//! The adapter of every simulated provider: the chat dialect, the body as it is, a class by structure.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use seawall_core::body::RequestBody;
use seawall_core::class::{Class, Failure, Scope};
use seawall_core::ports::{
    Adapter, AdapterError, AdapterTarget, Answer, Auth, BodyPlan, Call, Decoder, PlainReply, PluginFault,
    PluginRef, RawFailure, ReplyFormat, Shape, WirePlan,
};
use seawall_core::request::Protocol;
use seawall_core::target::Capabilities;

use crate::order::ORDER_HEADER;
use crate::provider::{Prefill, Profile};
use crate::upstream::{MODEL_HEADER, STREAM_HEADER};

/// Speaks for one provider.
#[derive(Debug)]
pub(crate) struct CountingAdapter {
    plugin: PluginRef,
    base_url: Arc<str>,
    capabilities: Arc<Capabilities>,
    scope: Scope,
}

impl CountingAdapter {
    /// For this provider.
    pub(crate) fn new(profile: &Profile) -> Self {
        let declared = profile.prefill != Prefill::Undeclared;
        Self {
            plugin: PluginRef::made_up(profile.name),
            base_url: Arc::from("http://simulated.test/v1"),
            capabilities: Arc::new(Capabilities {
                continues_assistant_prefix: declared,
                ..Capabilities::default()
            }),
            scope: if profile.limits_credential { Scope::Credential } else { Scope::Model },
        }
    }
}

/// By code, then by status; never by wording.
fn class_of(code: &str, status: Option<u16>) -> Class {
    match (code, status) {
        ("insufficient_quota", _) => Class::QuotaExhausted,
        ("context_length_exceeded", _) => Class::ContextLength,
        ("content_filter", _) => Class::ContentFilter,
        ("model_not_found", _) => Class::ModelNotFound,
        ("unsupported_parameter", _) => Class::UnsupportedParameter,
        ("rate_limited", _) | (_, Some(429)) => Class::RateLimited,
        ("overloaded", _) | (_, Some(503 | 529)) => Class::Overloaded,
        (_, Some(401 | 403)) => Class::Auth,
        (_, Some(400 | 422)) => Class::BadRequest,
        _ => Class::ServerError,
    }
}

impl Adapter for CountingAdapter {
    fn plugin(&self) -> &PluginRef {
        &self.plugin
    }
    fn base_url(&self) -> &Arc<str> {
        &self.base_url
    }
    fn auth(&self) -> &Auth {
        &Auth::Bearer
    }
    fn accepts(&self, protocol: Protocol) -> bool {
        protocol == Protocol::Chat
    }
    fn telemetry_name(&self) -> &'static str {
        "simulated"
    }
    fn model<'a>(&'a self, _model: &'a str) -> Call<'a, Result<Arc<Capabilities>, PluginFault>> {
        Call::of(async { Ok(Arc::clone(&self.capabilities)) })
    }
    fn build<'a>(
        &'a self,
        body: &'a Arc<RequestBody>,
        target: &'a AdapterTarget,
    ) -> Call<'a, Result<WirePlan, AdapterError>> {
        let mut headers = HeaderMap::new();
        if let Some(Ok(order)) = body.header(ORDER_HEADER.as_str()).map(HeaderValue::from_str) {
            headers.insert(ORDER_HEADER, order);
        }
        if let Ok(model) = HeaderValue::from_str(&target.model) {
            headers.insert(MODEL_HEADER, model);
        }
        if target.streaming {
            headers.insert(STREAM_HEADER, HeaderValue::from_static("1"));
        }
        let patch = format!(r#"{{"model":"{}"}}"#, target.model);
        Call::of(async move {
            Ok(WirePlan {
                method: Method::POST,
                path_and_query: "/chat/completions".to_owned(),
                headers,
                body: BodyPlan::MergePatch(patch),
                reply: ReplyFormat::Same,
            })
        })
    }
    fn parse<'a>(
        &'a self,
        _kind: Protocol,
        _target: &'a AdapterTarget,
        reply: PlainReply,
    ) -> Call<'a, Result<Answer, AdapterError>> {
        Call::of(async move { Ok(Answer::Body(reply.body)) })
    }
    fn classify<'a>(
        &'a self,
        _target: &'a AdapterTarget,
        failure: RawFailure,
    ) -> Call<'a, Result<Failure, PluginFault>> {
        let body: serde_json::Value = serde_json::from_slice(&failure.data).unwrap_or_default();
        let code = body.pointer("/error/code").and_then(|code| code.as_str()).unwrap_or_default().to_owned();
        let hint = failure.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let class = class_of(&code, failure.status);
        let failure = Failure {
            status: failure.status,
            scope: if class == Class::RateLimited { self.scope } else { Scope::Model },
            retry_after: hint.map(Duration::from_secs),
            code: Some(code),
            ..Failure::new(class, "simulated")
        };
        Call::of(async move { Ok(failure) })
    }
    fn decoder<'a>(
        &'a self,
        _kind: Protocol,
        _target: &'a AdapterTarget,
    ) -> Call<'a, Result<Box<dyn Decoder>, PluginFault>> {
        Call::of(async { Err(PluginFault { code: "P000", message: "no decoder".to_owned(), busy: false }) })
    }
    fn render(&self, _shape: Shape) -> Call<'_, Result<Option<PlainReply>, PluginFault>> {
        Call::of(async { Ok(None) })
    }
}
