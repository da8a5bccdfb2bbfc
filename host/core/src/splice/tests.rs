//! Splices: the pure parts alone, and the whole through the cascade in virtual time.

mod account;
mod client;
mod counting;
mod everywhere;
mod honest;
mod limits;
mod recorded;
mod seam;
mod units;
