//! The simulated network: every provider behind one [`Upstream`], each with dice, a rate limit and a script.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use seawall_core::ports::{Call, TransportFailure, Upstream, WireReply, WireRequest};
use seawall_core::request::RequestId;
use seawall_core::target::{ProviderName, TargetId};
use tokio::time::sleep;

use crate::call::{OpenCall, Pieces};
use crate::dice::{Dice, seconds};
use crate::fate::{Fate, Question};
use crate::log::{Event, Log};
use crate::order::{ORDER_HEADER, Order};
use crate::provider::{Conduct, Profile, Script};
use crate::speech::{self, Voice};

/// The adapter names the model here, so that no body need be parsed.
pub(crate) const MODEL_HEADER: HeaderName = HeaderName::from_static("x-simulated-model");
/// Present when a stream is wanted.
pub(crate) const STREAM_HEADER: HeaderName = HeaderName::from_static("x-simulated-stream");

/// One provider's moving parts.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) profile: Profile,
    pub(crate) dice: Dice,
    pub(crate) under_way: u32,
    /// Requests that may still come now, and when that was computed.
    pub(crate) allowance: (f64, Duration),
}

/// The calls that one order took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many.
    pub made: u32,
    /// Which provider got the first.
    pub first: Option<usize>,
}

/// All providers.
pub struct Providers {
    pub(crate) log: Arc<Log>,
    script: Box<dyn Script>,
    names: BTreeMap<ProviderName, usize>,
    desks: Vec<Mutex<Desk>>,
    orders: Mutex<BTreeMap<RequestId, (Order, Calls)>>,
    calls: AtomicU64,
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers").field("script", &self.script).finish_non_exhaustive()
    }
}

/// Calls a provider takes at once before its rate limit counts, as in the notes' simulator.
const FIRST_ALLOWANCE: f64 = 20.0;

impl Providers {
    /// Opens for business.
    pub fn open(log: Arc<Log>, profiles: Vec<Profile>, script: Box<dyn Script>, seed: u64) -> Self {
        let names =
            profiles.iter().enumerate().map(|(index, profile)| (Arc::from(profile.name), index)).collect();
        let desk = |(profile, party)| {
            let allowance = (FIRST_ALLOWANCE, Duration::ZERO);
            Mutex::new(Desk { profile, dice: Dice::for_party(seed, party), under_way: 0, allowance })
        };
        let desks = profiles.into_iter().zip(1_000..).map(desk).collect();
        Self { log, script, names, desks, orders: Mutex::default(), calls: AtomicU64::new(0) }
    }

    /// Tells the providers what the right answer is; nobody but them and the client knows.
    pub fn expect(&self, order: &Order) {
        lock(&self.orders).insert(order.id, (order.clone(), Calls::default()));
    }

    /// The order is over: which calls it took.
    pub fn forget(&self, id: RequestId) -> Calls {
        lock(&self.orders).remove(&id).map(|(_, calls)| calls).unwrap_or_default()
    }

    /// Calls received so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Calls under way, over all providers.
    pub fn under_way(&self) -> u32 {
        self.desks.iter().map(|desk| lock(desk).under_way).sum()
    }

    pub(crate) fn desk(&self, provider: usize) -> Option<MutexGuard<'_, Desk>> {
        self.desks.get(provider).map(lock)
    }

    /// Takes a call and decides its fate. A call without an order is one that the world has forgotten: it is served as
    /// the smallest order there is.
    fn take(self: &Arc<Self>, request: &WireRequest) -> Option<(OpenCall, Fate)> {
        let provider = *self.names.get(&request.provider)?;
        let header = |name: &HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok());
        let id = RequestId(header(&ORDER_HEADER)?.parse().ok()?);
        let target = TargetId::new(Arc::clone(&request.provider), header(&MODEL_HEADER)?);
        let order = match lock(&self.orders).get_mut(&id) {
            Some((order, calls)) => {
                calls.made += 1;
                calls.first.get_or_insert(provider);
                order.clone()
            }
            None => Order::new(id.0, &Arc::from("forgotten")),
        };
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        self.log.write(Event::CallBegan { call: number, request: id, target: target.clone() });
        let at = self.log.elapsed();
        let mut desk = self.desk(provider)?;
        desk.under_way += 1;
        let conduct = match self.script.fault_for(provider, id) {
            Some(fault) => Conduct { faults: vec![(1.0, fault)], ..Conduct::PERFECT },
            None => self.script.conduct(provider, &desk.profile.usual, at),
        };
        let question = Question {
            voice: Voice { target, separator: desk.profile.separator },
            stream: header(&STREAM_HEADER).is_some(),
            said: speech::already_said(&request.body),
            order,
            connect: request.connect_timeout,
        };
        let fate = Fate::decide(&mut desk, &conduct, &question, at);
        drop(desk);
        Some((OpenCall::new(Arc::clone(self), provider, number), fate))
    }
}

/// The port, on shared providers.
#[derive(Debug)]
pub struct Network(pub Arc<Providers>);

impl Upstream for Network {
    fn send(&self, request: WireRequest) -> Call<'_, Result<WireReply, TransportFailure>> {
        Call::of(async move {
            let Some((mut call, fate)) = self.0.take(&request) else {
                return Err(TransportFailure::Connect("nobody of that name".to_owned()));
            };
            sleep(seconds(fate.headers_after_s)).await;
            match fate.reply {
                Ok((status, headers, steps)) => {
                    let body = Box::new(Pieces::new(steps, call));
                    Ok(WireReply { status, headers: header_map(&headers), body })
                }
                Err(None) => std::future::pending().await,
                Err(Some(failure)) => {
                    call.said();
                    Err(failure)
                }
            }
        })
    }
}

fn header_map(headers: &[(&'static str, String)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, String)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
    };
    headers.iter().filter_map(pair).collect()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
