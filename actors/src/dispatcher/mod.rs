//! Asks the broker for what idle slots can take, hands it out, and decides how each delivery is
//! settled. It owns the in-flight table.

mod actor;
mod messages;
mod pace;
mod state;

pub(crate) use actor::{Dispatcher, DispatcherArguments};
pub use messages::DispatcherObservation;
pub(crate) use messages::{DispatcherMsg, SlotFailure};
