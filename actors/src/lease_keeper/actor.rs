//! The lease keeper's wiring.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use ttg_observability::metrics::ActorKind;
use ttg_runtime::broker::Beat;

use super::messages::LeaseKeeperMsg;
use super::state::{Leases, on_attach, on_hold, on_release, on_renew, on_renewed};
use crate::address::{Address, Handling};
use crate::config::Wiring;
use crate::dispatcher::DispatcherMsg;

/// How often monitors hear of this worker.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// The lease keeper.
pub(crate) struct LeaseKeeper(pub(crate) Arc<Wiring>);

pub(crate) struct State {
    leases: Leases,
    myself: Address<LeaseKeeperMsg>,
    dispatcher: Option<Address<DispatcherMsg>>,
}

impl Actor for LeaseKeeper {
    type Msg = LeaseKeeperMsg;
    type State = State;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<LeaseKeeperMsg>,
        (): (),
    ) -> Result<State, ActorProcessingErr> {
        let lease = self.0.config.lease;
        let myself = Address::new(myself, ActorKind::LeaseKeeper, &self.0.ports.metrics);
        myself.tell_after(BEAT_EVERY, || LeaseKeeperMsg::Beat);
        myself.tell_after(lease / 3, || LeaseKeeperMsg::Renew);
        Ok(State { leases: Leases::new(lease), myself, dispatcher: None })
    }

    async fn handle(
        &self,
        _: ActorRef<LeaseKeeperMsg>,
        message: LeaseKeeperMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let ports = &self.0.ports;
        let _handling = Handling::begin(ActorKind::LeaseKeeper, &ports.metrics, &*ports.clock);
        match message {
            LeaseKeeperMsg::Attach(dispatcher) => {
                state.dispatcher = Some(dispatcher);
                on_attach(&mut state.leases);
            }
            LeaseKeeperMsg::Hold { held, since } => {
                // After an answer that was long on its way, the next tick may be too late.
                if on_hold(&mut state.leases, held, since, ports.clock.now()) {
                    self.renew(state).await;
                }
            }
            LeaseKeeperMsg::Release(ids) => on_release(&mut state.leases, &ids),
            LeaseKeeperMsg::Renew => {
                let began = ports.clock.now();
                let lease = self.0.config.lease;
                let pause = if self.renew(state).await {
                    (lease / 3).saturating_sub(ports.clock.now().since(began))
                } else {
                    lease / 12
                };
                state.myself.tell_after(pause, || LeaseKeeperMsg::Renew);
            }
            LeaseKeeperMsg::Beat => {
                self.beat();
                state.myself.tell_after(BEAT_EVERY, || LeaseKeeperMsg::Beat);
            }
        }
        Ok(())
    }
}

impl LeaseKeeper {
    /// Renews what is due. False if that failed: it is made again soon, so that each lease is asked
    /// for at least twice before it ends. A chunk whose lease ended while the broker was away is
    /// still committed first or dropped as a duplicate.
    async fn renew(&self, state: &mut State) -> bool {
        let ports = &self.0.ports;
        let asked = ports.clock.now();
        let (ids, receipts) = on_renew(&state.leases, asked);
        if ids.is_empty() {
            return true;
        }
        let call = ports.broker.renew(&receipts);
        let answers = tokio::time::timeout(self.0.config.lease / 4, call).await;
        match answers {
            Ok(Ok(answers)) => {
                let lost = on_renewed(&mut state.leases, &ids, &answers, asked);
                // Whether each is a loss the dispatcher knows: one that was settled while the
                // renewal was on its way is none.
                if let (Some(dispatcher), false) = (&state.dispatcher, lost.is_empty()) {
                    dispatcher.tell(DispatcherMsg::LeasesLost(lost));
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, leases = ids.len(), "could not renew leases");
                return false;
            }
            Err(_) => {
                tracing::warn!(leases = ids.len(), "renewing leases took too long");
                return false;
            }
        }
        true
    }

    /// Beside the mailbox: a beat that takes long must not keep leases from being renewed.
    fn beat(&self) {
        let (config, ports) = (&self.0.config, &self.0.ports);
        let counts = self.0.stats.read();
        let beat = Beat {
            worker: config.worker.clone(),
            at: ports.clock.wall(),
            build: config.build.clone(),
            kernels: ports.kernels.names().cloned().collect(),
            slots: config.concurrency.get(),
            in_flight: u32::try_from(counts.in_flight).unwrap_or(u32::MAX),
            chunks: counts.chunks + counts.dead_chunks,
            parameters: counts.parameters,
        };
        let broker = Arc::clone(&ports.broker);
        tokio::spawn(async move {
            let told = tokio::time::timeout(BEAT_EVERY, broker.beat(&beat)).await;
            if !matches!(told, Ok(Ok(()))) {
                tracing::debug!("a beat did not reach the broker");
            }
        });
    }
}
