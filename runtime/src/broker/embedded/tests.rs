//! The laws of all adapters, then what only this one promises.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::adapter::Opening;
use super::{EmbeddedBroker, EmbeddedConfig};
use crate::broker::conformance::{job, worker};
use crate::broker::{Broker, Registered};
use crate::clock::ManualClock;
use crate::delivery::Delivery;
use crate::job::JobRecord;

mod alone;
mod damage;
mod deaths;
mod files;
mod interruptions;
mod queries;
mod values;

crate::broker_conformance!(super::EmbeddedHarness);

const LEASE: Duration = Duration::from_secs(10);

/// A folder, and the time of one boot of its machine.
struct Machine {
    folder: TempDir,
    clock: Arc<ManualClock>,
    boot: &'static str,
}

impl Machine {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            clock: Arc::new(ManualClock::new()),
            boot: "first boot",
        }
    }

    /// The same folder after a restart of the machine: boot time starts anew.
    fn reboot(self) -> Self {
        Self { folder: self.folder, clock: Arc::new(ManualClock::new()), boot: "second boot" }
    }

    async fn connect(&self, name: &str) -> EmbeddedBroker {
        let boot = self.boot.to_owned();
        let config = config(self.folder.path(), name, &self.clock);
        let broker = EmbeddedBroker::open(config, Opening::Make, || Ok(boot)).await;
        broker.unwrap()
    }

    /// A job of `chunks` chunks, registered by `broker`.
    async fn job(broker: &EmbeddedBroker, chunks: u64) -> JobRecord {
        let job = job("sweep", chunks, 4);
        assert_eq!(broker.register(&job).await.unwrap(), Registered::New);
        job
    }
}

fn config(folder: &Path, name: &str, clock: &Arc<ManualClock>) -> EmbeddedConfig {
    EmbeddedConfig {
        dir: folder.to_owned(),
        worker: worker(name),
        lease: LEASE,
        clock: clock.clone(),
    }
}

/// What is due now, at most `credit`.
async fn receive(broker: &EmbeddedBroker, credit: u32) -> Vec<Delivery> {
    let credit = NonZeroU32::new(credit).unwrap();
    broker.receive(credit, Duration::ZERO).await.unwrap()
}
