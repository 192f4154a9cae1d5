//! The rules. They stand apart from the simulator: each sees what happens, and has its own idea of
//! what may follow. What a rule is called is what a violation names.

mod backoff;
mod bits;
mod book;
mod checker;
mod credit;
mod drain;
mod holdings;
mod isolation;
mod poison;
mod renewal;
mod silence;

pub(crate) use checker::{Checker, End, EndOfJob, Verdict, all};
