//! Reads one upstream stream in an instance of its own, which pins the generation to the stream's end.

use std::sync::Arc;

use seawall_core::event::{StreamEvent, WireEvent};
use seawall_core::ports::{AdapterTarget, Call, Decoder, PluginFault};
use seawall_core::request::Protocol;
use wasmtime::component::ResourceAny;

use crate::contract::v0_1::{answers, questions};
use crate::diagnose::Problem;
use crate::generation::{Generation, Session};
use crate::instance::Work;
use crate::kinds::adapter::AdapterExports;

pub(crate) struct WasmDecoder {
    generation: Arc<Generation<AdapterExports>>,
    session: Session<AdapterExports>,
    decoder: ResourceAny,
    fingerprint: u64,
}

impl WasmDecoder {
    pub(crate) async fn open(
        generation: &Arc<Generation<AdapterExports>>,
        work: Work,
        kind: Protocol,
        target: AdapterTarget,
        config: Arc<str>,
    ) -> Result<Self, Problem> {
        let fingerprint = work.fingerprint;
        let mut session = generation.session()?;
        let open = generation.step_anywhere(&mut session, work, move |store, exports| {
            let target = questions::target(&target, &config);
            Ok(Ok(exports.provider.stream_decoder().call_constructor(store, kind.as_str(), target)?))
        });
        let decoder = open.await?;
        Ok(Self { generation: Arc::clone(generation), session, decoder, fingerprint })
    }

    fn work(&self, bytes: usize) -> Work {
        Work { fingerprint: self.fingerprint, ..Work::new(self.generation.room().limits.call(bytes)) }
    }
}

impl Decoder for WasmDecoder {
    fn feed(&mut self, events: Vec<WireEvent>) -> Call<'_, Result<Vec<StreamEvent>, PluginFault>> {
        let work = self.work(events.iter().map(|event| event.data.len()).sum());
        let decoder = self.decoder;
        let fed = self.generation.step_anywhere(&mut self.session, work, move |store, exports| {
            let headers: Vec<_> = events.iter().map(|event| questions::headers(&event.headers)).collect();
            let with_headers = events.iter().zip(&headers);
            let events: Vec<_> = with_headers.map(|(event, own)| questions::wire_event(event, own)).collect();
            let out = exports.provider.stream_decoder().call_feed(store, decoder, &events)?;
            Ok(answers::stream_events(out))
        });
        fed.map(|fed| Ok(fed?))
    }

    fn finish(&mut self) -> Call<'_, Result<Vec<StreamEvent>, PluginFault>> {
        let work = self.work(0);
        let decoder = self.decoder;
        Call::of(async move {
            let mut session = self.session.take();
            let finished = self.generation.step_anywhere(&mut session, work, move |store, exports| {
                let out = exports.provider.stream_decoder().call_finish(&mut *store, decoder)?;
                decoder.resource_drop(store)?;
                Ok(answers::stream_events(out))
            });
            let events = finished.await?;
            self.generation.give_back(session);
            Ok(events)
        })
    }
}
