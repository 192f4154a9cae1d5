//! From `--broker` to a connected broker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::broker::{EmbeddedBroker, EmbeddedConfig};
use ttg_runtime::{Broker, SystemClock, WorkerId};

use crate::cli::CommonArguments;
use crate::error::CommandError;
use crate::settings::LEASE_UNUSED;

/// Where jobs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BrokerUrl {
    /// In a file of this folder.
    Embedded(PathBuf),
}

impl BrokerUrl {
    pub(crate) fn of(arguments: &CommonArguments) -> Result<Self, CommandError> {
        if let Some(dir) = &arguments.data_dir {
            return Ok(Self::Embedded(dir.clone()));
        }
        match arguments.broker.split_once(':') {
            Some(("embedded", dir)) if !dir.is_empty() => Ok(Self::Embedded(dir.into())),
            _ => Err(CommandError::UnknownBroker(arguments.broker.clone())),
        }
    }

    fn config(&self, worker: WorkerId, lease: Duration) -> EmbeddedConfig {
        let Self::Embedded(dir) = self;
        EmbeddedConfig { dir: dir.clone(), worker, lease, clock: Arc::new(SystemClock) }
    }

    /// Connects, making the store if there is none.
    pub(crate) async fn connect(
        &self,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<Arc<dyn Broker>, CommandError> {
        let broker = EmbeddedBroker::connect(self.config(worker, lease)).await;
        Ok(Arc::new(broker.map_err(CommandError::broker("the store could not be opened"))?))
    }

    /// Connects to a store that is there, to read; makes nothing. `None` if there is no store.
    pub(crate) async fn connect_to_read(
        &self,
        worker: WorkerId,
    ) -> Result<Option<Arc<dyn Broker>>, CommandError> {
        // Looked for first: a store that is made meanwhile is either not there yet, or whole.
        if !self.exists() {
            return Ok(None);
        }
        let broker = EmbeddedBroker::open_existing(self.config(worker, LEASE_UNUSED));
        let broker = broker.await.map_err(CommandError::broker("the store could not be opened"))?;
        Ok(Some(Arc::new(broker)))
    }

    fn exists(&self) -> bool {
        let Self::Embedded(dir) = self;
        dir.join("ttg.db").exists()
    }
}

impl std::fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Embedded(dir) = self;
        write!(f, "embedded:{}", dir.display())
    }
}
