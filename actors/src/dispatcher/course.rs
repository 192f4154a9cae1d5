//! When each delivery was where, for its trace.

use ttg_runtime::kernel::Evaluated;
use ttg_runtime::{DeliveryId, Timestamp};

use super::state::{DispatcherState, Effect};
use super::table::Manner;
use crate::attempt::{Attempt, span_of};
use crate::chunk_name::ChunkName;
use crate::result_sink::{Settlement, Urgency};

/// The evaluations that one slot reports together, one after the other since `begun`.
pub(super) struct Reported {
    cursor: Timestamp,
    left: usize,
}

impl Reported {
    pub(super) fn new(begun: Timestamp, evaluations: usize) -> Self {
        Self { cursor: begun, left: evaluations }
    }

    /// From when to when the next one was evaluated. Only one that came to its end tells how long
    /// that took; of the others, the last one ended just now.
    pub(super) fn next(&mut self, evaluated: &Evaluated, now: Timestamp) -> (Timestamp, Timestamp) {
        self.left = self.left.saturating_sub(1);
        let from = self.cursor.min(now);
        let to = match evaluated {
            Evaluated::Completed { took, .. } => from.after(*took).min(now),
            Evaluated::Failed(_) | Evaluated::Cancelled if self.left == 0 => now,
            Evaluated::Failed(_) | Evaluated::Cancelled => from,
        };
        self.cursor = to;
        (from, to)
    }
}

impl DispatcherState {
    /// Has these settled, with what is to be told of them.
    pub(super) fn settle(
        &self,
        mut settlements: Vec<Settlement>,
        now: Timestamp,
    ) -> Option<Effect> {
        if settlements.is_empty() {
            return None;
        }
        if self.is_traced {
            for settlement in &mut settlements {
                let attempt = self.attempt(settlement.id(), now);
                settlement.is_told_by(attempt);
            }
        }
        let urgency = self.urgency(&settlements);
        Some(Effect::Settle(settlements, urgency))
    }

    /// Outcomes may wait for others while every slot that asks for work gets some, and while more has been
    /// asked for: then they do not stand in the way of credit. Chunks that are longer than what is
    /// read ahead gain nothing by it.
    fn urgency(&self, settlements: &[Settlement]) -> Urgency {
        if self.ready.is_empty() && self.slots.idle() == self.slots.len() {
            return Urgency::Last;
        }
        let low = self.pace.refill_at();
        let all_commits = settlements.iter().all(|s| matches!(s, Settlement::Commit { .. }));
        let dry = self.requested.is_none() && self.ready.len() < self.slots.with_few(low).count();
        if low == 0 || dry || !all_commits || self.draining {
            Urgency::Pressing
        } else {
            Urgency::MayLinger
        }
    }

    /// Others may have this one.
    pub(super) fn is_lost(&self, id: DeliveryId) -> bool {
        self.table.get(id).is_some_and(|entry| entry.lease_lost)
    }

    /// The loss of a lease, to be told once.
    pub(super) fn lease_lost(&self, id: DeliveryId) -> Option<Effect> {
        let chunk = &self.table.get(id)?.delivery.chunk;
        let span = self.is_traced.then(|| span_of(chunk));
        Some(Effect::LeaseLost(ChunkName::new(&chunk.key, span)))
    }

    /// Forgets one whose lease was lost, whatever became of it here: there is nothing to settle.
    pub(super) fn end_lost(&mut self, id: DeliveryId, now: Timestamp) -> Option<Effect> {
        let attempt = self.is_traced.then(|| self.attempt(id, now)).flatten();
        self.table.remove(id);
        attempt.map(Effect::TellLost)
    }

    fn attempt(&self, id: DeliveryId, now: Timestamp) -> Option<Box<Attempt>> {
        let entry = self.table.get(id)?;
        Some(Box::new(Attempt {
            delivery: entry.delivery.clone(),
            isolated: entry.manner != Manner::Shared,
            received: entry.received,
            computed: entry.computed,
            decided: now,
        }))
    }
}
