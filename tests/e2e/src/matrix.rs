//! The fault matrix: every fault of the simulator x streamed or plain x protocol of the client x wire format of the
//! faulty upstream x its position among three, the other two being healthy. Clients must see the whole answer and
//! nothing else, except where the fault says that the request itself is at fault.

mod cell;
mod faults;
mod pairwise;
mod run;

pub use cell::{Cell, Position, every_cell};
pub use pairwise::pairwise;
pub use run::{Report, run};
