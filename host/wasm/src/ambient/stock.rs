//! The part of WASI that its stock implementation answers.
//!
//! Only functions that return at once and hand out no handle are linked. Their context is empty: no variable, no
//! argument, no directory; it has room for files and sockets, but nothing that is linked leads there. A failure (more
//! randomness than allowed, an exit) ends the guest's call.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmtime::Result;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliCtxView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksCtxView};
use wasmtime_wasi::p2::bindings::{cli, clocks, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{HostWallClock, I32Exit, WasiCtx};

use crate::guest::Guest;

const NAMES: [&str; 6] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:clocks/wall-clock",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Bytes of randomness for one question: they are made inside a host call, which no epoch interrupts.
const LONGEST_RANDOM: u64 = 64 << 10;

/// Whether nobody else may answer this import.
pub(super) fn knows(import: &str) -> bool {
    NAMES.contains(&super::interface(import))
}

/// Whether its version is one of those that the linker takes for one another.
pub(super) fn answers(import: &str) -> bool {
    let patch = import.split_once('@').and_then(|(_, version)| version.strip_prefix("0.2."));
    knows(import) && patch.is_some_and(|patch| patch.parse::<u32>().is_ok())
}

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    random::random::add_to_linker::<_, WasiRandom>(linker, |guest| guest.stock.parts().ctx.random())?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, |guest| guest.stock.parts().ctx.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |guest| guest.stock.parts().ctx.random())?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, |guest| guest.stock.clocks())?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, |guest| guest.stock.cli())?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, |guest| guest.stock.cli())
}

/// Whether the guest ended its call by `wasi:cli/exit`.
pub(crate) fn is_exit(error: &wasmtime::Error) -> bool {
    error.is::<I32Exit>()
}

/// One guest's context, made when it first asks: many never do.
#[derive(Default)]
pub(crate) struct Stock(Option<Box<Parts>>);

struct Parts {
    ctx: WasiCtx,
    /// Stays empty: nothing that is linked makes a handle.
    table: ResourceTable,
}

impl std::fmt::Debug for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stock").field("made", &self.0.is_some()).finish()
    }
}

impl Stock {
    fn parts(&mut self) -> &mut Parts {
        self.0.get_or_insert_with(|| {
            let ctx = WasiCtx::builder().max_random_size(LONGEST_RANDOM).wall_clock(WallClock).build();
            Box::new(Parts { ctx, table: ResourceTable::new() })
        })
    }

    fn clocks(&mut self) -> WasiClocksCtxView<'_> {
        let Parts { ctx, table } = self.parts();
        WasiClocksCtxView { ctx: ctx.clocks(), table }
    }

    fn cli(&mut self) -> WasiCliCtxView<'_> {
        let Parts { ctx, table } = self.parts();
        WasiCliCtxView { ctx: ctx.cli(), table }
    }
}

/// The stock clock panics on a machine that believes to live before 1970.
struct WallClock;

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compatible_versions_are_answered_and_no_others() {
        let check = |import: &str, expect: bool| assert_eq!(super::super::offers(import), expect, "{import}");
        check("wasi:random/random@0.2.0", true);
        check("wasi:cli/exit@0.2.12", true);
        check("wasi:random/random@0.3.0", false);
        check("wasi:cli/environment@0.2.0-rc-2023-11-10", false);
        check("wasi:clocks/wall-clock", false);
        check("wasi:clocks/monotonic-clock@0.2.6", true);
        check("wasi:random/other@0.2.0", false);
        check("wasi:sockets/tcp@0.2.0", false);
        check("wasi:http/types@0.2.0", false);
    }

    #[test]
    fn a_context_is_made_on_demand_and_stays() {
        let mut stock = Stock::default();
        assert!(stock.0.is_none());
        let made: *const Parts = stock.parts();
        assert!(std::ptr::eq(made, stock.parts()));
    }
}
