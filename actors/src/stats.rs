//! What a worker did so far, readable from outside without asking an actor.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts since the worker started.
#[derive(Debug, Default)]
pub struct WorkerStats {
    chunks: AtomicU64,
    dead_chunks: AtomicU64,
    redelivered: AtomicU64,
    parameters: AtomicU64,
    dead_parameters: AtomicU64,
    duplicates: AtomicU64,
    leases_lost: AtomicU64,
    in_flight: AtomicU64,
    committed: Notify,
}

/// A reading of [`WorkerStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct WorkerCounts {
    /// Outcomes that were the first of their key and hold a completed parameter.
    pub chunks: u64,
    /// Those that hold none.
    pub dead_chunks: u64,
    /// Deliveries here after one that failed or ended without a word.
    pub redelivered: u64,
    /// Parameters completed by them.
    pub parameters: u64,
    /// Parameters dead by them.
    pub dead_parameters: u64,
    /// Outcomes dropped because another was first.
    pub duplicates: u64,
    /// Deliveries that others took over while they were held here.
    pub leases_lost: u64,
    /// Deliveries held now.
    pub in_flight: u64,
}

impl WorkerCounts {
    /// Parameters settled, completed or dead.
    pub fn settled(&self) -> u64 {
        self.parameters + self.dead_parameters
    }
}

impl WorkerStats {
    /// The counts now.
    pub fn read(&self) -> WorkerCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        WorkerCounts {
            chunks: read(&self.chunks),
            dead_chunks: read(&self.dead_chunks),
            redelivered: read(&self.redelivered),
            parameters: read(&self.parameters),
            dead_parameters: read(&self.dead_parameters),
            duplicates: read(&self.duplicates),
            leases_lost: read(&self.leases_lost),
            in_flight: read(&self.in_flight),
        }
    }

    /// Returns when commits were made since it last returned. For one waiter.
    pub async fn committed(&self) {
        self.committed.notified().await;
    }

    pub(crate) fn add_commits(&self, counts: WorkerCounts) {
        self.chunks.fetch_add(counts.chunks, Ordering::Relaxed);
        self.dead_chunks.fetch_add(counts.dead_chunks, Ordering::Relaxed);
        self.parameters.fetch_add(counts.parameters, Ordering::Relaxed);
        self.dead_parameters.fetch_add(counts.dead_parameters, Ordering::Relaxed);
        self.duplicates.fetch_add(counts.duplicates, Ordering::Relaxed);
        self.committed.notify_one();
    }

    pub(crate) fn add_leases_lost(&self, leases: u64) {
        self.leases_lost.fetch_add(leases, Ordering::Relaxed);
    }

    pub(crate) fn add_redelivered(&self, deliveries: u64) {
        self.redelivered.fetch_add(deliveries, Ordering::Relaxed);
    }

    pub(crate) fn set_in_flight(&self, in_flight: usize) {
        self.in_flight.store(in_flight as u64, Ordering::Relaxed);
    }
}
