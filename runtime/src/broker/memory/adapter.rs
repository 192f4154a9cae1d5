//! The store and its consumers: takes the lock, wakes who waits, leaves the deciding to `state`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::broker::port::{
    Broker, Capabilities, Committed, GiveBack, Nack, Published, Registered, Renewed, Settled,
};
use crate::broker::views::{Beat, JobProgress, OutcomeCursor, OutcomePage};
use crate::chunk::Chunk;
use crate::clock::Clock;
use crate::delivery::{Credit, Delivery, Receipt};
use crate::error::BrokerError;
use crate::ids::{JobName, JobUid, WorkerId};
use crate::job::JobRecord;
use crate::outcome::Outcome;
use crate::values::{ValuesAt, ValuesRecord};

use super::state::State;

/// A broker's store; clones share it.
///
/// Its clock decides what is due, tokio's time how long a receive sleeps: a test that moves a
/// manual clock pauses tokio's time and moves it along.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    /// Held for one decision at a time, never over an await.
    state: Mutex<State>,
    /// Something became due, or will become due.
    changed: Notify,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    /// An empty store that lives by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let shared = Shared { state: Mutex::default(), changed: Notify::new(), clock };
        Self { shared: Arc::new(shared) }
    }

    /// A consumer. Handles of one worker are one consumer, as after a reconnect.
    pub fn connect(&self, worker: WorkerId, lease: Duration) -> MemoryBroker {
        MemoryBroker { store: self.clone(), worker, lease }
    }

    /// What it holds now, for [`restore`](Self::restore).
    pub fn snapshot(&self) -> MemorySnapshot {
        MemorySnapshot(self.state().clone())
    }

    /// Holds what it held at `snapshot`, as a broker that was restarted and had written no more
    /// than that to its disk: what it answered since then is forgotten, all of it together.
    pub fn restore(&self, snapshot: &MemorySnapshot) {
        self.state().go_back_to(&snapshot.0);
        self.shared.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a [`MemoryStore`] held at one moment.
#[derive(Clone)]
pub struct MemorySnapshot(State);

/// One consumer of a [`MemoryStore`].
#[derive(Clone)]
pub struct MemoryBroker {
    store: MemoryStore,
    worker: WorkerId,
    lease: Duration,
}

#[async_trait]
impl Broker for MemoryBroker {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "memory",
            renewable_leases: true,
            immediate_progress: true,
            values: true,
            longest_attempt: None,
            exact_commits: true,
        }
    }

    async fn register(&self, job: &JobRecord) -> Result<Registered, BrokerError> {
        Ok(self.store.state().register(job))
    }

    async fn job(&self, name: &JobName) -> Result<Option<JobRecord>, BrokerError> {
        Ok(self.store.state().job(name))
    }

    async fn jobs(&self) -> Result<Vec<JobRecord>, BrokerError> {
        Ok(self.store.state().jobs())
    }

    async fn publish(&self, chunks: &[Chunk]) -> Result<Published, BrokerError> {
        let now = self.store.shared.clock.now();
        let published = self.store.state().publish(chunks, now);
        self.store.shared.changed.notify_waiters();
        published
    }

    async fn receive(&self, credit: Credit, wait: Duration) -> Result<Vec<Delivery>, BrokerError> {
        let ended = tokio::time::sleep(wait);
        tokio::pin!(ended);
        loop {
            // Listens before it looks, so that no change falls in between.
            let changed = self.store.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = self.store.shared.clock.now();
            let (deliveries, next_due) = {
                let mut state = self.store.state();
                let deliveries = state.receive(credit, &self.worker, now, self.lease);
                (deliveries, state.next_due())
            };
            if !deliveries.is_empty() || wait.is_zero() {
                return Ok(deliveries);
            }
            let until_due = next_due.map_or(Duration::MAX, |due| due.since(now));
            // In this order, so that a simulation runs the same each time.
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep(until_due) => {}
                () = &mut ended => return Ok(Vec::new()),
            }
        }
    }

    async fn renew(&self, receipts: &[Receipt]) -> Result<Vec<Renewed>, BrokerError> {
        let lease_end = self.store.shared.clock.now().after(self.lease);
        let mut state = self.store.state();
        let renew = |receipt| state.renew(receipt, &self.worker, lease_end);
        Ok(receipts.iter().map(renew).collect())
    }

    async fn store_values(&self, records: &[ValuesRecord]) -> Result<(), BrokerError> {
        self.store.state().store_values(records);
        Ok(())
    }

    async fn values(&self, places: &[ValuesAt]) -> Result<Vec<Option<ValuesRecord>>, BrokerError> {
        self.store.state().values(places)
    }

    async fn commit(&self, outcomes: &[(Receipt, Outcome)]) -> Result<Vec<Committed>, BrokerError> {
        let wall = self.store.shared.clock.wall();
        let mut state = self.store.state();
        let commit = |(_, outcome): &(_, Outcome)| state.commit(outcome, wall);
        Ok(outcomes.iter().map(commit).collect())
    }

    async fn nack(&self, nacks: &[Nack]) -> Result<Vec<Settled>, BrokerError> {
        let now = self.store.shared.clock.now();
        let settled = {
            let mut state = self.store.state();
            let nack = |nack| state.nack(nack, &self.worker, now);
            nacks.iter().map(nack).collect()
        };
        self.store.shared.changed.notify_waiters();
        Ok(settled)
    }

    async fn give_back(&self, returns: &[GiveBack]) -> Result<Vec<Settled>, BrokerError> {
        let now = self.store.shared.clock.now();
        let settled = {
            let mut state = self.store.state();
            let give_back = |give_back: &GiveBack| {
                let due = now.after(give_back.retry_in);
                state.give_back(&give_back.receipt, &self.worker, due)
            };
            returns.iter().map(give_back).collect()
        };
        self.store.shared.changed.notify_waiters();
        Ok(settled)
    }

    async fn give_back_strays(&self, held: &[Receipt]) -> Result<u64, BrokerError> {
        let now = self.store.shared.clock.now();
        let strays = self.store.state().give_back_strays(held, &self.worker, now);
        self.store.shared.changed.notify_waiters();
        Ok(strays)
    }

    async fn progress(&self, job: JobUid) -> Result<Option<JobProgress>, BrokerError> {
        let now = self.store.shared.clock.now();
        Ok(self.store.state().progress(job, now))
    }

    async fn outcomes(
        &self,
        job: JobUid,
        cursor: OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, BrokerError> {
        self.store.state().outcomes(job, cursor, limit)
    }

    async fn cancel(&self, job: JobUid) -> Result<bool, BrokerError> {
        Ok(self.store.state().cancel(job))
    }

    async fn purge(&self, job: JobUid) -> Result<bool, BrokerError> {
        Ok(self.store.state().purge(job))
    }

    async fn beat(&self, beat: &Beat) -> Result<(), BrokerError> {
        let now = self.store.shared.clock.now();
        self.store.state().beat(beat, now);
        Ok(())
    }

    async fn beats(&self, within: Duration) -> Result<Vec<Beat>, BrokerError> {
        let now = self.store.shared.clock.now();
        Ok(self.store.state().beats(within, now))
    }

    async fn flush(&self) -> Result<(), BrokerError> {
        Ok(())
    }
}
