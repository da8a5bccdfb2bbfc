//! Routing scenarios S0 to S9 of the working notes against the real core: four providers, twenty requests a second for
//! twenty minutes, each scenario one way for providers to get worse. What is measured is what clients see.
//!
//! The distributions are the notes' assumptions, not measurements of vendors; the notes' simulator models gateways in a
//! hundred lines, here it is the product that decides.

mod bars;
mod run;
mod scenario;
mod table;

pub use bars::{Bars, broken};
pub use run::{Sample, Samples, measure, trace};
pub use scenario::Scenario;
pub use table::{Figures, Row, header};
