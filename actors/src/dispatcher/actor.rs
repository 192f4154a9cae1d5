//! The dispatcher's wiring.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use ttg_observability::events::{
    BrokerLost, BrokerRecovered, Event, LeaseLost, Redelivered, TakenOver,
};
use ttg_observability::metrics::ActorKind;
use ttg_runtime::{BrokerError, Credit, Delivery, SlotId, Timestamp};

use super::hangs::on_tick;
use super::messages::DispatcherMsg;
use super::state::{
    DispatcherState, Effect, Moment, on_drain, on_evaluated, on_leases_lost, on_receive_failed,
    on_received, on_retry_receive, on_settled, on_slot_lost, on_slot_opened,
};
use crate::address::{Address, Handling};
use crate::attempt::{Ended, span_of};
use crate::chunk_name::ChunkName;
use crate::compute::ComputeMsg;
use crate::config::Wiring;
use crate::error::Fault;
use crate::lease_keeper::LeaseKeeperMsg;
use crate::result_sink::ResultSinkMsg;

/// How long a receive waits for a chunk before it returns empty.
const RECEIVE_WAIT: Duration = Duration::from_secs(1);

/// The pause after a receive that failed, before jitter.
const RECEIVE_RETRY: Duration = Duration::from_millis(200);

/// How often kernels that do not come back are looked for.
const TICK: Duration = Duration::from_millis(200);

/// The dispatcher.
pub(crate) struct Dispatcher(pub(crate) Arc<Wiring>);

/// Who is downstream of a new dispatcher.
pub(crate) struct DispatcherArguments {
    pub(crate) result_sink: Address<ResultSinkMsg>,
    pub(crate) lease_keeper: Address<LeaseKeeperMsg>,
    pub(crate) slots: Vec<(SlotId, Address<ComputeMsg>)>,
}

pub(crate) struct State {
    decisions: DispatcherState,
    myself: Address<DispatcherMsg>,
    result_sink: Address<ResultSinkMsg>,
    lease_keeper: Address<LeaseKeeperMsg>,
    slots: BTreeMap<SlotId, Address<ComputeMsg>>,
    /// When the last receive was made: what it brings is leased since then at the earliest.
    asked: Timestamp,
    /// Since when the broker does not answer.
    lost_since: Option<Timestamp>,
}

impl Actor for Dispatcher {
    type Msg = DispatcherMsg;
    type State = State;
    type Arguments = DispatcherArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<DispatcherMsg>,
        arguments: DispatcherArguments,
    ) -> Result<State, ActorProcessingErr> {
        let Wiring { config, ports, .. } = &*self.0;
        let myself = Address::new(myself, ActorKind::Dispatcher, &ports.metrics);
        let mut decisions = DispatcherState::new(
            config.worker.clone(),
            config.build.clone(),
            ports.kernels.clone(),
            self.0.first_delivery_of_a_dispatcher(),
            ports.clock.now(),
        );
        decisions.is_traced = ports.traces.is_some();
        let state = State {
            decisions,
            myself: myself.clone(),
            result_sink: arguments.result_sink,
            lease_keeper: arguments.lease_keeper,
            slots: BTreeMap::new(),
            asked: ports.clock.now(),
            lost_since: None,
        };
        // A dispatcher before this one may have left leases, and work in the slots.
        state.lease_keeper.tell(LeaseKeeperMsg::Attach(myself.clone()));
        // What stays out for now is delivered again when its lease ends.
        if let Err(error) = ports.broker.give_back_strays(&[]).await {
            tracing::warn!(%error, "could not give back strays");
        }
        myself.tell_after(TICK, || DispatcherMsg::Tick);
        for (slot, compute) in arguments.slots {
            myself.tell(DispatcherMsg::SlotOpened(slot, compute));
        }
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<DispatcherMsg>,
        message: DispatcherMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let ports = &self.0.ports;
        let _handling = Handling::begin(ActorKind::Dispatcher, &ports.metrics, &*ports.clock);
        let decisions = &mut state.decisions;
        let at = Moment { now: ports.clock.now(), wall: ports.clock.wall() };
        if let DispatcherMsg::Received(answer) = &message {
            self.0.health.receiving.ends(answer.is_ok());
        }
        let effects = match message {
            DispatcherMsg::Received(Ok(deliveries)) => {
                self.recovered(&mut state.lost_since);
                self.count_received(&deliveries);
                on_received(decisions, deliveries, at)
            }
            DispatcherMsg::Received(Err(error)) if error.is_transient() => {
                self.lost(&mut state.lost_since, &error);
                on_receive_failed(decisions);
                let pause = RECEIVE_RETRY.mul_f64(1.0 + ports.randomness.fraction());
                state.myself.tell_after(pause, || DispatcherMsg::RetryReceive);
                Vec::new()
            }
            DispatcherMsg::Received(Err(error)) => {
                return Err(Fault::Broker(Arc::new(error)).into());
            }
            DispatcherMsg::ReceiveLost => return Err("a receive ended without an answer".into()),
            DispatcherMsg::RetryReceive => on_retry_receive(decisions, at),
            DispatcherMsg::SlotOpened(slot, compute) => {
                compute.tell(ComputeMsg::Attach(state.myself.clone()));
                state.slots.insert(slot, compute);
                on_slot_opened(decisions, slot, at)
            }
            DispatcherMsg::SlotLost(slot, failed) => {
                state.slots.remove(&slot);
                on_slot_lost(decisions, slot, failed.as_ref(), at)
            }
            DispatcherMsg::Evaluated(ended) => on_evaluated(decisions, ended, at),
            DispatcherMsg::Settled(settled) => on_settled(decisions, settled, at),
            DispatcherMsg::LeasesLost(lost) => on_leases_lost(decisions, &lost, at),
            DispatcherMsg::Drain => on_drain(decisions, at),
            DispatcherMsg::Tick => {
                state.myself.tell_after(TICK, || DispatcherMsg::Tick);
                on_tick(decisions, at)
            }
            DispatcherMsg::Observe(reply) => {
                drop(reply.send(decisions.observe()));
                Vec::new()
            }
        };
        self.perform(state, effects);
        self.0.health.handled(at.now, state.decisions.is_stuck());
        let in_flight = state.decisions.observe().in_flight;
        self.0.stats.set_in_flight(in_flight);
        ports.metrics.in_flight().set(in_flight as u64);
        Ok(())
    }
}

impl Dispatcher {
    fn perform(&self, state: &mut State, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Receive(credit) => {
                    state.asked = self.0.ports.clock.now();
                    self.0.health.receiving.begins(state.asked);
                    self.receive(state, credit);
                }
                Effect::Assign(slot, work) => {
                    if let Some(compute) = state.slots.get(&slot) {
                        compute.tell(ComputeMsg::Assign(work));
                    }
                }
                Effect::Settle(settlements, urgency) => {
                    let reply_to = state.myself.clone();
                    let settle = ResultSinkMsg::Settle { settlements, urgency, reply_to };
                    state.result_sink.tell(settle);
                }
                Effect::Hold(held) => {
                    let since = state.asked;
                    state.lease_keeper.tell(LeaseKeeperMsg::Hold { held, since });
                }
                Effect::Release(ids) => state.lease_keeper.tell(LeaseKeeperMsg::Release(ids)),
                Effect::Cancel(cancels) => {
                    cancels.iter().for_each(ttg_runtime::kernel::Cancel::set);
                }
                Effect::Abandon(slot, failure) => {
                    if let Some(compute) = state.slots.get(&slot) {
                        compute.tell(ComputeMsg::Abandon(failure));
                    }
                }
                Effect::AbandonUnlessAt(slot, failure) => {
                    if let Some(compute) = state.slots.get(&slot) {
                        compute.tell(ComputeMsg::AbandonUnlessAt(failure));
                    }
                }
                Effect::LeaseLost(name) => {
                    self.0.stats.add_leases_lost(1);
                    LeaseLost { chunk: name.in_events() }.emit(&self.0.ports.metrics);
                }
                Effect::TellLost(attempt) => {
                    if let Some(traces) = &self.0.ports.traces {
                        let now = self.0.ports.clock.now();
                        attempt.tell(traces, &self.0.config.worker, &Ended::Lost, now);
                    }
                }
                Effect::Stop => state.myself.cell().stop(None),
            }
        }
    }

    /// Asks the broker beside the mailbox, so that results are handled while it waits. However the
    /// actor ends, this ends with it, at once: the state of a killed actor lives on until its
    /// supervisor reads of the end. It may have leased chunks all the same, which the next
    /// dispatcher, or at the end the supervisor, gives back as strays.
    fn receive(&self, state: &State, credit: Credit) {
        let wiring = Arc::clone(&self.0);
        let mut announced = Announced { to: state.myself.clone(), answered: false };
        let dispatcher = state.myself.cell();
        tokio::spawn(async move {
            let ports = &wiring.ports;
            let received = tokio::select! {
                biased;
                _ = dispatcher.wait(None) => return,
                received = ports.broker.receive(credit, RECEIVE_WAIT) => received,
            };
            announced.answered = true;
            announced.to.tell(DispatcherMsg::Received(received));
        });
    }

    fn count_received(&self, deliveries: &[Delivery]) {
        let metrics = &self.0.ports.metrics;
        let chunks = deliveries.iter().filter(|delivery| delivery.suspect).count() as u64;
        if chunks > 0 {
            TakenOver { chunks }.emit(metrics);
        }
        for delivery in deliveries {
            metrics.queue_wait().observe(delivery.waited);
            let counters = delivery.chunk.counters;
            if counters.failures + counters.silent_deliveries > 0 {
                self.0.stats.add_redelivered(1);
                let span = self.0.ports.traces.as_ref().map(|_| span_of(&delivery.chunk));
                Redelivered {
                    chunk: ChunkName::new(&delivery.chunk.key, span).in_events(),
                    failures: counters.failures,
                    silent_deliveries: counters.silent_deliveries,
                }
                .emit(metrics);
            }
        }
    }

    fn lost(&self, since: &mut Option<Timestamp>, error: &BrokerError) {
        if since.is_none() {
            *since = Some(self.0.ports.clock.now());
            let broker = self.0.ports.broker.capabilities().name;
            BrokerLost { broker, error: &error.to_string() }.emit(&self.0.ports.metrics);
        }
    }

    fn recovered(&self, since: &mut Option<Timestamp>) {
        if let Some(since) = since.take() {
            let outage = self.0.ports.clock.now().since(since);
            let broker = self.0.ports.broker.capabilities().name;
            BrokerRecovered { broker, outage }.emit(&self.0.ports.metrics);
        }
    }
}

/// Makes sure that a receive is heard of: a dispatcher that waits for one for ever would look well
/// and do nothing.
struct Announced {
    to: Address<DispatcherMsg>,
    answered: bool,
}

impl Drop for Announced {
    fn drop(&mut self) {
        if !self.answered {
            self.to.tell(DispatcherMsg::ReceiveLost);
        }
    }
}
