//! The world around a plugin: WASI with nothing in it.
//!
//! Language runtimes import clocks, randomness, standard streams and file systems even when a plugin uses none of them,
//! so each has to exist. A component that imports anything beyond this table is refused at load.
//!
//! | interfaces | answered by | why |
//! |---|---|---|
//! | `wasi:random/*`, `wasi:clocks/wall-clock`, `wasi:cli/{environment, exit}` | the stock implementation, with an empty context ([`stock`]) | it answers at once, and no handle comes of it |
//! | `wasi:io/*`, `wasi:clocks/monotonic-clock` | this file | the stock `poll` and streams block inside their host call, where no epoch interrupts them; who answers `poll` has to make every pollable |
//! | `wasi:cli/{stdin, stdout, stderr, terminal-*}` | this file | they hand out those streams: output that nobody reads, input that has ended |
//! | `wasi:filesystem/*` | this file | no directory, and no code that could open a file is reachable from a guest |
//! | `wasi:sockets/*` and all else | nobody | refused |
//!
//! A guest never waits: an epoch interrupts WebAssembly, not a blocked host call. Pauses of up to a millisecond (spin
//! locks and schedulers of language runtimes) count as over at once, longer ones end the call.

pub(crate) mod stock;

use std::time::Duration;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType, WasmList,
};
use wasmtime::{Result, StoreContextMut};

use crate::clock;
use crate::guest::{Guest, Stop};

const LONGEST_PAUSE: Duration = Duration::from_millis(1);

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

type Cx<'a> = StoreContextMut<'a, Guest>;
type Written = std::result::Result<(), StreamError>;

/// Every interface that [`add_to_linker`] answers.
pub(crate) fn offers(import: &str) -> bool {
    if stock::knows(import) { stock::answers(import) } else { answers(import) }
}

/// What is answered here, whatever its version: the shapes are those that the component names.
fn answers(import: &str) -> bool {
    let name = interface(import);
    matches!(
        name,
        "wasi:io/error"
            | "wasi:io/poll"
            | "wasi:io/streams"
            | "wasi:filesystem/types"
            | "wasi:filesystem/preopens"
    ) || name.starts_with("wasi:cli/")
        || name.starts_with("wasi:clocks/")
}

/// An import without its version.
fn interface(import: &str) -> &str {
    import.split('@').next().unwrap_or(import)
}

/// Defines what this component imports of WASI.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>, component: &Component) -> Result<()> {
    stock::add_to_linker(linker)?;
    let engine = component.engine();
    for (import, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        if stock::knows(import) || !answers(import) {
            continue;
        }
        let interface = interface(import);
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
        ("wasi:clocks/monotonic-clock", _) => clock(linked, name),
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

fn clock(linked: &mut LinkerInstance<'_, Guest>, name: &str) -> Result<()> {
    match name {
        "now" => linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((now_ns(),))),
        "resolution" => linked.func_wrap(name, |_: Cx<'_>, (): ()| Ok((1_u64,))),
        "subscribe-duration" => {
            linked.func_wrap(name, |_: Cx<'_>, (ns,): (u64,)| Ok((pause(Duration::from_nanos(ns))?,)))
        }
        "subscribe-instant" => linked.func_wrap(name, |_: Cx<'_>, (at,): (u64,)| {
            Ok((pause(Duration::from_nanos(at.saturating_sub(now_ns())))?,))
        }),
        _ => not_offered(linked, "wasi:clocks/monotonic-clock", name),
    }
}

fn pause(time: Duration) -> Result<Resource<Pollable>> {
    if time > LONGEST_PAUSE { Err(Stop::Sleeps.into()) } else { Ok(Resource::new_own(0)) }
}

fn now_ns() -> u64 {
    u64::try_from(clock::uptime().as_nanos()).unwrap_or(u64::MAX)
}
