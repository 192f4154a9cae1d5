//! Asks the broker for what idle slots can take, hands it out, and decides how each delivery is
//! settled. It owns the in-flight table.

mod actor;
mod assignment;
mod course;
mod hangs;
mod messages;
mod pace;
mod slots;
mod state;
mod table;

pub(crate) use actor::{Dispatcher, DispatcherArguments};
pub use messages::DispatcherObservation;
pub(crate) use messages::{DispatcherMsg, SlotFailure};
