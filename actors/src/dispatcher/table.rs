//! The in-flight table: every delivery that this worker holds.

use std::collections::BTreeMap;

use ttg_runtime::kernel::Cancel;
use ttg_runtime::retry::{Verdict, verdict};
use ttg_runtime::{Delivery, DeliveryId, FailureKind, SlotId, Timestamp};

/// Where a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Ready,
    Assigned(SlotId),
    Settling,
}

/// How a delivery is to be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// In this process, among others.
    Shared,
    /// In a process of its own, among others.
    Isolated,
    /// In a process of its own, while this worker holds nothing else: it may take all of the worker
    /// down, by its memory for one.
    Alone,
}

/// The manner that what is known of a chunk calls for. A delivery before this one that ended without a
/// word may have killed its worker. At the last attempt only the bad parameters are to die, whatever
/// they do.
pub(super) fn manner(delivery: &Delivery) -> Manner {
    let chunk = &delivery.chunk;
    let last_failure = chunk.last_failure.as_ref().map(|failure| failure.kind);
    if delivery.suspect || last_failure == Some(FailureKind::Killed) {
        Manner::Alone
    } else if last_failure == Some(FailureKind::Timeout)
        || verdict(chunk.counters, &chunk.spec.policy) == Verdict::LastAttempt
    {
        Manner::Isolated
    } else {
        Manner::Shared
    }
}

pub(super) struct InFlight {
    pub(super) delivery: Delivery,
    pub(super) stage: Stage,
    pub(super) manner: Manner,
    pub(super) cancel: Cancel,
    pub(super) lease_lost: bool,
    /// When it came.
    pub(super) received: Timestamp,
    /// From when to when its kernel ran, once that is over.
    pub(super) computed: Option<(Timestamp, Timestamp)>,
}

/// The deliveries by their ids.
#[derive(Default)]
pub(super) struct Table {
    entries: BTreeMap<DeliveryId, InFlight>,
    /// How many are to be alone.
    alone: usize,
}

impl Table {
    pub(super) fn insert(&mut self, id: DeliveryId, entry: InFlight) {
        self.alone += usize::from(entry.manner == Manner::Alone);
        self.entries.insert(id, entry);
    }

    pub(super) fn remove(&mut self, id: DeliveryId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.alone -= usize::from(entry.manner == Manner::Alone);
        }
    }

    pub(super) fn get(&self, id: DeliveryId) -> Option<&InFlight> {
        self.entries.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: DeliveryId) -> Option<&mut InFlight> {
        self.entries.get_mut(&id)
    }

    /// What ends the evaluations that are under way.
    pub(super) fn assigned(&self) -> impl Iterator<Item = Cancel> {
        let assigned = |entry: &&InFlight| matches!(entry.stage, Stage::Assigned(_));
        self.entries.values().filter(assigned).map(|entry| entry.cancel.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Deliveries that are to be alone.
    pub(super) fn alone(&self) -> usize {
        self.alone
    }
}
