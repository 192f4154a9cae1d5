//! What the result sink decides: what goes into the next batch.

use ttg_runtime::broker::{GiveBack, Nack};
use ttg_runtime::{DeliveryId, Outcome, Receipt};

use super::messages::Settlement;

/// The most settlements of one batch. Brokers' scripts take no more values.
pub(super) const BATCH_MAX: usize = 1_000;

/// Settlements by kind, in order of arrival, ready for the broker.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) commits: Vec<(Receipt, Outcome)>,
    pub(super) nacks: Vec<Nack>,
    /// For each nack: failures with it, and the job's limit.
    pub(super) attempts: Vec<(u32, u32)>,
    pub(super) give_backs: Vec<GiveBack>,
    /// All of them, for the reply.
    pub(super) ids: Vec<DeliveryId>,
}

/// What waits to be settled.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    waiting: std::collections::VecDeque<Settlement>,
    flush_is_due: bool,
}

/// Takes settlements in. True if a flush is to be asked for, because none is on its way.
pub(super) fn on_settle(state: &mut Gathered, settlements: Vec<Settlement>) -> bool {
    state.waiting.extend(settlements);
    !state.waiting.is_empty() && !std::mem::replace(&mut state.flush_is_due, true)
}

/// The next batch; `None` when nothing waits. `jitter` gives a fraction in `[0, 1)` for each call.
pub(super) fn on_flush(state: &mut Gathered, mut jitter: impl FnMut() -> f64) -> Option<Batch> {
    state.flush_is_due = false;
    if state.waiting.is_empty() {
        return None;
    }
    let mut batch = Batch::default();
    for settlement in state.waiting.drain(..state.waiting.len().min(BATCH_MAX)) {
        batch.ids.push(settlement.id());
        match settlement {
            Settlement::Commit { receipt, outcome, .. } => batch.commits.push((receipt, *outcome)),
            Settlement::Nack { receipt, failure, failures, spec, .. } => {
                let retry_in = ttg_runtime::retry::backoff(&spec.policy, failures, jitter());
                batch.nacks.push(Nack { receipt, retry_in, failure });
                batch.attempts.push((failures, spec.policy.max_attempts));
            }
            Settlement::GiveBack { back, .. } => batch.give_backs.push(back),
        }
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ttg_runtime::{ChunkIndex, Generation, IdempotencyKey, JobUid};

    use super::*;

    fn give_back(id: u64) -> Settlement {
        let key = IdempotencyKey {
            job: JobUid::from([0; 16]),
            chunk: ChunkIndex(id),
            generation: Generation(0),
        };
        Settlement::give_back(DeliveryId(id), Receipt { key, token: [id, 0] }, Duration::ZERO)
    }

    #[test]
    fn one_flush_is_asked_for_however_much_gathers() {
        let mut state = Gathered::default();
        assert!(!on_settle(&mut state, vec![]));
        assert!(on_settle(&mut state, vec![give_back(1)]));
        assert!(!on_settle(&mut state, vec![give_back(2), give_back(3)]));
        let batch = on_flush(&mut state, || 0.0).unwrap();
        assert_eq!(batch.ids, [1, 2, 3].map(DeliveryId));
        assert!(on_settle(&mut state, vec![give_back(4)]));
    }

    #[test]
    fn a_batch_is_bounded_and_the_rest_follows() {
        let mut state = Gathered::default();
        on_settle(&mut state, (0..1_500).map(give_back).collect());
        assert_eq!(on_flush(&mut state, || 0.0).unwrap().give_backs.len(), BATCH_MAX);
        assert_eq!(on_flush(&mut state, || 0.0).unwrap().give_backs.len(), 500);
        assert_eq!(on_flush(&mut state, || 0.0), None);
    }
}
