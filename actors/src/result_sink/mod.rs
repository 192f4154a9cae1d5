//! Settles deliveries at the broker, in batches: whatever gathers while one batch is on its way, or
//! within a few milliseconds of it, is the next, so a lone outcome waits for nothing and a flood
//! shares its transactions.

mod actor;
mod messages;
mod state;

pub(crate) use actor::ResultSink;
pub(crate) use messages::{ResultSinkMsg, Settlement};
