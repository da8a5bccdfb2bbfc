//! What the host keeps beside each instance, and what it offers a plugin: a log and a look at the request.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use seawall_core::body::RequestBody;
use wasmtime::component::Resource;
use wasmtime::{StoreContextMut, UpdateDeadline};

use crate::ambient::stock::Stock;
use crate::clock;
use crate::contract::v0_1::imports;
use crate::contract::v0_1::imports::host::Level;
use crate::limits::Meter;
use crate::logs::LogBook;

/// The contract's `request-body`: there is one at a time in an instance, so the handle carries nothing.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct Body;

/// The host's side of one instance.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) meter: Meter,
    pub(crate) deadline: Deadline,
    pub(crate) body: Option<Arc<RequestBody>>,
    pub(crate) client_headers: Arc<[HeaderName]>,
    pub(crate) logs: Arc<LogBook>,
    pub(crate) stock: Stock,
}

/// Something a guest must not do; ends its call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the plugin tried to sleep or wait")]
    Sleeps,
    #[error("the plugin tried to exit")]
    Exit,
    #[error("the plugin called {0}, which this host does not offer")]
    NotOffered(String),
    #[error("the plugin used the request body after its call")]
    NoBody,
}

impl Guest {
    fn request(&self) -> wasmtime::Result<&Arc<RequestBody>> {
        self.body.as_ref().ok_or_else(|| Stop::NoBody.into())
    }
}

impl imports::types::Host for Guest {}

impl imports::host::Host for Guest {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.logs.write(level, &message);
        Ok(())
    }
}

impl imports::host::HostRequestBody for Guest {
    fn protocol(&mut self, _body: Resource<Body>) -> wasmtime::Result<String> {
        Ok(self.request()?.protocol().as_str().to_owned())
    }

    fn json(&mut self, _body: Resource<Body>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.request()?.guest_json().to_vec())
    }

    fn member(&mut self, _body: Resource<Body>, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.request()?.guest_member(&name).map(str::to_owned))
    }

    fn size(&mut self, _body: Resource<Body>) -> wasmtime::Result<u64> {
        Ok(u64::try_from(self.request()?.bytes().len()).unwrap_or(u64::MAX))
    }

    fn header(&mut self, _body: Resource<Body>, name: String) -> wasmtime::Result<Option<String>> {
        let allowed = self.client_headers.iter().any(|header| header.as_str().eq_ignore_ascii_case(&name));
        Ok(if allowed { self.request()?.header(&name).map(str::to_owned) } else { None })
    }

    fn drop(&mut self, _body: Resource<Body>) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// How much CPU time the running call may still use.
///
/// Epochs count wall time, and a busy machine may have taken the thread away meanwhile; so the first epoch that strikes
/// only starts the measurement of CPU time, half way, and the call ends when the thread has really used the other half.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    half: Duration,
    measured_from: Option<Duration>,
    /// The deadline ended the call.
    pub(crate) missed: bool,
}

impl Deadline {
    /// Starts anew; the result is the number of epochs until [`Deadline::strike`] must be asked.
    pub(crate) fn arm(&mut self, cpu: Duration) -> u64 {
        *self = Self { half: cpu / 2, measured_from: None, missed: false };
        ticks(self.half)
    }

    pub(crate) fn strike(mut cx: StoreContextMut<'_, Guest>) -> wasmtime::Result<UpdateDeadline> {
        let deadline = &mut cx.data_mut().deadline;
        let cpu = clock::thread_cpu();
        let from = *deadline.measured_from.get_or_insert(cpu);
        let left = deadline.half.saturating_sub(cpu.saturating_sub(from));
        if left.is_zero() {
            deadline.missed = true;
            return Ok(UpdateDeadline::Interrupt);
        }
        Ok(UpdateDeadline::Continue(ticks(left)))
    }
}

/// Whole epochs that last at least as long: the current one may be nearly over.
fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX / 2).saturating_add(1)
}
