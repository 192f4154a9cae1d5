//! Kernels that do not come back.

use std::time::Duration;

use ttg_runtime::{DeliveryId, Failure, FailureKind};

use super::messages::SlotFailure;
use super::state::{DispatcherState, Effect, Moment};
use super::table::Manner;

/// How long after a chunk's timeout its kernel may still end by itself, at a slice's end.
const HANG_GRACE: Duration = Duration::from_secs(1);

/// In a longer gap between two ticks this process did not run: it was stopped, or its machine slept. Nor
/// did its kernels.
const TICK_GAP_MAX: Duration = Duration::from_secs(2);

/// Jobs that are remembered for a kernel that hung.
const HUNG_JOBS_MAX: usize = 64;

impl DispatcherState {
    /// The kernel of this delivery's job hung here.
    pub(super) fn remember_hung(&mut self, id: DeliveryId) {
        let Some(entry) = self.table.get(id) else { return };
        if self.hung.len() == HUNG_JOBS_MAX {
            self.hung.pop_first();
        }
        self.hung.insert(entry.delivery.chunk.key.job);
    }
}

/// Time has passed. A kernel that does not even come back at the end of a slice is given up together
/// with its thread. An isolated one is ended by who watches its process; but it has not begun while
/// its slot is stuck in what a dispatcher before this one assigned.
pub(super) fn on_tick(state: &mut DispatcherState, at: Moment) -> Vec<Effect> {
    let gap = at.now.since(std::mem::replace(&mut state.ticked, at.now));
    if gap > TICK_GAP_MAX {
        state.slots.stood_still(gap);
    }
    let overdue = state.slots.busy().filter_map(|(slot, delivery, begun)| {
        let entry = state.table.get(delivery)?;
        let timeout = entry.delivery.chunk.spec.policy.timeout;
        if at.now.since(begun) < timeout + HANG_GRACE {
            return None;
        }
        let message = format!("its kernel did not come back within {timeout:?}");
        let failure = Failure::new(FailureKind::Timeout, None, message);
        let failed = SlotFailure { delivery, failure };
        Some(match entry.manner {
            Manner::Shared => Effect::Abandon(slot, failed),
            Manner::Isolated | Manner::Alone => Effect::AbandonUnlessAt(slot, failed),
        })
    });
    overdue.collect()
}
