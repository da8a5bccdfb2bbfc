//! The world around a plugin: WASI with nothing in it.
//!
//! Language runtimes import clocks, randomness, standard streams and file systems even when a plugin uses none of them,
//! so each has to exist. All of it is answered here and nowhere else: no file, no directory, no variable, no argument,
//! output that nobody reads, input that has ended. No code of the host that could open a file or a socket is reachable
//! from a guest. A component that imports anything beyond this table is refused at load.
//!
//! A guest never waits: an epoch interrupts WebAssembly, not a blocked host call. Pauses of up to a millisecond (spin
//! locks and schedulers of language runtimes) count as over at once, longer ones end the call.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType, WasmList,
};
use wasmtime::{Result, StoreContextMut};

use crate::clock;
use crate::guest::{Guest, Stop};

const LONGEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_RANDOM: u64 = 64 << 10;

struct Input;
struct Output;
struct Pollable;
struct IoError;
struct Terminal;
struct Descriptor;
struct Entries;

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Cx<'a> = StoreContextMut<'a, Guest>;
type Written = std::result::Result<(), StreamError>;

/// Every interface that [`add_to_linker`] answers.
pub(crate) fn offers(import: &str) -> bool {
    let name = import.split('@').next().unwrap_or(import);
    matches!(
        name,
        "wasi:io/error"
            | "wasi:io/poll"
            | "wasi:io/streams"
            | "wasi:random/random"
            | "wasi:random/insecure"
            | "wasi:random/insecure-seed"
            | "wasi:filesystem/types"
            | "wasi:filesystem/preopens"
    ) || name.starts_with("wasi:cli/")
        || name.starts_with("wasi:clocks/")
}

/// Defines exactly what this component imports of WASI, under the versions that it names.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>, component: &Component) -> Result<()> {
    let engine = component.engine();
    for (import, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        if !offers(import) {
            continue;
        }
        let interface = import.split('@').next().unwrap_or(import);
        let mut linked = linker.instance(import)?;
        for (name, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::Resource(_) => {
                    if let Some(ty) = resource(name) {
                        linked.resource(name, ty, |_, _| Ok(()))?;
                    }
                }
                ComponentItem::ComponentFunc(_) => function(&mut linked, interface, name)?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn resource(name: &str) -> Option<ResourceType> {
    Some(match name {
        "input-stream" => ResourceType::host::<Input>(),
        "output-stream" => ResourceType::host::<Output>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "error" => ResourceType::host::<IoError>(),
        "terminal-input" | "terminal-output" => ResourceType::host::<Terminal>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        "directory-entry-stream" => ResourceType::host::<Entries>(),
        _ => return None,
    })
}

fn function(linked: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> Result<()> {
    match (interface, name) {
        ("wasi:cli/environment", "get-environment") => {
            linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((Vec::<(String, String)>::new(),)))
        }
        ("wasi:cli/environment", "get-arguments") => {
            linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((Vec::<String>::new(),)))
        }
        ("wasi:cli/environment", "initial-cwd") => {
            linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((None::<String>,)))
        }
        ("wasi:cli/exit", _) => linked.func_new(name, |_, _, _, _| Err(Stop::Exit.into())),
        ("wasi:cli/stdin", "get-stdin") => {
            linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((Resource::<Input>::new_own(0),)))
        }
        ("wasi:cli/stdout" | "wasi:cli/stderr", "get-stdout" | "get-stderr") => {
            linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((Resource::<Output>::new_own(0),)))
        }
        ("wasi:cli/terminal-stdin" | "wasi:cli/terminal-stdout" | "wasi:cli/terminal-stderr", _) => {
            linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((None::<Resource<Terminal>>,)))
        }
        ("wasi:filesystem/preopens", "get-directories") => {
            linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))
        }
        ("wasi:io/streams", _) => stream(linked, name),
        ("wasi:io/poll", _) => poll(linked, name),
        ("wasi:io/error", "[method]error.to-debug-string") => {
            linked.func_wrap(name, |_: Cx<'_>, (_,): (Resource<IoError>,)| Ok((String::new(),)))
        }
        ("wasi:clocks/monotonic-clock" | "wasi:clocks/wall-clock", _) => clocks(linked, interface, name),
        ("wasi:random/random" | "wasi:random/insecure" | "wasi:random/insecure-seed", _) => {
            random(linked, name)
        }
        // What is left needs a handle (an open file) that no guest can have.
        _ => not_offered(linked, interface, name),
    }
}

fn not_offered(linked: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> Result<()> {
    let full = format!("{interface}.{name}");
    linked.func_new(name, move |_, _, _, _| Err(Stop::NotOffered(full.clone()).into()))
}

fn stream(linked: &mut LinkerInstance<'_, Guest>, name: &str) -> Result<()> {
    match name {
        "[method]output-stream.check-write" => linked
            .func_wrap(name, |_: Cx<'_>, (_,): (Resource<Output>,)| Ok((Ok::<u64, StreamError>(1 << 20),))),
        // The bytes stay in the guest: a borrowed list copies nothing.
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => linked
            .func_wrap(name, |_: Cx<'_>, (_, _): (Resource<Output>, WasmList<u8>)| Ok((Written::Ok(()),))),
        "[method]output-stream.write-zeroes" | "[method]output-stream.blocking-write-zeroes-and-flush" => {
            linked.func_wrap(name, |_: Cx<'_>, (_, _): (Resource<Output>, u64)| Ok((Written::Ok(()),)))
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            linked.func_wrap(name, |_: Cx<'_>, (_,): (Resource<Output>,)| Ok((Written::Ok(()),)))
        }
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => linked
            .func_wrap(name, |_: Cx<'_>, (_, _): (Resource<Input>, u64)| {
                Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
            }),
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => linked
            .func_wrap(name, |_: Cx<'_>, (_, _): (Resource<Input>, u64)| {
                Ok((Err::<u64, _>(StreamError::Closed),))
            }),
        "[method]output-stream.splice" | "[method]output-stream.blocking-splice" => {
            linked.func_wrap(name, |_: Cx<'_>, (_, _, _): (Resource<Output>, Resource<Input>, u64)| {
                Ok((Err::<u64, _>(StreamError::Closed),))
            })
        }
        "[method]output-stream.subscribe" => linked
            .func_wrap(name, |_: Cx<'_>, (_,): (Resource<Output>,)| Ok((Resource::<Pollable>::new_own(0),))),
        "[method]input-stream.subscribe" => linked
            .func_wrap(name, |_: Cx<'_>, (_,): (Resource<Input>,)| Ok((Resource::<Pollable>::new_own(0),))),
        _ => not_offered(linked, "wasi:io/streams", name),
    }
}

/// Whatever can be waited for is ready: streams never block, and long pauses were refused when they were asked for.
fn poll(linked: &mut LinkerInstance<'_, Guest>, name: &str) -> Result<()> {
    match name {
        "poll" => linked.func_wrap(name, |_: Cx<'_>, (list,): (Vec<Resource<Pollable>>,)| {
            Ok(((0..u32::try_from(list.len())?).collect::<Vec<u32>>(),))
        }),
        "[method]pollable.ready" => {
            linked.func_wrap(name, |_: Cx<'_>, (_,): (Resource<Pollable>,)| Ok((true,)))
        }
        "[method]pollable.block" => linked.func_wrap(name, |_: Cx<'_>, (_,): (Resource<Pollable>,)| Ok(())),
        _ => not_offered(linked, "wasi:io/poll", name),
    }
}

fn clocks(linked: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> Result<()> {
    match (interface, name) {
        ("wasi:clocks/monotonic-clock", "now") => linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((now_ns(),))),
        ("wasi:clocks/monotonic-clock", "resolution") => {
            linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((1_u64,)))
        }
        ("wasi:clocks/monotonic-clock", "subscribe-duration") => {
            linked.func_wrap(name, |_: Cx<'_>, (ns,): (u64,)| Ok((pause(Duration::from_nanos(ns))?,)))
        }
        ("wasi:clocks/monotonic-clock", "subscribe-instant") => linked
            .func_wrap(name, |_: Cx<'_>, (at,): (u64,)| {
                Ok((pause(Duration::from_nanos(at.saturating_sub(now_ns())))?,))
            }),
        ("wasi:clocks/wall-clock", "now") => linked.func_wrap(name, |_: Cx<'_>, (): ()| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok((Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() },))
        }),
        ("wasi:clocks/wall-clock", "resolution") => {
            linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((Datetime { seconds: 0, nanoseconds: 1 },)))
        }
        _ => not_offered(linked, interface, name),
    }
}

fn pause(time: Duration) -> Result<Resource<Pollable>> {
    if time > LONGEST_PAUSE { Err(Stop::Sleeps.into()) } else { Ok(Resource::new_own(0)) }
}

fn now_ns() -> u64 {
    u64::try_from(clock::uptime().as_nanos()).unwrap_or(u64::MAX)
}

/// Enough for hash maps. Decisions get their random values as arguments, and no plugin has anything to encrypt.
fn random(linked: &mut LinkerInstance<'_, Guest>, name: &str) -> Result<()> {
    match name {
        "get-random-u64" | "get-insecure-random-u64" => {
            linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((seed(0),)))
        }
        "insecure-seed" | "get-insecure-seed" => {
            linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok(((seed(0), seed(1)),)))
        }
        "get-random-bytes" | "get-insecure-random-bytes" => {
            linked.func_wrap(name, |_: Cx<'_>, (len,): (u64,)| {
                if len > LONGEST_RANDOM {
                    return Err(Stop::NotOffered(format!("randomness for {len} bytes at once")).into());
                }
                let len = usize::try_from(len)?;
                let words = (0_u64..).take(len.div_ceil(8));
                let mut bytes: Vec<u8> = words.flat_map(|n| seed(n).to_le_bytes()).collect();
                bytes.truncate(len);
                Ok((bytes,))
            })
        }
        _ => not_offered(linked, "wasi:random", name),
    }
}

fn seed(n: u64) -> u64 {
    RandomState::new().hash_one(n)
}
