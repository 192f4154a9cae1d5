//! A worker: its actors, started as one and stopped as one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::Actor;
use serde::Serialize;
use tokio::task::JoinHandle;
use ttg_observability::metrics::ActorKind;

use crate::address::Address;
use crate::config::{Ports, Wiring, WorkerConfig};
use crate::dispatcher::{DispatcherMsg, DispatcherObservation};
use crate::error::WorkerError;
use crate::health::WorkerHealth;
use crate::stats::{WorkerCounts, WorkerStats};
use crate::supervisor::{SupervisorMsg, WorkerSupervisor};

/// How long an actor may take to say what it looks like.
const OBSERVE_WAIT: Duration = Duration::from_secs(1);

/// What a worker looks like inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerObservation {
    /// Its counts.
    pub counts: WorkerCounts,
    /// Its dispatcher, if that runs and answers.
    pub dispatcher: Option<DispatcherObservation>,
}

/// A running worker.
pub struct Worker {
    supervisor: Address<SupervisorMsg>,
    ended: Option<JoinHandle<()>>,
    fate: Arc<Mutex<Option<WorkerError>>>,
    stats: Arc<WorkerStats>,
    health: Arc<WorkerHealth>,
}

impl Worker {
    /// Starts the actors; they take chunks until the worker is stopped.
    pub async fn start(config: WorkerConfig, ports: Ports) -> Result<Self, WorkerError> {
        let wiring = Arc::new(Wiring::new(config, ports));
        let stats = Arc::clone(&wiring.stats);
        let health = Arc::clone(&wiring.health);
        let metrics = wiring.ports.metrics.clone();
        let fate = Arc::new(Mutex::new(None));
        let supervisor = WorkerSupervisor { wiring, fate: Arc::clone(&fate) };
        let (supervisor, ended) = Actor::spawn(None, supervisor, ()).await.map_err(|error| {
            WorkerError::Start { actor: "worker_supervisor", reason: error.to_string() }
        })?;
        let supervisor = Address::new(supervisor, ActorKind::WorkerSupervisor, &metrics);
        Ok(Self { supervisor, ended: Some(ended), fate, stats, health })
    }

    /// What it did so far.
    pub fn stats(&self) -> &Arc<WorkerStats> {
        &self.stats
    }

    /// Whether it is well.
    pub fn health(&self) -> &Arc<WorkerHealth> {
        &self.health
    }

    /// Asks it to drain: take no more, give back what is unfinished at the end of the kernel's
    /// slice, settle what is finished, and end.
    pub fn stop(&self) {
        self.supervisor.tell(SupervisorMsg::Stop);
    }

    /// Ends it at once, as the death of its process would: nothing is given back and nothing is
    /// settled, so that its leases run out.
    pub fn kill(&self) {
        self.supervisor.cell().kill();
    }

    /// Returns when it has ended; may be called again.
    ///
    /// # Errors
    /// It ended by itself, because of a failure that no restart can help.
    pub async fn ended(&mut self) -> Result<(), WorkerError> {
        if let Some(ended) = &mut self.ended {
            let ended = ended.await;
            self.ended = None;
            if ended.is_err() {
                let mut fate = self.fate.lock().unwrap_or_else(PoisonError::into_inner);
                fate.get_or_insert(WorkerError::Supervisor);
            }
        }
        let fate = self.fate.lock().unwrap_or_else(PoisonError::into_inner);
        fate.clone().map_or(Ok(()), Err)
    }

    /// What it looks like inside; `None` if it has ended.
    pub async fn observe(&self) -> Option<WorkerObservation> {
        self.supervisor.ask(SupervisorMsg::Observe, OBSERVE_WAIT * 2).await
    }
}

pub(crate) async fn observe(
    dispatcher: Option<Address<DispatcherMsg>>,
    stats: &WorkerStats,
) -> WorkerObservation {
    let dispatcher = match dispatcher {
        Some(dispatcher) => dispatcher.ask(DispatcherMsg::Observe, OBSERVE_WAIT).await,
        None => None,
    };
    WorkerObservation { counts: stats.read(), dispatcher }
}
