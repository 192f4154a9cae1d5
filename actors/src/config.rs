//! What a worker is given.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ttg_observability::Traces;
use ttg_observability::metrics::Metrics;
use ttg_runtime::kernel::Execution;
use ttg_runtime::{Broker, Clock, Kernels, Randomness, WorkerId};

use crate::health::WorkerHealth;
use crate::stats::WorkerStats;

/// The valid settings of a worker.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Its identity; fresh for every start.
    pub worker: WorkerId,
    /// The build, as outcomes record it.
    pub build: String,
    /// Compute slots.
    pub concurrency: NonZeroU32,
    /// How long a delivery is ours without being renewed.
    pub lease: Duration,
}

/// What a worker works with; a simulation brings its own.
#[derive(Clone)]
pub struct Ports {
    /// Where chunks come from and outcomes go, connected as this worker.
    pub broker: Arc<dyn Broker>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub randomness: Arc<dyn Randomness>,
    /// Where kernels run.
    pub execution: Arc<dyn Execution>,
    /// The kernels that this worker has.
    pub kernels: Kernels,
    /// Where the actors count.
    pub metrics: Metrics,
    /// Where they tell of every attempt; `None` if nobody asked for it.
    pub traces: Option<Traces>,
}

/// The read-only wiring that all actors of a worker share.
pub(crate) struct Wiring {
    pub(crate) config: WorkerConfig,
    pub(crate) ports: Ports,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) health: Arc<WorkerHealth>,
    dispatchers: AtomicU64,
}

impl Wiring {
    pub(crate) fn new(config: WorkerConfig, ports: Ports) -> Self {
        let (stats, health) = (Arc::default(), Arc::default());
        Self { config, ports, stats, health, dispatchers: AtomicU64::new(0) }
    }

    /// The first delivery id of a new dispatcher. What a slot still says of its predecessor's
    /// deliveries names ids that it does not know.
    pub(crate) fn first_delivery_of_a_dispatcher(&self) -> u64 {
        self.dispatchers.fetch_add(1, Ordering::Relaxed) << 40
    }
}
