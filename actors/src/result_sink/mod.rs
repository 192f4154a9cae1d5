//! Settles deliveries at the broker, in batches: while every slot has work at hand, outcomes wait up to
//! 100 ms for company, and share a transaction; what somebody waits for takes all of them along, a few
//! milliseconds after the batch before it at the earliest.

mod actor;
mod messages;
mod state;

pub(crate) use actor::ResultSink;
pub(crate) use messages::{ResultSinkMsg, Settlement, Urgency};
