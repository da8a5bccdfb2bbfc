//! A provider adapter bound to one configured provider.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use seawall_core::body::RequestBody;
use seawall_core::class::Failure;
use seawall_core::ports::{
    Adapter, AdapterError, AdapterTarget, Answer, Auth, Call, Decoder, PlainReply, PluginFault, PluginRef,
    RawFailure, Shape, WirePlan,
};
use seawall_core::request::Protocol;
use seawall_core::target::Capabilities;
use wasmtime::Store;
use wasmtime::component::Resource;

use crate::contract::v0_1::exports::{dialect, provider};
use crate::contract::v0_1::{answers, questions};
use crate::diagnose::{Code, Problem};
use crate::generation::Generation;
use crate::guest::{Body, Guest};
use crate::instance::{Exports, Work};
use crate::kinds::decoder::WasmDecoder;
use crate::lock;

/// Models whose capabilities are remembered; clients may name any.
const KNOWN_MODELS: usize = 512;

/// Exports of an adapter.
pub(crate) struct AdapterExports {
    pub(crate) provider: provider::Guest,
    pub(crate) dialect: Option<dialect::Guest>,
}

/// Where they stand.
pub(crate) struct AdapterIndices {
    pub(crate) provider: provider::GuestIndices,
    pub(crate) dialect: Option<dialect::GuestIndices>,
}

impl Exports for AdapterExports {
    type Indices = AdapterIndices;

    fn load(
        indices: &AdapterIndices,
        store: &mut Store<Guest>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<Self> {
        Ok(Self {
            provider: indices.provider.load(&mut *store, instance)?,
            dialect: indices
                .dialect
                .as_ref()
                .map(|dialect| dialect.load(&mut *store, instance))
                .transpose()?,
        })
    }
}

/// What one configured provider of an adapter is.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) default_base_url: Option<String>,
    pub(crate) auth: Auth,
    pub(crate) accepts: Vec<Protocol>,
}

/// One adapter generation for one configured provider.
#[derive(Debug)]
pub(crate) struct BoundAdapter {
    generation: Arc<Generation<AdapterExports>>,
    config: Arc<str>,
    base_url: Arc<str>,
    telemetry_name: Arc<str>,
    settings: Settings,
    models: Mutex<HashMap<Box<str>, Arc<Capabilities>>>,
}

/// Why an adapter gave nothing: its provider's failure, inside what the call itself returns.
type Told<T> = Result<T, Failure>;

impl Generation<AdapterExports> {
    /// What this configuration makes of the adapter.
    pub(crate) fn configure(&self, config: &str) -> Result<Settings, Problem> {
        let settings = self.call_here(Work::new(self.room().limits.start_deadline), |store, exports| {
            let answer = exports.provider.call_configure(store, config)?;
            Ok(answer.map_err(|problems| config_problem(answers::config_problems(problems))))
        })?;
        Ok(Settings {
            default_base_url: settings.default_base_url.map(|url| url.trim_end_matches('/').to_owned()),
            auth: answers::auth(settings.auth)?,
            accepts: answers::protocols(&settings.accepts)?,
        })
    }

    fn model(self: &Arc<Self>, model: &str, config: Arc<str>) -> Call<'_, Result<Capabilities, Problem>> {
        let model = model.to_owned();
        let work = Work { fingerprint: hash(&model), ..Work::new(self.room().limits.deadline) };
        self.call(work, move |store, exports| {
            let answer = exports.provider.call_model(store, &model, &config)?;
            Ok(match answer {
                Ok(known) => Ok(answers::capabilities(known)),
                Err(problems) => Err(config_problem(answers::config_problems(problems))),
            })
        })
    }

    pub(crate) fn build(
        self: &Arc<Self>,
        body: &Arc<RequestBody>,
        target: AdapterTarget,
        config: Arc<str>,
    ) -> Call<'_, Result<Told<WirePlan>, Problem>> {
        let work = Work {
            cpu: self.room().limits.call(body.bytes().len()),
            body: Some(Arc::clone(body)),
            fingerprint: body.fingerprint(),
        };
        self.call(work, move |store, exports| {
            let target = questions::target(&target, &config);
            let answer = exports.provider.call_build_request(store, Resource::<Body>::new_own(0), target)?;
            Ok(match answer {
                Ok(request) => answers::wire_plan(request).map(Ok),
                Err(error) => Ok(Err(answers::provider_error(error))),
            })
        })
    }
}

impl BoundAdapter {
    /// Binds a provider's settings; the operator's base URL counts before the adapter's own.
    pub(crate) fn new(
        generation: &Arc<Generation<AdapterExports>>,
        telemetry_name: &Arc<str>,
        config: &str,
        base_url: Option<&str>,
    ) -> Result<Self, Problem> {
        let settings = generation.configure(config)?;
        let base_url = base_url
            .map(|url| url.trim_end_matches('/'))
            .or(settings.default_base_url.as_deref())
            .filter(|url| !url.is_empty())
            .ok_or_else(|| {
                Problem::new(Code::NoBaseUrl, "neither the operator nor the adapter names a base URL")
            })?;
        Ok(Self {
            generation: Arc::clone(generation),
            config: config.into(),
            base_url: base_url.into(),
            telemetry_name: Arc::clone(telemetry_name),
            settings,
            models: Mutex::default(),
        })
    }

    /// What a call takes along: it may run elsewhere.
    fn takes(&self, target: &AdapterTarget) -> (AdapterTarget, Arc<str>) {
        (target.clone(), Arc::clone(&self.config))
    }

    fn work(&self, target: &AdapterTarget, bytes: usize) -> Work {
        Work { fingerprint: target.request, ..Work::new(self.generation.room().limits.call(bytes)) }
    }
}

impl Adapter for BoundAdapter {
    fn plugin(&self) -> &PluginRef {
        &self.generation.plugin
    }

    fn base_url(&self) -> &Arc<str> {
        &self.base_url
    }

    fn auth(&self) -> &Auth {
        &self.settings.auth
    }

    fn accepts(&self, protocol: Protocol) -> bool {
        self.settings.accepts.contains(&protocol)
    }

    fn telemetry_name(&self) -> &str {
        &self.telemetry_name
    }

    fn model<'a>(&'a self, model: &'a str) -> Call<'a, Result<Arc<Capabilities>, PluginFault>> {
        if let Some(known) = lock(&self.models).get(model) {
            return Call::done(Ok(Arc::clone(known)));
        }
        self.generation.model(model, Arc::clone(&self.config)).map(move |found| {
            let found = Arc::new(found?);
            let mut models = lock(&self.models);
            if models.len() < KNOWN_MODELS {
                models.insert(model.into(), Arc::clone(&found));
            }
            Ok(found)
        })
    }

    fn build<'a>(
        &'a self,
        body: &'a Arc<RequestBody>,
        target: &'a AdapterTarget,
    ) -> Call<'a, Result<WirePlan, AdapterError>> {
        let (target, config) = self.takes(target);
        self.generation.build(body, target, config).map(told)
    }

    fn parse<'a>(
        &'a self,
        kind: Protocol,
        target: &'a AdapterTarget,
        reply: PlainReply,
    ) -> Call<'a, Result<Answer, AdapterError>> {
        let work = self.work(target, reply.body.len());
        let (target, config) = self.takes(target);
        let parsed = self.generation.call(work, move |store, exports| {
            let target = questions::target(&target, &config);
            let texts = questions::texts(&reply.headers);
            let headers = questions::headers(&texts);
            let reply = questions::reply(&reply, &headers);
            Ok(match exports.provider.call_parse_response(store, kind.as_str(), target, reply)? {
                Ok(answer) => answers::answer(answer).map(Ok),
                Err(error) => Ok(Err(answers::provider_error(error))),
            })
        });
        parsed.map(told)
    }

    fn classify<'a>(
        &'a self,
        target: &'a AdapterTarget,
        failure: RawFailure,
    ) -> Call<'a, Result<Failure, PluginFault>> {
        let work = self.work(target, failure.data.len());
        let (target, config) = self.takes(target);
        let status = failure.status;
        let classified = self.generation.call(work, move |store, exports| {
            let target = questions::target(&target, &config);
            let texts = questions::texts(&failure.headers);
            let headers = questions::headers(&texts);
            let failure = questions::failure(&failure, &headers);
            let error = exports.provider.call_classify(store, target, failure)?;
            Ok(Ok(answers::provider_error(error)))
        });
        classified.map(move |classified| Ok(Failure { status, ..classified? }))
    }

    fn decoder<'a>(
        &'a self,
        kind: Protocol,
        target: &'a AdapterTarget,
    ) -> Call<'a, Result<Box<dyn Decoder>, PluginFault>> {
        let work = self.work(target, 0);
        let (target, config) = self.takes(target);
        Call::of(async move {
            let decoder = WasmDecoder::open(&self.generation, work, kind, target, config).await?;
            Ok(Box::new(decoder) as Box<dyn Decoder>)
        })
    }

    fn render(&self, shape: Shape) -> Call<'_, Result<Option<PlainReply>, PluginFault>> {
        let work = Work::new(self.generation.room().limits.deadline);
        let rendered = self.generation.call(work, move |store, exports| {
            let Some(dialect) = &exports.dialect else { return Ok(Ok(None)) };
            let reply = dialect.call_render(store, questions::shape(&shape))?;
            Ok(reply.map(|r| answers::plain_reply(r.status, r.headers, r.body)).transpose())
        });
        rendered.map(|rendered| Ok(rendered?))
    }
}

fn told<T>(answer: Result<Told<T>, Problem>) -> Result<T, AdapterError> {
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(failure)) => Err(AdapterError::Provider(failure)),
        Err(problem) => Err(AdapterError::Plugin(problem.into())),
    }
}

/// The first problem, in full: operators correct one at a time.
pub(crate) fn config_problem(problems: Vec<seawall_core::ports::ConfigProblem>) -> Problem {
    let more = problems.len().saturating_sub(1);
    let Some(first) = problems.into_iter().next() else {
        return Problem::new(Code::BadConfig, "the plugin refuses the configuration without saying why");
    };
    let place =
        if first.path.is_empty() { "the configuration".to_owned() } else { format!("`{}`", first.path) };
    let rest = if more == 0 { String::new() } else { format!(" ({more} more)") };
    let mut problem =
        Problem::new(Code::BadConfig, answers::cut(&format!("{place}: {}{rest}", first.message)));
    if let Some(fix) = first.fix {
        problem.fix = answers::cut(&fix);
    }
    problem
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
