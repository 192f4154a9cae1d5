//! What tests of the whole share: folders of their own, processes of `ttg` in them, their reports.
//!
//! Nothing waits by the clock: a test waits for a line of a process, for its end, or for what the
//! store says, and fails at a deadline that no healthy machine meets.

mod oracle;
mod process;
mod report;
mod sandbox;

pub use nix::sys::signal::Signal;
pub use oracle::python;
pub use process::{DEADLINE, Ended, Running, peak_memory_of_children};
pub use report::{Chunks, Parameters, Report, WorkerShare};
pub use sandbox::Sandbox;
