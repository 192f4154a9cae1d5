//! The compute slots, and what each was given.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ttg_runtime::{DeliveryId, SlotId, Timestamp};

/// The open slots.
#[derive(Default)]
pub(super) struct Slots(BTreeMap<SlotId, Queue>);

/// What a slot was given and has not reported, in order: it evaluates one after the other.
#[derive(Default)]
struct Queue {
    assigned: VecDeque<DeliveryId>,
    /// When the first of them was begun, at the latest.
    begun: Timestamp,
}

impl Slots {
    pub(super) fn open(&mut self, slot: SlotId) {
        self.0.insert(slot, Queue::default());
    }

    /// Closes a slot. Returns what it had, in order.
    pub(super) fn close(&mut self, slot: SlotId) -> VecDeque<DeliveryId> {
        self.0.remove(&slot).map(|queue| queue.assigned).unwrap_or_default()
    }

    pub(super) fn assign(&mut self, slot: SlotId, id: DeliveryId, now: Timestamp) {
        if let Some(queue) = self.0.get_mut(&slot) {
            if queue.assigned.is_empty() {
                queue.begun = now;
            }
            queue.assigned.push_back(id);
        }
    }

    /// When the first of what a slot has was begun, at the latest.
    pub(super) fn begun(&self, slot: SlotId) -> Option<Timestamp> {
        self.0.get(&slot).map(|queue| queue.begun)
    }

    /// `id` has ended, so that the next one was begun.
    pub(super) fn end(&mut self, slot: SlotId, id: DeliveryId, now: Timestamp) {
        if let Some(queue) = self.0.get_mut(&slot) {
            queue.assigned.retain(|assigned| *assigned != id);
            queue.begun = now;
        }
    }

    /// No kernel ran for so long.
    pub(super) fn stood_still(&mut self, gap: Duration) {
        self.0.values_mut().for_each(|queue| queue.begun = queue.begun.after(gap));
    }

    /// What a slot was given last, if it has not reported it.
    pub(super) fn last(&self, slot: SlotId) -> Option<DeliveryId> {
        self.0.get(&slot)?.assigned.back().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn idle(&self) -> usize {
        self.0.values().filter(|queue| queue.assigned.is_empty()).count()
    }

    /// The slots with at most `low` assignments, each behind how many it has.
    pub(super) fn with_few(&self, low: usize) -> impl Iterator<Item = (usize, SlotId)> {
        let slots = self.0.iter().map(|(slot, queue)| (queue.assigned.len(), *slot));
        slots.filter(move |(assigned, _)| *assigned <= low)
    }

    /// The same, those with the fewest first.
    pub(super) fn hungry(&self, low: usize) -> Vec<(usize, SlotId)> {
        let mut few: Vec<_> = self.with_few(low).collect();
        few.sort_unstable();
        few
    }

    /// What each busy slot is at, and since when at the latest.
    pub(super) fn busy(&self) -> impl Iterator<Item = (SlotId, DeliveryId, Timestamp)> {
        self.0
            .iter()
            .filter_map(|(slot, queue)| Some((*slot, *queue.assigned.front()?, queue.begun)))
    }
}
