//! One attempt: encode, fault, transport, decode up to the commit point. It ends in an answer or in a classified
//! failure; whatever happens on the way, nothing has reached the client before it says so.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, timeout_at};

use crate::body::RequestBody;
use crate::cascade::{Candidate, Case, Engine};
use crate::class::{Class, Failure, Side};
use crate::event::{FinishReason, Usage};
use crate::fault::FaultQuestion;
use crate::ports::{
    AdapterError, AdapterTarget, Answer, ByteSource, Call, Framing, PlainReply, PluginFault, RawFailure,
    ReplyFormat, TransportFailure, WirePlan, WireReply, WireRequest,
};
use crate::protocol::{self, AnswerFacts, Inspected, WriterContext};
use crate::reading::{Reading, ReadingSetup};
use crate::record::Injection;
use crate::request::{Protocol, Request};
use crate::settings::Atomic;
use crate::splice::{self, Joint};
use crate::target::TargetId;
use crate::targets::Lesson;
use crate::trace::Leg;

/// Everything one attempt needs to know.
pub(crate) struct Attempt {
    pub(crate) case: Case,
    pub(crate) candidate: Candidate,
    /// The request in a protocol that the adapter takes.
    pub(crate) body: Arc<RequestBody>,
    /// Which of the request's calls it is.
    pub(crate) leg: Leg,
    /// When this attempt must have shown content (streamed) or its answer (plain).
    pub(crate) until: Instant,
    /// The stream that this attempt is to go on in; apart, for few attempts have one and all are moved.
    pub(crate) joint: Option<Box<Joint>>,
    /// Where chaos says what it did to it; none where nothing was armed when it began.
    pub(crate) injection: Option<Injection>,
    /// What the call may teach; only while faults are armed.
    pub(crate) lesson: Option<Arc<Lesson>>,
}

/// How an attempt ended.
pub(crate) enum Ended {
    /// A whole plain answer in the client's protocol.
    Answer { body: Bytes, usage: Option<Usage> },
    /// A stream at its commit point: the first bytes for the client, and the rest to come.
    Stream { first: BytesMut, reading: Box<Reading> },
    /// A complete answer with nothing in it: the next target may do better, and if none does this is the answer.
    Empty(EmptyAnswer),
    /// A failure.
    Failed(Failure),
}

/// The empty answer, ready to be sent after all.
pub(crate) enum EmptyAnswer {
    Plain(Bytes),
    Stream(Bytes),
}

impl Attempt {
    /// Makes the call.
    pub(crate) async fn run(&self) -> Ended {
        let target = AdapterTarget {
            model: Arc::clone(&self.candidate.target().model),
            max_output_tokens: self.case.request.facts.max_output_tokens,
            streaming: self.case.request.facts.stream,
            request: self.body.fingerprint(),
        };
        match self.try_run(&target).await {
            Ok(ended) => ended,
            Err(failure) => Ended::Failed(self.charged(failure)),
        }
    }

    /// What follows from an injected fault is not the provider's.
    fn charged(&self, failure: Failure) -> Failure {
        let injected = self.lesson.as_ref().is_some_and(|lesson| lesson.is_spoilt());
        if injected && failure.side == Side::Upstream { failure.on(Side::Chaos) } else { failure }
    }

    async fn try_run(&self, target: &AdapterTarget) -> Result<Ended, Failure> {
        let plan =
            self.candidate.adapter.build(&self.body, target).await.map_err(|e| self.adapter_failure(e))?;
        let format = plan.reply;
        let wire = self.wire_request(plan)?;
        let reply = self.in_time(self.send(wire)).await?.map_err(transport_failure)?;
        if !(200..300).contains(&reply.status) {
            return Err(self.refused(target, reply).await?);
        }
        if self.case.request.facts.stream {
            self.open_stream(target, format, reply).await
        } else {
            self.whole_answer(target, format, reply).await
        }
    }

    /// Fills the adapter's plan in with what is the host's: body bytes, base URL, auth scheme, limits.
    fn wire_request(&self, plan: WirePlan) -> Result<WireRequest, Failure> {
        let body = self.body.apply(&plan.body).map_err(|error| {
            let message = format!("the adapter's request body cannot be used: {error}");
            self.plugin_failure(PluginFault { code: "P040", message, busy: false })
        })?;
        let mut headers = plan.headers;
        self.trace(&mut headers);
        Ok(WireRequest {
            provider: Arc::clone(&self.candidate.target().provider),
            auth: self.candidate.adapter.auth().clone(),
            base_url: Arc::clone(self.candidate.adapter.base_url()),
            path_and_query: plan.path_and_query,
            method: plan.method,
            headers,
            body,
            connect_timeout: self.case.alias.timeouts.connect,
        })
    }

    /// The upstream learns which trace it belongs to, and nothing else that the client sent beside it.
    fn trace(&self, headers: &mut HeaderMap) {
        let Some(trace) = &self.case.request.trace else { return };
        if let Ok(parent) = HeaderValue::try_from(trace.parent_of(self.leg)) {
            headers.insert(HeaderName::from_static("traceparent"), parent);
        }
        if let Some(state) = trace.state.as_deref().and_then(|state| HeaderValue::from_str(state).ok()) {
            headers.insert(HeaderName::from_static("tracestate"), state);
        }
    }

    /// Transport, with whatever chaos has armed for this attempt in between.
    fn send(&self, wire: WireRequest) -> Call<'_, Result<WireReply, TransportFailure>> {
        let engine = &self.case.engine;
        let Some(injection) = &self.injection else {
            return engine.upstream.send(wire);
        };
        Call::of(async move {
            let Some(wish) = self.case.alias.targets.get(self.candidate.wish) else {
                return engine.upstream.send(wire).await;
            };
            let question = FaultQuestion {
                request: &self.case.request,
                alias: &self.case.alias,
                wish,
                capabilities: &self.candidate.capabilities,
                number: self.leg.number(),
                adapter: &self.candidate.adapter,
                injection,
                plugins: &self.case.plugins,
                targets: &engine.targets,
            };
            engine.chaos.send(&question, engine.upstream.as_ref(), wire, self.lesson.as_deref()).await
        })
    }

    /// Runs a step of this attempt under its limit; the limit that struck decides the class.
    async fn in_time<T>(&self, step: impl Future<Output = T>) -> Result<T, Failure> {
        let limit = self.until.min(self.case.deadline);
        timeout_at(limit, step).await.map_err(|_| {
            if self.case.deadline <= self.until {
                return Failure::new(Class::TimeoutTotal, "the request's deadline passed");
            }
            let what =
                if self.case.request.facts.stream { "no content in time" } else { "no answer in time" };
            Failure::new(Class::TimeoutFirstToken, what)
        })
    }

    /// A status that is no success, as the adapter understands it.
    async fn refused(&self, target: &AdapterTarget, reply: WireReply) -> Result<Failure, Failure> {
        const ERROR_BODY_CAP: usize = 256 * 1024;
        let WireReply { status, headers, body } = reply;
        if status < 400 {
            let message =
                format!("the provider answered with status {status}, which is neither answer nor error");
            return Ok(Failure { status: Some(status), ..Failure::new(Class::ServerError, message) });
        }
        // A broken error body is still an error: classify what came.
        let data = self.in_time(read_up_to(body, ERROR_BODY_CAP)).await?;
        self.classify(target, RawFailure { status: Some(status), headers, data, in_stream: false }).await
    }

    async fn classify(&self, target: &AdapterTarget, raw: RawFailure) -> Result<Failure, Failure> {
        let status = raw.status;
        let failure =
            self.candidate.adapter.classify(target, raw).await.map_err(|f| self.plugin_failure(f))?;
        Ok(Failure { status: failure.status.or(status), ..failure })
    }

    async fn whole_answer(
        &self,
        target: &AdapterTarget,
        format: ReplyFormat,
        reply: WireReply,
    ) -> Result<Ended, Failure> {
        let WireReply { status, mut headers, body } = reply;
        let cap = self.case.engine.limits.max_answer_bytes;
        let body = self.in_time(read_whole(body, cap)).await?.map_err(transport_failure)?;
        let spoken = self.body.protocol();
        let translated = matches!(format, ReplyFormat::Custom(_));
        let told = if translated {
            // What an adapter has read needs the headers no more: it tells of an error by itself.
            let reply = PlainReply { status, headers: std::mem::take(&mut headers), body };
            let parsed = self.candidate.adapter.parse(spoken, target, reply).await;
            parsed.map_err(|e| self.adapter_failure(e))?
        } else {
            Answer::Body(body)
        };
        let by_adapter = translated && matches!(told, Answer::Body(_));
        let (answer, facts) = match told {
            Answer::Events(events) if spoken == Protocol::Chat => {
                protocol::write_chat_answer(events, &self.writer_context())?
            }
            Answer::Events(_) => {
                return Err(malformed("the adapter told an answer as events that is no chat"));
            }
            Answer::Body(answer) => match protocol::inspect_answer(spoken, &answer) {
                Inspected::Answer(facts) => (answer, facts),
                Inspected::Error => {
                    let raw = RawFailure { status: Some(status), headers, data: answer, in_stream: false };
                    return Err(self.classify(target, raw).await?);
                }
                Inspected::Malformed(why) => return Err(malformed(&why)),
            },
        };
        let AnswerFacts { empty, usage, finish } = facts;
        let empty = empty && finish.is_none_or(|reason| reason == FinishReason::Stop);
        let answer = self.for_client(spoken, by_adapter, answer).map_err(|why| malformed(&why))?;
        Ok(if empty {
            Ended::Empty(EmptyAnswer::Plain(answer))
        } else {
            Ended::Answer { body: answer, usage }
        })
    }

    /// For an answer that the host itself writes.
    fn writer_context(&self) -> WriterContext {
        WriterContext {
            id: protocol::answer_id(Protocol::Chat, self.case.request.id),
            model: self.candidate.target().model.to_string(),
            pin_model: false,
            created_s: self.case.engine.wall_seconds(),
            include_usage: true,
        }
    }

    /// The answer in the client's protocol, under the name that the client is to see.
    fn for_client(&self, spoken: Protocol, by_adapter: bool, answer: Bytes) -> Result<Bytes, String> {
        let answer = match (spoken, self.case.request.protocol) {
            (Protocol::Chat, Protocol::Messages) => {
                protocol::chat_answer_to_messages(&answer, &self.candidate.target().model)?
            }
            (Protocol::Chat, _) if by_adapter => {
                protocol::stamp_created(&answer, self.case.engine.wall_seconds())?
            }
            (Protocol::Embeddings, _) if by_adapter => protocol::encode_vectors(&self.body, answer)?,
            _ => answer,
        };
        match self.case.report_model() {
            Some(alias) => protocol::rename_model(&answer, alias),
            None => Ok(answer),
        }
    }

    /// Reads until the commit point, an honest end, or a failure.
    async fn open_stream(
        &self,
        target: &AdapterTarget,
        format: ReplyFormat,
        reply: WireReply,
    ) -> Result<Ended, Failure> {
        const PREAMBLE_CAP: usize = 1024 * 1024;
        if is_whole_document(&reply.headers) && !matches!(format, ReplyFormat::Custom(f) if f != Framing::Sse)
        {
            return self.document_instead_of_stream(target, format, reply).await;
        }
        let decoder = match format {
            ReplyFormat::Same => None,
            ReplyFormat::Watched | ReplyFormat::Custom(_) => {
                let decoder = self.candidate.adapter.decoder(self.body.protocol(), target).await;
                Some(decoder.map_err(|f| self.plugin_failure(f))?)
            }
        };
        let mut reading = Box::new(Reading::new(ReadingSetup {
            adapter: Arc::clone(&self.candidate.adapter),
            target: target.clone(),
            format,
            decoder,
            spoken: self.body.protocol(),
            client: self.case.request.protocol,
            include_usage: self.case.request.facts.include_usage,
            choices: self.case.request.facts.choices,
            report_model: self.case.report_model().cloned(),
            fallback_id: self.case.request.id,
            created_s: self.case.engine.wall_seconds(),
            max_event_bytes: self.case.engine.limits.max_event_bytes,
            headers: reply.headers,
            source: reply.body,
            atomic: self.case.alias.streams.atomic,
            wants_json: self.case.alias.streams.atomic == Atomic::ToolsAndJson
                && protocol::wants_json(&self.case.request.body),
            follows: splice::may_be_spliced(&self.case.request),
            joint: self.joint.as_deref().cloned(),
        }));
        let mut held = BytesMut::new();
        loop {
            let batch = self.in_time(reading.next()).await?;
            held.extend_from_slice(&batch.bytes);
            if batch.content {
                reading.put_back(batch.end);
                return Ok(Ended::Stream { first: held, reading });
            }
            match batch.end {
                None if held.len() > PREAMBLE_CAP => return Err(malformed("a preamble without end")),
                None => {}
                Some(Ok(())) if reading.finish_reason() == Some(FinishReason::Stop) => {
                    return Ok(Ended::Empty(EmptyAnswer::Stream(held.freeze())));
                }
                Some(Ok(())) => {
                    reading.put_back(Some(Ok(())));
                    return Ok(Ended::Stream { first: held, reading });
                }
                Some(Err(failure)) => return Err(failure),
            }
        }
    }

    /// A stream was asked for and a JSON or HTML document came: most often an error inside a 200.
    async fn document_instead_of_stream(
        &self,
        target: &AdapterTarget,
        format: ReplyFormat,
        reply: WireReply,
    ) -> Result<Ended, Failure> {
        let WireReply { status, headers, body } = reply;
        let cap = self.case.engine.limits.max_answer_bytes;
        let data = self.in_time(read_whole(body, cap)).await?.map_err(transport_failure)?;
        let is_error = matches!(format, ReplyFormat::Custom(_))
            || matches!(protocol::inspect_answer(self.body.protocol(), &data), Inspected::Error);
        if is_error && serde_json::from_slice::<serde::de::IgnoredAny>(&data).is_ok() {
            let raw = RawFailure { status: Some(status), headers, data, in_stream: false };
            return Err(self.classify(target, raw).await?);
        }
        Err(malformed("a document came where a stream was asked for"))
    }

    fn adapter_failure(&self, error: AdapterError) -> Failure {
        match error {
            AdapterError::Provider(failure) => failure,
            AdapterError::Plugin(fault) => self.plugin_failure(fault),
        }
    }

    fn plugin_failure(&self, fault: PluginFault) -> Failure {
        plugin_failure(&self.case.engine, &self.case.request, self.candidate.target(), fault)
    }
}

/// Tells the observer and makes the failure; a busy plugin is back-pressure and reads as an overload of our own.
pub(crate) fn plugin_failure(
    engine: &Engine,
    request: &Request,
    target: &TargetId,
    fault: PluginFault,
) -> Failure {
    let class = if fault.busy { Class::Overloaded } else { Class::PluginFault };
    let failure = Failure {
        code: Some(fault.code.to_owned()),
        ..Failure::new(class, "the provider's adapter could not handle this request")
    };
    engine.observer.note(crate::note::Note::PluginFault {
        id: request.id,
        target: target.clone(),
        code: fault.code,
        message: fault.message,
    });
    failure.on(if fault.busy { Side::Gateway } else { Side::Plugin })
}

/// A reply that is not what an API of its kind promises: the provider's failure.
pub(crate) fn malformed(why: &str) -> Failure {
    Failure {
        code: Some("malformed_answer".to_owned()),
        ..Failure::new(Class::ServerError, format!("the provider's answer cannot be read: {why}"))
    }
}

/// What a transport failure before any content means.
pub(crate) fn transport_failure(failure: TransportFailure) -> Failure {
    let class = match failure {
        TransportFailure::Connect(_) | TransportFailure::Reset(_) => Class::Connect,
        TransportFailure::ConnectTimeout => Class::TimeoutConnect,
        TransportFailure::Body(_) | TransportFailure::TooLarge { .. } => Class::ServerError,
    };
    let message = match &failure {
        TransportFailure::Connect(_) => "no connection to the provider",
        TransportFailure::ConnectTimeout => "no connection to the provider in time",
        TransportFailure::Reset(_) => "the provider closed the connection before an answer",
        TransportFailure::Body(_) => "the provider's answer broke off",
        TransportFailure::TooLarge { .. } => "the provider's answer is larger than the configured limit",
    };
    // Operators need the difference between a refused connection and a name that does not resolve.
    let code = match failure {
        TransportFailure::Connect(why) | TransportFailure::Reset(why) | TransportFailure::Body(why) => {
            Some(why)
        }
        TransportFailure::ConnectTimeout | TransportFailure::TooLarge { .. } => None,
    };
    Failure { code, ..Failure::new(class, message) }
}

/// Whether the content type says that this is one document and no stream.
fn is_whole_document(headers: &HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    kind.starts_with("application/json") || kind.starts_with("text/html")
}

/// Reads a whole body; one that fits in a single chunk is not copied.
async fn read_whole(mut source: Box<dyn ByteSource>, cap: usize) -> Result<Bytes, TransportFailure> {
    let Some(first) = next_bytes(&mut source).await else { return Ok(Bytes::new()) };
    let first = first?;
    let Some(second) = next_bytes(&mut source).await else {
        return if first.len() > cap {
            Err(TransportFailure::TooLarge { limit_bytes: cap })
        } else {
            Ok(first)
        };
    };
    let mut whole = BytesMut::from(first);
    whole.extend_from_slice(&second?);
    while let Some(chunk) = next_bytes(&mut source).await {
        whole.extend_from_slice(&chunk?);
        if whole.len() > cap {
            return Err(TransportFailure::TooLarge { limit_bytes: cap });
        }
    }
    Ok(whole.freeze())
}

/// Reads what comes of a body, at most `cap` bytes, and takes a break as the end.
async fn read_up_to(mut source: Box<dyn ByteSource>, cap: usize) -> Bytes {
    let mut whole = BytesMut::new();
    while let Some(Ok(chunk)) = next_bytes(&mut source).await {
        let room = cap.saturating_sub(whole.len());
        whole.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        if whole.len() >= cap {
            break;
        }
    }
    whole.freeze()
}

/// The next bytes of a source.
pub(crate) async fn next_bytes(source: &mut Box<dyn ByteSource>) -> Option<Result<Bytes, TransportFailure>> {
    std::future::poll_fn(|cx| source.poll_bytes(cx)).await
}

/// When an attempt must have shown something: its own limit, and at most 60 % of what is left unless it is the last
/// candidate, so that the next one still has a chance.
pub(crate) fn attempt_limit(now: Instant, deadline: Instant, limit: Duration, last: bool) -> Instant {
    const SHARE_OF_REST: f64 = 0.6;
    let left = deadline.saturating_duration_since(now);
    let share = if last { left } else { left.mul_f64(SHARE_OF_REST) };
    now + limit.min(share)
}
