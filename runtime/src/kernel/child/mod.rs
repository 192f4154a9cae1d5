//! Evaluating a chunk in a child process, so that a kernel which ends its process or hangs costs one
//! parameter and not a worker. The child is the same binary, started with a hidden command. It
//! publishes its cursor (the parameter under evaluation) before each parameter, so that whoever finds
//! it dead knows whom to blame.
//!
//! `parts` decides what is asked and who dies of what, `host` is the worker's side, `guest` the
//! child's, which `memory` keeps within what its container has left, `wire` what goes between.

#[cfg(any(test, feature = "conformance"))]
mod foreign;
mod guest;
mod host;
mod memory;
mod parts;
mod wire;

#[cfg(any(test, feature = "conformance"))]
pub(crate) use foreign::{pipe_samples, read_pipe};
pub use guest::serve;
pub use host::ChildCommand;
pub(super) use host::{Child, Running};
pub use parts::{AskChild, NoAnswer, Order, evaluate};
