//! The actors of this process, for the commands that compute.

use std::sync::Arc;

use ttg_actors::{Ports, Worker, WorkerConfig};
use ttg_observability::Traces;
use ttg_observability::metrics::Metrics;
use ttg_runtime::kernel::{ChildCommand, ThreadExecution};
use ttg_runtime::{Broker, Kernels, SystemClock, SystemRandomness, WorkerId};

use crate::build;
use crate::cli;
use crate::error::CommandError;
use crate::settings::WorkerSettings;

/// Where they are seen from outside.
pub(crate) struct Sight {
    pub(crate) metrics: Metrics,
    pub(crate) traces: Option<Traces>,
}

/// Starts them on what `broker` has.
pub(crate) async fn start(
    worker: WorkerId,
    settings: WorkerSettings,
    broker: Arc<dyn Broker>,
    kernels: Kernels,
    sight: Sight,
) -> Result<Worker, CommandError> {
    let WorkerSettings { concurrency, lease } = settings;
    let config = WorkerConfig { worker, build: build::id(), concurrency, lease };
    let clock = Arc::new(SystemClock);
    let execution = ThreadExecution::new(clock.clone(), concurrency)
        .with_children(ChildCommand::this_program([cli::CHILD]));
    let ports = Ports {
        broker,
        clock,
        randomness: Arc::new(SystemRandomness),
        execution: Arc::new(execution),
        kernels,
        metrics: sight.metrics,
        traces: sight.traces,
    };
    Worker::start(config, ports).await.map_err(CommandError::Worker)
}
