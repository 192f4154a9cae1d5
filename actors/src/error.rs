//! Errors of a worker, and the faults that its actors end with.

use std::sync::Arc;

use thiserror::Error;
use ttg_runtime::{BrokerError, DeliveryId, Failure};

/// Why a worker ended other than by being told to.
#[derive(Debug, Clone, Error)]
pub enum WorkerError {
    /// An actor could not be started.
    #[error("actor `{actor}` could not start: {reason}")]
    Start {
        /// Which actor.
        actor: &'static str,
        /// What it said.
        reason: String,
    },
    /// The broker says something that trying again cannot help.
    #[error("the broker failed for good")]
    Broker(#[source] Arc<BrokerError>),
    /// The supervisor itself panicked: a bug.
    #[error("the supervisor panicked")]
    Supervisor,
    /// Actors failed more often than the restart limit allows.
    #[error(
        "actor `{actor}` failed too often: {restarts} restarts within {seconds} s were not enough (last: {reason})"
    )]
    GaveUp {
        /// The actor that failed last.
        actor: &'static str,
        /// The limit.
        restarts: u32,
        /// The limit's period.
        seconds: u64,
        /// The last failure.
        reason: String,
    },
}

/// What an actor fails with, as its supervisor reads it.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    /// A kernel panicked or hung: the chunk's business, not the actor's.
    #[error("the kernel took its slot down: {failure}")]
    Kernel { delivery: DeliveryId, failure: Failure },
    /// Trying again cannot help.
    #[error("the broker failed for good: {0}")]
    Broker(Arc<BrokerError>),
}
