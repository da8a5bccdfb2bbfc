//! The pure parts of splices.

mod account;
mod seam;
