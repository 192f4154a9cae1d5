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
        for slot in self.slots.hungry(self.pace.refill_at()) {
            let count = self.pace.assignment(self.ready.len(), self.slots.len());
            let next = |_| self.ready.pop_front().and_then(|id| self.assign(id, slot, now));
            let work: Vec<_> = (0..count).map_while(next).collect();
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

    /// Gives back what is ready, lets end what was begun, and then evaluates one at a time.
    fn proceed_alone(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        let ready = std::mem::take(&mut self.ready);
        let returned: Vec<_> = ready.into_iter().filter_map(|id| self.give_back(id)).collect();
        if !returned.is_empty() {
            effects.push(Effect::Settle(returned));
        }
        if self.table.len() == self.waiting_alone.len()
            && let Some(&slot) = self.slots.hungry(0).first()
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
