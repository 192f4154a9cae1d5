//! The memory broker under the laws: by a manual clock, in no time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::MemoryStore;
use crate::broker::Broker;
use crate::broker::conformance::Harness;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::ids::WorkerId;

/// A [`MemoryStore`] whose clock moves when it is told to, along with tokio's paused time.
pub struct MemoryHarness {
    store: MemoryStore,
    clock: Arc<ManualClock>,
}

impl MemoryHarness {
    #[cfg(test)]
    pub(super) fn store(&self) -> &MemoryStore {
        &self.store
    }
}

#[async_trait]
impl Harness for MemoryHarness {
    async fn start() -> Self {
        tokio::time::pause();
        let clock = Arc::new(ManualClock::new());
        Self { store: MemoryStore::new(clock.clone()), clock }
    }

    async fn connect(&self, worker: WorkerId, lease: Duration) -> Arc<dyn Broker> {
        Arc::new(self.store.connect(worker, lease))
    }

    fn lease() -> Duration {
        Duration::from_secs(8)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn elapse(&self, by: Duration) {
        self.clock.advance(by);
        tokio::time::advance(by).await;
    }
}
