//! What the dispatcher decides. Time comes in, effects go out.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use ttg_runtime::invariants::{credit_is_respected, outcome_is_whole};
use ttg_runtime::kernel::{Assignment, Cancel, Evaluated, Kernels};
use ttg_runtime::retry::{Verdict, verdict};
use ttg_runtime::{
    Chunk, Credit, DeadParameters, Delivery, DeliveryId, Failure, FailureKind, JobUid, Outcome,
    SlotId, Timestamp, Values, WallTime, WorkerId,
};

use super::course::Reported;
use super::messages::{DispatcherObservation, SlotFailure};
use super::pace::Pace;
use super::slots::Slots;
use super::table::{InFlight, Manner, Stage, Table, manner};
use crate::attempt::Attempt;
use crate::chunk_name::ChunkName;
use crate::lease_keeper::Held;
use crate::result_sink::{Settlement, Urgency};

/// How long a chunk whose kernel this worker lacks is kept from coming right back.
const FOREIGN_KERNEL_DELAY: Duration = Duration::from_secs(5);

/// When something is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) wall: WallTime,
}

/// What the dispatcher's wiring is to do.
pub(super) enum Effect {
    /// Ask the broker for chunks. One request at a time.
    Receive(Credit),
    /// Hand work to a slot.
    Assign(SlotId, Vec<Assignment>),
    /// Have the result sink settle these.
    Settle(Vec<Settlement>, Urgency),
    /// Have the lease keeper renew these.
    Hold(Vec<Held>),
    /// Have the lease keeper forget these.
    Release(Vec<DeliveryId>),
    /// End these evaluations at their next slice.
    Cancel(Vec<Cancel>),
    /// Have the slot's actor fail of this: its kernel does not come back.
    Abandon(SlotId, SlotFailure),
    /// The same, unless the slot is at this delivery, whose time others watch.
    AbandonUnlessAt(SlotId, SlotFailure),
    /// Count and log that the lease of this was lost.
    LeaseLost(ChunkName),
    /// Tell that this ended with the loss of its lease.
    TellLost(Box<Attempt>),
    /// Everything is settled and no more will come.
    Stop,
}

/// The in-flight table and what it is decided by.
pub(super) struct DispatcherState {
    worker: WorkerId,
    build: String,
    pub(super) kernels: Kernels,
    pub(super) slots: Slots,
    pub(super) table: Table,
    pub(super) ready: VecDeque<DeliveryId>,
    /// Those that wait to be alone.
    pub(super) waiting_alone: VecDeque<DeliveryId>,
    /// Jobs whose kernel hung here.
    pub(super) hung: BTreeSet<JobUid>,
    /// The last tick, or the start.
    pub(super) ticked: Timestamp,
    pub(super) requested: Option<Credit>,
    pub(super) pace: Pace,
    pub(super) draining: bool,
    /// Somebody wants to be told of each attempt.
    pub(super) is_traced: bool,
    next_delivery: u64,
}

impl DispatcherState {
    pub(super) fn new(
        worker: WorkerId,
        build: String,
        kernels: Kernels,
        first: u64,
        now: Timestamp,
    ) -> Self {
        Self {
            worker,
            build,
            kernels,
            slots: Slots::default(),
            table: Table::default(),
            ready: VecDeque::new(),
            waiting_alone: VecDeque::new(),
            hung: BTreeSet::new(),
            ticked: now,
            requested: None,
            pace: Pace::default(),
            draining: false,
            is_traced: false,
            next_delivery: first,
        }
    }

    pub(super) fn observe(&self) -> DispatcherObservation {
        DispatcherObservation {
            in_flight: self.table.len(),
            ready: self.ready.len() + self.waiting_alone.len(),
            idle_slots: self.slots.idle(),
            slots: self.slots.len(),
            read_ahead: self.pace.read_ahead(),
            draining: self.draining,
        }
    }

    /// Returns an innocent delivery.
    pub(super) fn give_back(&mut self, id: DeliveryId) -> Option<Settlement> {
        let entry = self.table.get_mut(id)?;
        entry.stage = Stage::Settling;
        Some(Settlement::give_back(id, entry.delivery.receipt, Duration::ZERO))
    }

    /// Settles a failed delivery: again later, or with no attempt left as dead. An evaluation buries
    /// by itself at its last attempt; this keeps what fails around one from coming back for ever.
    fn failed(&mut self, id: DeliveryId, failure: Failure, wall: WallTime) -> Option<Settlement> {
        self.table.get_mut(id)?.stage = Stage::Settling;
        let entry = self.table.get(id)?;
        let chunk = &entry.delivery.chunk;
        if verdict(chunk.counters, &chunk.spec.policy) == Verdict::Attempt {
            return Some(Settlement::nack(id, &entry.delivery, failure));
        }
        let dead = DeadParameters::all(chunk.range, failure.kind, &failure.message);
        let outcome = self.outcome(chunk, Vec::new(), dead, Duration::ZERO, wall);
        Some(Settlement::commit(id, entry.delivery.receipt, outcome, Values::new()))
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
            values: None,
        };
        debug_assert!(outcome_is_whole(&outcome));
        outcome
    }
}

/// About how long it takes to store values, at a hundred megabytes a second. It is part of a chunk's
/// work, or a fast kernel would fill the memory with what waits to be stored.
fn storing(values: &Values) -> Duration {
    Duration::from_nanos(10 * values.bytes() as u64)
}

/// The broker handed over what it had, or nothing within the wait.
pub(super) fn on_received(
    state: &mut DispatcherState,
    deliveries: Vec<Delivery>,
    at: Moment,
) -> Vec<Effect> {
    debug_assert!(
        state.requested.is_some_and(|credit| credit_is_respected(credit, &deliveries)),
        "a broker never exceeds its credit"
    );
    state.requested = None;
    let mut held = Vec::with_capacity(deliveries.len());
    let mut settlements = Vec::new();
    for delivery in deliveries {
        let id = DeliveryId(state.next_delivery);
        state.next_delivery += 1;
        held.push(Held { id, receipt: delivery.receipt });
        let chunk = &delivery.chunk;
        let (receipt, mut stage) = (delivery.receipt, Stage::Settling);
        let mut manner = Manner::Shared;
        if state.draining {
            settlements.push(Settlement::give_back(id, receipt, Duration::ZERO));
        } else if state.kernels.get(&chunk.spec.kernel).is_none() {
            settlements.push(Settlement::give_back(id, receipt, FOREIGN_KERNEL_DELAY));
        } else if verdict(chunk.counters, &chunk.spec.policy) == Verdict::GiveUp {
            let outcome = given_up(state, chunk, at.wall);
            settlements.push(Settlement::commit(id, receipt, outcome, Values::new()));
        } else {
            stage = Stage::Ready;
            manner = self::manner(&delivery);
            state.put_in_queue(id, manner, false);
        }
        let cancel = Cancel::default();
        let (lease_lost, received, computed) = (false, at.now, None);
        let entry = InFlight { delivery, stage, manner, cancel, lease_lost, received, computed };
        state.table.insert(id, entry);
    }
    let mut effects = Vec::new();
    if !held.is_empty() {
        effects.push(Effect::Hold(held));
    }
    effects.extend(state.settle(settlements, at.now));
    state.proceed(effects, at.now)
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
pub(super) fn on_retry_receive(state: &mut DispatcherState, at: Moment) -> Vec<Effect> {
    state.proceed(Vec::new(), at.now)
}

/// A slot is there and has nothing to do.
pub(super) fn on_slot_opened(state: &mut DispatcherState, slot: SlotId, at: Moment) -> Vec<Effect> {
    state.slots.open(slot);
    state.proceed(Vec::new(), at.now)
}

/// A slot is gone. What it was assigned is ours to settle: the chunk whose kernel panicked or hung is
/// nacked, what was not begun waits for another slot, and what nothing is known of (the actor
/// itself failed) is evaluated again. What was lost meanwhile is others' to settle.
pub(super) fn on_slot_lost(
    state: &mut DispatcherState,
    slot: SlotId,
    failed: Option<&SlotFailure>,
    at: Moment,
) -> Vec<Effect> {
    let (mut settlements, mut effects) = (Vec::new(), Vec::new());
    let begun = state.slots.begun(slot);
    for id in state.slots.close(slot).into_iter().rev() {
        let failed = failed.filter(|failed| failed.delivery == id);
        if let (Some(failed), Some(entry)) = (failed, state.table.get_mut(id)) {
            entry.computed = begun.map(|begun| (begun.min(at.now), at.now));
            if failed.failure.kind == FailureKind::Timeout {
                state.remember_hung(id);
            }
        }
        if state.is_lost(id) {
            effects.extend(state.end_lost(id, at.now));
        } else if let Some(failed) = failed {
            settlements.extend(state.failed(id, failed.failure.clone(), at.wall));
        } else if state.draining {
            settlements.extend(state.give_back(id));
        } else if let Some(entry) = state.table.get_mut(id) {
            // The old slot may still be in it: its cancel is set, and a fresh one takes over.
            effects.push(Effect::Cancel(vec![std::mem::take(&mut entry.cancel)]));
            entry.stage = Stage::Ready;
            let manner = entry.manner;
            state.put_in_queue(id, manner, true);
        }
    }
    effects.extend(state.settle(settlements, at.now));
    state.proceed(effects, at.now)
}

/// Evaluations ended. Ids that the table does not have belong to a dispatcher before this one.
pub(super) fn on_evaluated(
    state: &mut DispatcherState,
    ended: Vec<(DeliveryId, Evaluated)>,
    at: Moment,
) -> Vec<Effect> {
    let mut settlements = Vec::with_capacity(ended.len());
    let mut effects = Vec::new();
    let begun = ended.iter().find_map(|(id, _)| state.begun(*id)).unwrap_or(at.now);
    let mut reported = Reported::new(begun, ended.len());
    for (id, evaluated) in ended {
        let slots = state.slots.len();
        let computed = reported.next(&evaluated, at.now);
        let Some(entry) = state.unassign(id, at.now) else {
            continue;
        };
        entry.computed = Some(computed);
        let receipt = entry.delivery.receipt;
        match evaluated {
            Evaluated::Completed { columns, dead, took, values } => {
                let chunk = entry.delivery.chunk.clone();
                state.pace.learn(took + storing(&values), slots);
                let outcome = state.outcome(&chunk, columns, dead, took, at.wall);
                settlements.push(Settlement::commit(id, receipt, outcome, values));
            }
            Evaluated::Failed(_) | Evaluated::Cancelled if entry.lease_lost => {
                effects.extend(state.end_lost(id, at.now));
            }
            Evaluated::Failed(failure) => settlements.extend(state.failed(id, failure, at.wall)),
            Evaluated::Cancelled => {
                settlements.push(Settlement::give_back(id, receipt, Duration::ZERO));
            }
        }
    }
    effects.extend(state.settle(settlements, at.now));
    state.proceed(effects, at.now)
}

/// Deliveries are settled: their credit is free.
pub(super) fn on_settled(
    state: &mut DispatcherState,
    settled: Vec<DeliveryId>,
    at: Moment,
) -> Vec<Effect> {
    for id in &settled {
        state.table.remove(*id);
    }
    state.proceed(vec![Effect::Release(settled)], at.now)
}

/// Others may have these chunks. What is computed of them ends at its slice; what is computed
/// already is committed all the same, since the first outcome wins and all are equal. Of that the
/// answer to its settlement tells whether it was lost: the broker may have settled it before it was
/// asked to renew it.
pub(super) fn on_leases_lost(
    state: &mut DispatcherState,
    lost: &[DeliveryId],
    at: Moment,
) -> Vec<Effect> {
    let (mut cancels, mut effects) = (Vec::new(), Vec::new());
    for id in lost {
        let Some(entry) = state.table.get_mut(*id) else {
            continue;
        };
        let stage = entry.stage;
        if stage == Stage::Settling {
            continue;
        }
        entry.lease_lost = true;
        cancels.push(entry.cancel.clone());
        effects.extend(state.lease_lost(*id));
        if stage == Stage::Ready {
            effects.extend(state.end_lost(*id, at.now));
        }
    }
    let table = &state.table;
    state.ready.retain(|id| table.get(*id).is_some());
    state.waiting_alone.retain(|id| table.get(*id).is_some());
    effects.push(Effect::Cancel(cancels));
    state.proceed(effects, at.now)
}

/// Takes no more: what waits is given back now, what is computed at the end of its slice.
pub(super) fn on_drain(state: &mut DispatcherState, at: Moment) -> Vec<Effect> {
    state.draining = true;
    let mut effects = vec![Effect::Cancel(state.table.assigned().collect())];
    let waiting = state.ready.drain(..).chain(state.waiting_alone.drain(..));
    let waiting: Vec<_> = waiting.collect();
    let returned: Vec<_> = waiting.into_iter().filter_map(|id| state.give_back(id)).collect();
    effects.extend(state.settle(returned, at.now));
    state.proceed(effects, at.now)
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "isolation_tests.rs"]
mod isolation_tests;

#[cfg(test)]
#[path = "course_tests.rs"]
mod course_tests;
