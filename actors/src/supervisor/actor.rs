//! The supervisor's wiring. It has no `state.rs`: what it decides is in `decision.rs`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use ttg_observability::events::{ActorRestarted, Event};
use ttg_observability::metrics::{ActorKind, RestartReason};
use ttg_runtime::{FailureKind, SlotId};

use super::children::{Child, Children};
use super::decision::{Decision, Ending, History, decide};
use super::messages::SupervisorMsg;
use super::spec::{ChildKind, Shutdown, SupervisorSpec};
use crate::address::{Address, Handling};
use crate::compute::Compute;
use crate::config::Wiring;
use crate::dispatcher::{Dispatcher, DispatcherArguments, DispatcherMsg, SlotFailure};
use crate::error::{Fault, WorkerError};
use crate::lease_keeper::LeaseKeeper;
use crate::result_sink::ResultSink;
use crate::tree::worker_tree;
use crate::worker::observe;

/// How long a killed child may take to end before its successor starts beside it.
const KILL_WAIT: Duration = Duration::from_secs(1);

/// How long a child that is only stopped may take for the message that it handles.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// The root of a worker's tree.
pub(crate) struct WorkerSupervisor {
    pub(crate) wiring: Arc<Wiring>,
    /// Why the worker ended, for whoever waits for it.
    pub(crate) fate: Arc<Mutex<Option<WorkerError>>>,
}

pub(crate) struct State {
    spec: SupervisorSpec,
    history: History,
    children: Children,
    myself: Address<SupervisorMsg>,
    stopping: bool,
    /// The child whose end is waited for.
    asked_to_end: Option<ChildKind>,
}

impl Actor for WorkerSupervisor {
    type Msg = SupervisorMsg;
    type State = State;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMsg>,
        (): (),
    ) -> Result<State, ActorProcessingErr> {
        let metrics = &self.wiring.ports.metrics;
        let mut state = State {
            spec: worker_tree(),
            history: History::default(),
            children: Children::default(),
            myself: Address::new(myself, ActorKind::WorkerSupervisor, metrics),
            stopping: false,
            asked_to_end: None,
        };
        for child in state.spec.children.clone() {
            self.start(&mut state, child.kind).await?;
        }
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<SupervisorMsg>,
        message: SupervisorMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let ports = &self.wiring.ports;
        let kind = ActorKind::WorkerSupervisor;
        let _handling = Handling::begin(kind, &ports.metrics, &*ports.clock);
        match message {
            SupervisorMsg::Stop => {
                state.stopping = true;
                Self::stop_next(state);
            }
            SupervisorMsg::ShutdownOverdue(id) => {
                let kinds = state.spec.children.iter().map(|child| child.kind);
                let mut running = kinds.flat_map(|kind| state.children.cells(kind));
                if let Some(cell) = running.find(|cell| cell.get_id() == id) {
                    tracing::warn!(actor = ?state.asked_to_end, "did not end in time");
                    cell.kill();
                }
            }
            SupervisorMsg::Observe(reply) => {
                let dispatcher = state.children.dispatcher.clone();
                let stats = Arc::clone(&self.wiring.stats);
                // Beside the mailbox: an actor that does not answer must not keep endings waiting.
                tokio::spawn(async move { reply.send(observe(dispatcher, &stats).await) });
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<SupervisorMsg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(cell, _, _) => {
                self.on_ended(state, &cell, None).await;
            }
            SupervisionEvent::ActorFailed(cell, error) => {
                self.on_ended(state, &cell, Some(error)).await;
            }
            _ => {}
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<SupervisorMsg>,
        _: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        // What a receive on its way, or a dispatcher that was killed, left leased.
        if let Err(error) = self.wiring.ports.broker.give_back_strays(&[]).await {
            tracing::warn!(%error, "could not give back strays");
        }
        Ok(())
    }
}

impl WorkerSupervisor {
    async fn start(&self, state: &mut State, kind: ChildKind) -> Result<(), ActorProcessingErr> {
        if kind == ChildKind::Compute {
            for slot in 0..self.wiring.config.concurrency.get() {
                self.start_slot(state, SlotId(slot)).await?;
            }
            return Ok(());
        }
        let (wiring, me) = (Arc::clone(&self.wiring), state.myself.cell());
        let metrics = &self.wiring.ports.metrics;
        match kind {
            ChildKind::ResultSink => {
                let (actor, _) = Actor::spawn_linked(None, ResultSink(wiring), (), me).await?;
                let address = Address::new(actor, kind.actor_kind(), metrics);
                state.children.result_sink = Some(address);
            }
            ChildKind::LeaseKeeper => {
                let (actor, _) = Actor::spawn_linked(None, LeaseKeeper(wiring), (), me).await?;
                let address = Address::new(actor, kind.actor_kind(), metrics);
                state.children.lease_keeper = Some(address);
            }
            ChildKind::Dispatcher | ChildKind::Compute => {
                let children = &state.children;
                let downstream = children.result_sink.clone().zip(children.lease_keeper.clone());
                let (result_sink, lease_keeper) =
                    downstream.ok_or("what the dispatcher depends on does not run")?;
                let slots = children.compute.iter().map(|(slot, at)| (*slot, at.clone())).collect();
                let arguments = DispatcherArguments { result_sink, lease_keeper, slots };
                let (actor, _) =
                    Actor::spawn_linked(None, Dispatcher(wiring), arguments, me).await?;
                let address = Address::new(actor, kind.actor_kind(), metrics);
                state.children.dispatcher = Some(address);
            }
        }
        Ok(())
    }

    async fn start_slot(&self, state: &mut State, slot: SlotId) -> Result<(), ActorProcessingErr> {
        let compute = Compute(Arc::clone(&self.wiring));
        let (actor, _) = Actor::spawn_linked(None, compute, slot, state.myself.cell()).await?;
        let address = Address::new(actor, ActorKind::Compute, &self.wiring.ports.metrics);
        if let Some(dispatcher) = &state.children.dispatcher {
            dispatcher.tell(DispatcherMsg::SlotOpened(slot, address.clone()));
        }
        state.children.compute.insert(slot, address);
        Ok(())
    }

    /// A child has ended, by itself or because it was told to.
    async fn on_ended(
        &self,
        state: &mut State,
        cell: &ActorCell,
        error: Option<ActorProcessingErr>,
    ) {
        let Some(child) = state.children.take(cell.get_id()) else {
            return;
        };
        let (ending, reason, failure) = read_ending(error.as_deref());
        if let (Some(slot), Some(dispatcher)) = (child.slot, &state.children.dispatcher) {
            dispatcher.tell(DispatcherMsg::SlotLost(slot, failure));
        }
        if state.stopping && ending != Ending::Hopeless {
            if ending == Ending::Failed && state.asked_to_end != Some(child.kind) {
                Self::cut_short(state, child.kind);
            }
            Self::stop_next(state);
            return;
        }
        let text = error.as_ref().map_or_else(|| "it stopped".to_owned(), ToString::to_string);
        let now = self.wiring.ports.clock.now();
        let restarted = match decide(&state.spec, &mut state.history, child.kind, ending, now) {
            Decision::RestartSlot => match child.slot {
                Some(slot) => self.start_slot(state, slot).await,
                None => Ok(()),
            },
            Decision::RestartWith(dependants) => {
                self.restart_with(state, child.kind, &dependants).await
            }
            Decision::GiveUp => {
                let seen = error.as_ref().and_then(|error| error.downcast_ref::<Fault>());
                self.give_up(state, Self::verdict(state, child, seen, text));
                return;
            }
        };
        let actor = child.kind.actor_kind();
        ActorRestarted { actor, reason, error: &text }.emit(&self.wiring.ports.metrics);
        if let Err(error) = restarted {
            let actor = child.kind.name();
            self.give_up(state, WorkerError::Start { actor, reason: error.to_string() });
        }
    }

    /// A child failed that others need to drain: leases would no longer be renewed, or outcomes no
    /// longer be settled. Those others end now, and what they held is given back with the strays.
    fn cut_short(state: &State, failed: ChildKind) {
        if failed == ChildKind::Compute {
            return;
        }
        for dependant in state.spec.dependants_of(failed) {
            state.children.cells(dependant).iter().for_each(ActorCell::kill);
        }
    }

    async fn restart_with(
        &self,
        state: &mut State,
        kind: ChildKind,
        dependants: &[ChildKind],
    ) -> Result<(), ActorProcessingErr> {
        for dependant in dependants {
            for cell in state.children.cells(*dependant) {
                // One that does not end is cut off all the same: nobody has its address any more.
                cell.kill_and_wait(Some(KILL_WAIT)).await.ok();
            }
            state.children.forget(*dependant);
        }
        self.start(state, kind).await?;
        for dependant in dependants.iter().rev() {
            self.start(state, *dependant).await?;
        }
        Ok(())
    }

    fn verdict(state: &State, child: Child, fault: Option<&Fault>, reason: String) -> WorkerError {
        match fault {
            Some(Fault::Broker(error)) => WorkerError::Broker(Arc::clone(error)),
            _ => WorkerError::GaveUp {
                actor: child.kind.name(),
                restarts: state.spec.restarts_max,
                seconds: state.spec.within.as_secs(),
                reason,
            },
        }
    }

    fn give_up(&self, state: &mut State, error: WorkerError) {
        tracing::error!(%error, "the worker gives up");
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        state.stopping = true;
        for child in &state.spec.children {
            state.children.cells(child.kind).iter().for_each(ActorCell::kill);
            state.children.forget(child.kind);
        }
        state.myself.cell().stop(None);
    }

    /// Tells the last running kind of child to end, unless it was told already; ends when none
    /// runs.
    fn stop_next(state: &mut State) {
        let kinds = state.spec.children.iter().rev().map(|child| child.kind);
        let Some(kind) = { kinds }.find(|kind| !state.children.cells(*kind).is_empty()) else {
            state.myself.cell().stop(None);
            return;
        };
        if state.asked_to_end.replace(kind) == Some(kind) {
            return;
        }
        let shutdown = state.spec.shutdown_of(kind);
        for cell in state.children.cells(kind) {
            let wait = match shutdown {
                Shutdown::Stop => {
                    cell.stop(None);
                    STOP_WAIT
                }
                Shutdown::Drain(wait) => {
                    // It has ended already if it does not take the order.
                    cell.drain().ok();
                    wait
                }
                Shutdown::Ask(wait) => {
                    if let Some(dispatcher) = &state.children.dispatcher {
                        dispatcher.tell(DispatcherMsg::Drain);
                    }
                    wait
                }
            };
            let id: ActorId = cell.get_id();
            state.myself.tell_after(wait, move || SupervisorMsg::ShutdownOverdue(id));
        }
    }
}

/// What an ending means for the decision, for the metrics, and for the dispatcher.
fn read_ending(
    error: Option<&(dyn std::error::Error + Send + Sync + 'static)>,
) -> (Ending, RestartReason, Option<SlotFailure>) {
    match error.map(|error| error.downcast_ref::<Fault>()) {
        None => (Ending::Stopped, RestartReason::Error, None),
        Some(Some(Fault::Kernel { delivery, failure })) => {
            let reason = match failure.kind {
                FailureKind::Timeout => RestartReason::KernelHang,
                _ => RestartReason::KernelPanic,
            };
            let failure = SlotFailure { delivery: *delivery, failure: failure.clone() };
            (Ending::Kernel, reason, Some(failure))
        }
        Some(Some(Fault::Broker(_))) => (Ending::Hopeless, RestartReason::Error, None),
        // Our actors fail with a `Fault`, so anything else is ractor's report of a panic.
        Some(None) => (Ending::Failed, RestartReason::Panic, None),
    }
}
