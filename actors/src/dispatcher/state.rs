//! What the dispatcher decides. Time comes in, effects go out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::kernel::{Assignment, Cancel, Evaluated, Kernels, Limits};
use ttg_runtime::retry::{Verdict, verdict};
use ttg_runtime::{
    Chunk, Credit, DeadParameters, Delivery, DeliveryId, Failure, FailureKind, Outcome, Receipt,
    SlotId, WallTime, WorkerId,
};

use super::messages::{DispatcherObservation, SlotFailure};
use super::pace::Pace;
use crate::result_sink::Settlement;

/// How long a chunk whose kernel this worker lacks is kept from coming right back.
const FOREIGN_KERNEL_DELAY: Duration = Duration::from_secs(5);

/// What the dispatcher's wiring is to do.
pub(super) enum Effect {
    /// Ask the broker for chunks. One request at a time.
    Receive(Credit),
    /// Hand work to a slot.
    Assign(SlotId, Vec<Assignment>),
    /// Have the result sink settle these.
    Settle(Vec<Settlement>),
    /// Have the lease keeper renew these.
    Hold(Vec<(DeliveryId, Receipt)>),
    /// Have the lease keeper forget these.
    Release(Vec<DeliveryId>),
    /// End these evaluations at their next slice.
    Cancel(Vec<Cancel>),
    /// Everything is settled and no more will come.
    Stop,
}

/// Where a delivery is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Ready,
    Assigned(SlotId),
    Settling,
}

struct InFlight {
    delivery: Delivery,
    stage: Stage,
    cancel: Cancel,
    lease_lost: bool,
}

/// The in-flight table and what it is decided by.
pub(super) struct DispatcherState {
    worker: WorkerId,
    build: String,
    kernels: Kernels,
    /// Slots, with how many assignments each has.
    slots: BTreeMap<SlotId, usize>,
    table: BTreeMap<DeliveryId, InFlight>,
    ready: VecDeque<DeliveryId>,
    requested: Option<Credit>,
    pace: Pace,
    draining: bool,
    next_delivery: u64,
}

impl DispatcherState {
    pub(super) fn new(worker: WorkerId, build: String, kernels: Kernels, first: u64) -> Self {
        Self {
            worker,
            build,
            kernels,
            slots: BTreeMap::new(),
            table: BTreeMap::new(),
            ready: VecDeque::new(),
            requested: None,
            pace: Pace::default(),
            draining: false,
            next_delivery: first,
        }
    }

    pub(super) fn observe(&self) -> DispatcherObservation {
        DispatcherObservation {
            in_flight: self.table.len(),
            ready: self.ready.len(),
            idle_slots: self.slots.values().filter(|&&assigned| assigned == 0).count(),
            slots: self.slots.len(),
            read_ahead: self.pace.read_ahead(),
            draining: self.draining,
        }
    }

    /// Hands ready chunks to slots that have few, then asks for as many as there is room for.
    fn proceed(&mut self, mut effects: Vec<Effect>) -> Vec<Effect> {
        if self.draining {
            if self.table.is_empty() {
                effects.push(Effect::Stop);
            }
            return effects;
        }
        let low = self.pace.refill_at();
        let hungry = self.slots.iter().filter(|(_, assigned)| **assigned <= low);
        let mut hungry: Vec<_> = hungry.map(|(slot, assigned)| (*assigned, *slot)).collect();
        // Who has nothing to do comes first.
        hungry.sort_unstable();
        for (_, slot) in hungry {
            let count = self.pace.assignment(self.ready.len(), self.slots.len());
            let work: Vec<_> = (0..count).map_while(|_| self.assign_next(slot)).collect();
            if !work.is_empty() {
                effects.push(Effect::Assign(slot, work));
            }
        }
        if self.requested.is_none() && !self.slots.is_empty() {
            let room = self.slots.len() + self.pace.read_ahead();
            let free = u32::try_from(room.saturating_sub(self.table.len())).unwrap_or(u32::MAX);
            if let Some(credit) = Credit::new(free) {
                self.requested = Some(credit);
                effects.push(Effect::Receive(credit));
            }
        }
        effects
    }

    fn assign_next(&mut self, slot: SlotId) -> Option<Assignment> {
        let id = self.ready.pop_front()?;
        let entry = self.table.get_mut(&id)?;
        let chunk = entry.delivery.chunk.clone();
        let kernel = Arc::clone(self.kernels.get(&chunk.spec.kernel)?);
        let last = verdict(chunk.counters, &chunk.spec.policy) == Verdict::LastAttempt;
        entry.stage = Stage::Assigned(slot);
        *self.slots.get_mut(&slot)? += 1;
        let limits = Limits { last_attempt: last, cancel: entry.cancel.clone() };
        Some(Assignment { id, chunk, kernel, limits, isolated: false })
    }

    /// Takes the entry of an ended assignment off its slot.
    fn unassign(&mut self, id: DeliveryId) -> Option<&mut InFlight> {
        let entry = self.table.get_mut(&id)?;
        if let Stage::Assigned(slot) = entry.stage {
            if let Some(assigned) = self.slots.get_mut(&slot) {
                *assigned = assigned.saturating_sub(1);
            }
            entry.stage = Stage::Settling;
        }
        Some(entry)
    }

    /// Settles a failed delivery: again later, or with no attempt left as dead. An evaluation buries
    /// by itself at its last attempt; this keeps what fails around one from coming back for ever.
    fn failed(&mut self, id: DeliveryId, failure: Failure, wall: WallTime) -> Option<Settlement> {
        let entry = self.table.get_mut(&id)?;
        entry.stage = Stage::Settling;
        let entry = self.table.get(&id)?;
        let chunk = &entry.delivery.chunk;
        if verdict(chunk.counters, &chunk.spec.policy) == Verdict::Attempt {
            return Some(Settlement::nack(id, &entry.delivery, failure));
        }
        let dead = DeadParameters::all(chunk.range, failure.kind, &failure.message);
        let outcome = Box::new(self.outcome(chunk, Vec::new(), dead, Duration::ZERO, wall));
        Some(Settlement::Commit { id, receipt: entry.delivery.receipt, outcome })
    }

    fn outcome(
        &self,
        chunk: &Chunk,
        columns: Vec<ttg_runtime::Column>,
        dead: DeadParameters,
        took: Duration,
        wall: WallTime,
    ) -> Outcome {
        let outcome = Outcome {
            key: chunk.key,
            range: chunk.range,
            columns,
            dead,
            attempt: chunk.counters.attempt(),
            worker: self.worker.clone(),
            build: self.build.clone(),
            finished_at: wall,
            computed_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        };
        debug_assert!(ttg_runtime::invariants::outcome_is_whole(&outcome));
        outcome
    }
}

/// The broker handed over what it had, or nothing within the wait.
pub(super) fn on_received(
    state: &mut DispatcherState,
    deliveries: Vec<Delivery>,
    wall: WallTime,
) -> Vec<Effect> {
    debug_assert!(
        state.requested.is_some_and(|credit| deliveries.len() <= credit.get() as usize),
        "a broker never exceeds its credit"
    );
    state.requested = None;
    let mut held = Vec::with_capacity(deliveries.len());
    let mut settlements = Vec::new();
    for delivery in deliveries {
        let id = DeliveryId(state.next_delivery);
        state.next_delivery += 1;
        held.push((id, delivery.receipt));
        let chunk = &delivery.chunk;
        let (receipt, mut stage) = (delivery.receipt, Stage::Settling);
        if state.draining {
            settlements.push(Settlement::give_back(id, receipt, Duration::ZERO));
        } else if state.kernels.get(&chunk.spec.kernel).is_none() {
            settlements.push(Settlement::give_back(id, receipt, FOREIGN_KERNEL_DELAY));
        } else if verdict(chunk.counters, &chunk.spec.policy) == Verdict::GiveUp {
            let outcome = given_up(state, chunk, wall);
            settlements.push(Settlement::Commit { id, receipt, outcome: Box::new(outcome) });
        } else {
            stage = Stage::Ready;
            state.ready.push_back(id);
        }
        let entry = InFlight { delivery, stage, cancel: Cancel::default(), lease_lost: false };
        state.table.insert(id, entry);
    }
    let mut effects = Vec::new();
    if !held.is_empty() {
        effects.push(Effect::Hold(held));
    }
    if !settlements.is_empty() {
        effects.push(Effect::Settle(settlements));
    }
    state.proceed(effects)
}

fn given_up(state: &DispatcherState, chunk: &Chunk, wall: WallTime) -> Outcome {
    let silent = chunk.counters.silent_deliveries;
    let last = chunk.last_failure.as_ref().map(|why| format!("; last failure: {why}"));
    let reason = format!("{silent} deliveries ended without a word{}", last.unwrap_or_default());
    let dead = DeadParameters::all(chunk.range, FailureKind::Silent, &reason);
    state.outcome(chunk, Vec::new(), dead, Duration::ZERO, wall)
}

/// The request failed; its credit is free again. The wiring asks again after a pause.
pub(super) fn on_receive_failed(state: &mut DispatcherState) {
    state.requested = None;
}

/// Time to ask again.
pub(super) fn on_retry_receive(state: &mut DispatcherState) -> Vec<Effect> {
    state.proceed(Vec::new())
}

/// A slot is there and has nothing to do.
pub(super) fn on_slot_opened(state: &mut DispatcherState, slot: SlotId) -> Vec<Effect> {
    state.slots.insert(slot, 0);
    state.proceed(Vec::new())
}

/// A slot is gone. What it was assigned is ours to settle: the chunk whose kernel panicked is
/// nacked, what was not begun waits for another slot, and what nothing is known of (the actor
/// itself failed) is evaluated again.
pub(super) fn on_slot_lost(
    state: &mut DispatcherState,
    slot: SlotId,
    failed: Option<&SlotFailure>,
    wall: WallTime,
) -> Vec<Effect> {
    state.slots.remove(&slot);
    let mut settlements = Vec::new();
    let assigned: Vec<_> = state
        .table
        .iter()
        .filter(|(_, entry)| entry.stage == Stage::Assigned(slot))
        .map(|(id, _)| *id)
        .collect();
    let mut effects = Vec::new();
    for id in assigned.into_iter().rev() {
        if let Some(failed) = failed.filter(|failed| failed.delivery == id) {
            settlements.extend(state.failed(id, failed.failure.clone(), wall));
            continue;
        }
        let Some(entry) = state.table.get_mut(&id) else { continue };
        if state.draining {
            entry.stage = Stage::Settling;
            let receipt = entry.delivery.receipt;
            settlements.push(Settlement::give_back(id, receipt, Duration::ZERO));
        } else {
            // The old slot may still be in it: its cancel is set, and a fresh one takes over.
            effects.push(Effect::Cancel(vec![std::mem::take(&mut entry.cancel)]));
            entry.stage = Stage::Ready;
            state.ready.push_front(id);
        }
    }
    if !settlements.is_empty() {
        effects.push(Effect::Settle(settlements));
    }
    state.proceed(effects)
}

/// Evaluations ended. Ids that the table does not have belong to a dispatcher before this one.
pub(super) fn on_evaluated(
    state: &mut DispatcherState,
    ended: Vec<(DeliveryId, Evaluated)>,
    wall: WallTime,
) -> Vec<Effect> {
    let mut settlements = Vec::with_capacity(ended.len());
    let mut released = Vec::new();
    for (id, evaluated) in ended {
        let slots = state.slots.len();
        let Some(entry) = state.unassign(id) else {
            continue;
        };
        let receipt = entry.delivery.receipt;
        match evaluated {
            Evaluated::Completed { columns, dead, took } => {
                let chunk = entry.delivery.chunk.clone();
                state.pace.learn(took, slots);
                let outcome = Box::new(state.outcome(&chunk, columns, dead, took, wall));
                settlements.push(Settlement::Commit { id, receipt, outcome });
            }
            Evaluated::Failed(failure) => settlements.extend(state.failed(id, failure, wall)),
            Evaluated::Cancelled if entry.lease_lost => {
                state.table.remove(&id);
                released.push(id);
            }
            Evaluated::Cancelled => {
                settlements.push(Settlement::give_back(id, receipt, Duration::ZERO));
            }
        }
    }
    let mut effects = Vec::new();
    if !released.is_empty() {
        effects.push(Effect::Release(released));
    }
    if !settlements.is_empty() {
        effects.push(Effect::Settle(settlements));
    }
    state.proceed(effects)
}

/// Deliveries are settled: their credit is free.
pub(super) fn on_settled(state: &mut DispatcherState, settled: Vec<DeliveryId>) -> Vec<Effect> {
    for id in &settled {
        state.table.remove(id);
    }
    state.proceed(vec![Effect::Release(settled)])
}

/// Others may have these chunks. What is computed of them ends at its slice; what is computed
/// already is committed all the same, since the first outcome wins and all are equal.
pub(super) fn on_leases_lost(state: &mut DispatcherState, lost: &[DeliveryId]) -> Vec<Effect> {
    let mut cancels = Vec::new();
    let mut released = Vec::new();
    for id in lost {
        let Some(entry) = state.table.get_mut(id) else {
            continue;
        };
        entry.lease_lost = true;
        match entry.stage {
            Stage::Assigned(_) => cancels.push(entry.cancel.clone()),
            Stage::Settling => {}
            Stage::Ready => {
                state.table.remove(id);
                released.push(*id);
            }
        }
    }
    state.ready.retain(|id| state.table.contains_key(id));
    state.proceed(vec![Effect::Cancel(cancels), Effect::Release(released)])
}

/// Takes no more: what waits is given back now, what is computed at the end of its slice.
pub(super) fn on_drain(state: &mut DispatcherState) -> Vec<Effect> {
    state.draining = true;
    let mut returned = Vec::new();
    let mut cancels = Vec::new();
    for (id, entry) in &mut state.table {
        match entry.stage {
            Stage::Ready => {
                entry.stage = Stage::Settling;
                returned.push(Settlement::give_back(*id, entry.delivery.receipt, Duration::ZERO));
            }
            Stage::Assigned(_) => cancels.push(entry.cancel.clone()),
            Stage::Settling => {}
        }
    }
    state.ready.clear();
    let mut effects = vec![Effect::Cancel(cancels)];
    if !returned.is_empty() {
        effects.push(Effect::Settle(returned));
    }
    state.proceed(effects)
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
