//! Which delivery goes to which slot, and when more are asked for.

use std::sync::Arc;

use ttg_runtime::kernel::{Assignment, Limits};
use ttg_runtime::retry::{Verdict, verdict};
use ttg_runtime::{Credit, DeliveryId, SlotId, Timestamp};

use super::state::{DispatcherState, Effect};
use super::table::{InFlight, Manner, Stage};

impl DispatcherState {
    /// Hands ready chunks to slots that have few, then asks for as many as there is room for.
    pub(super) fn proceed(&mut self, mut effects: Vec<Effect>, now: Timestamp) -> Vec<Effect> {
        if self.draining {
            if self.table.is_empty() {
                effects.push(Effect::Stop);
            }
            return effects;
        }
        if self.table.alone() > 0 {
            effects.extend(self.proceed_alone(now));
            return effects;
        }
        for (assigned, slot) in self.slots.hungry(self.pace.refill_at()) {
            // The last ones are for whoever ends first: no more may be to come.
            if assigned > 0 && self.ready.len() <= self.slots.len() {
                break;
            }
            let work = self.assign_batch(slot, now);
            if !work.is_empty() {
                effects.push(Effect::Assign(slot, work));
            }
        }
        if self.requested.is_none() && !self.slots.is_empty() {
            let room = self.slots.len() + self.pace.read_ahead();
            let free = room.saturating_sub(self.table.len());
            // While enough is ready, chunks that end one by one are made up for at once.
            if self.ready.is_empty() || free * 2 >= room {
                let credit = Credit::new(u32::try_from(free).unwrap_or(u32::MAX));
                self.requested = credit;
                effects.extend(credit.map(Effect::Receive));
            }
        }
        effects
    }

    /// Chunks wait beside idle slots. It is so for a moment at most: what waits to be alone apart,
    /// which may have to wait for the broker to take what was before it.
    pub(super) fn is_stuck(&self) -> bool {
        !self.ready.is_empty() && self.slots.idle() > 0
    }

    /// What a slot is handed at once. It reports at the end of a batch at the latest, so that of one
    /// batch it may be further than is known here. A batch is of one job, whose timeout holds for all
    /// of it. What has a process of its own is alone in its slot: others watch its time, and nothing
    /// is to wait for it while another slot is idle.
    fn assign_batch(&mut self, slot: SlotId, now: Timestamp) -> Vec<Assignment> {
        let count = self.pace.assignment(self.ready.len(), self.slots.len());
        let mut last = self.slots.last(slot);
        let mut batch = Vec::new();
        while batch.len() < count
            && let Some(&id) = self.ready.front()
            && last.is_none_or(|last| self.may_follow(last, id, !batch.is_empty()))
        {
            self.ready.pop_front();
            batch.extend(self.assign(id, slot, now));
            last = Some(id);
        }
        batch
    }

    fn may_follow(&self, before: DeliveryId, next: DeliveryId, in_batch: bool) -> bool {
        let Some((before, next)) = self.table.get(before).zip(self.table.get(next)) else {
            return true;
        };
        let job = next.delivery.chunk.key.job;
        let shared = next.manner == Manner::Shared && !self.hung.contains(&job);
        let of_one_job = before.delivery.chunk.key.job == job;
        before.manner == Manner::Shared && shared && (of_one_job || !in_batch)
    }

    /// Gives back what is ready, lets end what was begun, and then evaluates one at a time.
    fn proceed_alone(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        let ready = std::mem::take(&mut self.ready);
        let returned: Vec<_> = ready.into_iter().filter_map(|id| self.give_back(id)).collect();
        effects.extend(self.settle(returned, now));
        if self.table.len() == self.waiting_alone.len()
            && let Some(&(_, slot)) = self.slots.hungry(0).first()
        {
            let work = self.waiting_alone.pop_front().and_then(|id| self.assign(id, slot, now));
            effects.extend(work.map(|work| Effect::Assign(slot, vec![work])));
        }
        effects
    }

    fn assign(&mut self, id: DeliveryId, slot: SlotId, now: Timestamp) -> Option<Assignment> {
        let entry = self.table.get_mut(id)?;
        let chunk = entry.delivery.chunk.clone();
        let kernel = Arc::clone(self.kernels.get(&chunk.spec.kernel)?);
        // Its job's kernel may have hung here since it came.
        if entry.manner == Manner::Shared && self.hung.contains(&chunk.key.job) {
            entry.manner = Manner::Isolated;
        }
        let last_attempt = verdict(chunk.counters, &chunk.spec.policy) == Verdict::LastAttempt;
        entry.stage = Stage::Assigned(slot);
        self.slots.assign(slot, id, now);
        let limits = Limits { last_attempt, cancel: entry.cancel.clone() };
        Some(Assignment { id, chunk, kernel, limits, isolated: entry.manner != Manner::Shared })
    }

    /// Waits in its queue, ahead of the others if it waited there before.
    pub(super) fn put_in_queue(&mut self, id: DeliveryId, manner: Manner, before: bool) {
        let queue = match manner {
            Manner::Alone => &mut self.waiting_alone,
            Manner::Shared | Manner::Isolated => &mut self.ready,
        };
        if before {
            queue.push_front(id);
        } else {
            queue.push_back(id);
        }
    }

    /// When its slot began with the first of what it has, at the latest.
    pub(super) fn begun(&self, id: DeliveryId) -> Option<Timestamp> {
        match self.table.get(id)?.stage {
            Stage::Assigned(slot) => self.slots.begun(slot),
            Stage::Ready | Stage::Settling => None,
        }
    }

    /// Takes the entry of an ended assignment off its slot.
    pub(super) fn unassign(&mut self, id: DeliveryId, now: Timestamp) -> Option<&mut InFlight> {
        let entry = self.table.get_mut(id)?;
        if let Stage::Assigned(slot) = entry.stage {
            self.slots.end(slot, id, now);
            entry.stage = Stage::Settling;
        }
        Some(entry)
    }
}
