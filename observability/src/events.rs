//! What happened, told once: each event writes its log line and counts its metrics, so that the
//! two cannot disagree.
//!
//! A line's field `event` is the event's name. Levels: `debug` for what is in order and as frequent
//! as chunks, `info` for the few steps of a process, `warn` for "we recovered", `error` for "a
//! person must act".

mod chunk;
mod fault;
mod life_cycle;

pub use chunk::{
    ChunkCompleted, ChunkDead, ChunkDropped, ChunkFailed, ChunkGivenBack, ChunkRef,
    DuplicateDropped, LeaseLost, Redelivered, TakenOver,
};
pub use fault::{ActorRestarted, BrokerLost, BrokerRecovered};
pub use life_cycle::{Completed, Initialized, Progress, Running, Starting};

use crate::metrics::Metrics;

/// Something that happened.
pub trait Event {
    /// Logs it and counts it.
    fn emit(self, metrics: &Metrics);
}

#[cfg(test)]
mod tests;
