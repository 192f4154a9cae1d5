//! The embedded broker under the laws: a store in a temporary folder, leases by a manual clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;

use super::{EmbeddedBroker, EmbeddedConfig};
use crate::broker::Broker;
use crate::broker::conformance::Harness;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::ids::WorkerId;

/// A store that is removed with this, and its time.
pub struct EmbeddedHarness {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

#[async_trait]
impl Harness for EmbeddedHarness {
    async fn start() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
            clock: Arc::new(ManualClock::new()),
        }
    }

    async fn connect(&self, worker: WorkerId, lease: Duration) -> Arc<dyn Broker> {
        let config = EmbeddedConfig {
            dir: self.folder.path().to_owned(),
            worker,
            lease,
            clock: self.clock.clone(),
        };
        Arc::new(EmbeddedBroker::connect(config).await.expect("connect"))
    }

    fn lease() -> Duration {
        Duration::from_millis(400)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Receives that wait look again within a tenth of a second of real time.
    async fn elapse(&self, by: Duration) {
        self.clock.advance(by);
    }
}
