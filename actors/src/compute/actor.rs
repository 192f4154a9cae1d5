//! A compute actor's wiring. It decides nothing but whether it can go on, so it has no `state.rs`.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use ttg_observability::metrics::ActorKind;
use ttg_runtime::SlotId;
use ttg_runtime::kernel::{Cancel, Slot, SlotReport};

use super::messages::ComputeMsg;
use crate::address::{Address, Handling};
use crate::config::Wiring;
use crate::dispatcher::{DispatcherMsg, SlotFailure};
use crate::error::Fault;

/// A compute actor.
pub(crate) struct Compute(pub(crate) Arc<Wiring>);

pub(crate) struct State {
    slot: Box<dyn Slot>,
    dispatcher: Option<Address<DispatcherMsg>>,
    /// Ends what the present dispatcher assigned last.
    assigned: Vec<Cancel>,
}

impl Actor for Compute {
    type Msg = ComputeMsg;
    type State = State;
    type Arguments = SlotId;

    async fn pre_start(
        &self,
        myself: ActorRef<ComputeMsg>,
        slot: SlotId,
    ) -> Result<State, ActorProcessingErr> {
        let ports = &self.0.ports;
        let myself = Address::new(myself, ActorKind::Compute, &ports.metrics);
        let reports = Arc::new(move |report| myself.tell(ComputeMsg::Report(report)));
        Ok(State {
            slot: ports.execution.open(slot, reports)?,
            dispatcher: None,
            assigned: Vec::new(),
        })
    }

    async fn handle(
        &self,
        _: ActorRef<ComputeMsg>,
        message: ComputeMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let ports = &self.0.ports;
        let _handling = Handling::begin(ActorKind::Compute, &ports.metrics, &*ports.clock);
        match message {
            ComputeMsg::Attach(dispatcher) => {
                state.assigned.drain(..).for_each(|cancel| cancel.set());
                state.dispatcher = Some(dispatcher);
            }
            ComputeMsg::Assign(work) => {
                state.assigned.clear();
                state.assigned.extend(work.iter().map(|work| work.limits.cancel.clone()));
                state.slot.assign(work);
            }
            ComputeMsg::Report(SlotReport::Evaluated(ended)) => {
                if let Some(dispatcher) = &state.dispatcher {
                    dispatcher.tell(DispatcherMsg::Evaluated(ended));
                }
            }
            ComputeMsg::Abandon(SlotFailure { delivery, failure }) => {
                // The dispatcher knows what was reported, the slot what it is stuck in.
                let delivery = state.slot.at().unwrap_or(delivery);
                return Err(Fault::Kernel { delivery, failure }.into());
            }
            ComputeMsg::AbandonUnlessAt(SlotFailure { delivery, failure }) => {
                if let Some(delivery) = state.slot.at().filter(|at| *at != delivery) {
                    return Err(Fault::Kernel { delivery, failure }.into());
                }
            }
            ComputeMsg::Report(SlotReport::Panicked { id, failure }) => {
                return Err(Fault::Kernel { delivery: id, failure }.into());
            }
        }
        Ok(())
    }
}

/// However the actor ends, what its slot computes for it ends with the slice.
impl Drop for State {
    fn drop(&mut self) {
        self.assigned.iter().for_each(Cancel::set);
    }
}
