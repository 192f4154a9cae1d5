//! What the result sink decides: what goes into the next batch.

use std::time::Duration;

use ttg_runtime::broker::{GiveBack, Nack};
use ttg_runtime::{DeliveryId, Outcome, Receipt, Timestamp, Values};

use super::messages::{Settlement, Urgency};
use crate::attempt::Attempt;

/// The most settlements of one batch. Brokers' scripts take no more values.
pub(super) const BATCH_MAX: usize = 1_000;

/// The least time from one batch to the next, so that chunks which end every millisecond share their
/// transactions. What is pressing after a quiet moment waits for nothing.
const BATCH_EVERY: Duration = Duration::from_millis(4);

/// How long what is not pressing waits for company: a transaction costs as much as half a millisecond
/// of two threads that had better compute. It is also what a crash may cost in work beyond what
/// is computed at the moment.
const LINGER: Duration = Duration::from_millis(100);

/// This many settlements are a batch worth its transaction, whenever the one before it was.
const BATCH_ENOUGH: usize = 200;

/// Settlements by kind, in order of arrival, ready for the broker.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) commits: Vec<(Receipt, Outcome)>,
    /// For each commit: the values that go ahead of it.
    pub(super) values: Vec<Values>,
    pub(super) nacks: Vec<Nack>,
    /// For each nack: failures with it, and the job's limit.
    pub(super) attempts: Vec<(u32, u32)>,
    pub(super) give_backs: Vec<GiveBack>,
    /// What is told of each commit, nack and give-back.
    pub(super) told_by: ToldBy,
    /// All of them, for the reply.
    pub(super) ids: Vec<DeliveryId>,
}

/// What is told of each settlement of a batch, by kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ToldBy {
    pub(super) commits: Vec<Option<Box<Attempt>>>,
    pub(super) nacks: Vec<Option<Box<Attempt>>>,
    pub(super) give_backs: Vec<Option<Box<Attempt>>>,
}

/// What waits to be settled.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    waiting: std::collections::VecDeque<Settlement>,
    asked: Asked,
    flushed: Option<Timestamp>,
}

/// The flush that was asked for.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    #[default]
    Nothing,
    InTheEnd,
    Soon,
    Now,
}

/// Takes settlements in. Returns after how long a flush is to come, if one is to be asked for.
pub(super) fn on_settle(
    state: &mut Gathered,
    settlements: Vec<Settlement>,
    urgency: Urgency,
    now: Timestamp,
) -> Option<Duration> {
    state.waiting.extend(settlements);
    if state.waiting.is_empty() {
        return None;
    }
    let next = state.flushed.map_or(now, |flushed| flushed.after(BATCH_EVERY));
    let (ask, wait) = match urgency {
        _ if state.waiting.len() >= BATCH_ENOUGH => (Asked::Now, Duration::ZERO),
        Urgency::Last => (Asked::Now, Duration::ZERO),
        Urgency::Pressing if next <= now => (Asked::Now, Duration::ZERO),
        Urgency::Pressing => (Asked::Soon, next.since(now)),
        Urgency::MayLinger => (Asked::InTheEnd, LINGER),
    };
    if ask <= state.asked {
        return None;
    }
    state.asked = ask;
    Some(wait)
}

/// The next batch; `None` when nothing waits. `jitter` gives a fraction in `[0, 1)` for each call.
pub(super) fn on_flush(
    state: &mut Gathered,
    now: Timestamp,
    mut jitter: impl FnMut() -> f64,
) -> Option<Batch> {
    state.asked = Asked::Nothing;
    if state.waiting.is_empty() {
        return None;
    }
    state.flushed = Some(now);
    let mut batch = Batch::default();
    for settlement in state.waiting.drain(..state.waiting.len().min(BATCH_MAX)) {
        batch.ids.push(settlement.id());
        match settlement {
            Settlement::Commit { receipt, outcome, values, told_by, .. } => {
                batch.told_by.commits.push(told_by);
                batch.commits.push((receipt, *outcome));
                batch.values.push(values);
            }
            Settlement::Nack { receipt, failure, failures, spec, told_by, .. } => {
                batch.told_by.nacks.push(told_by);
                let retry_in = ttg_runtime::retry::backoff(&spec.policy, failures, jitter());
                batch.nacks.push(Nack { receipt, retry_in, failure });
                batch.attempts.push((failures, spec.policy.max_attempts));
            }
            Settlement::GiveBack { mut back, told_by, .. } => {
                batch.told_by.give_backs.push(told_by);
                // Or a worker that cannot evaluate the chunk asks again at the very moment at which
                // it is due, each time, and nobody else ever gets it.
                back.retry_in += back.retry_in.mul_f64(jitter() / 2.0);
                batch.give_backs.push(back);
            }
        }
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
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

    fn at(millis: u64) -> Timestamp {
        Timestamp::since_boot(Duration::from_millis(millis))
    }

    fn many(ids: std::ops::Range<u64>) -> Vec<Settlement> {
        ids.map(give_back).collect()
    }

    #[test]
    fn one_flush_is_asked_for_however_much_gathers() {
        let mut state = Gathered::default();
        assert_eq!(on_settle(&mut state, vec![], Urgency::Pressing, at(0)), None);
        assert_eq!(
            on_settle(&mut state, many(1..2), Urgency::Pressing, at(0)),
            Some(Duration::ZERO)
        );
        assert_eq!(on_settle(&mut state, many(2..4), Urgency::Pressing, at(0)), None);
        let batch = on_flush(&mut state, at(0), || 0.0).unwrap();
        assert_eq!(batch.ids, [1, 2, 3].map(DeliveryId));
        assert_eq!(on_flush(&mut state, at(0), || 0.0), None);
    }

    #[test]
    fn settlements_soon_after_a_batch_wait_for_company_and_late_or_many_ones_do_not() {
        let mut state = Gathered::default();
        on_settle(&mut state, many(0..1), Urgency::Pressing, at(10));
        on_flush(&mut state, at(10), || 0.0);
        assert_eq!(
            on_settle(&mut state, many(1..2), Urgency::Pressing, at(11)),
            Some(Duration::from_millis(3))
        );
        assert_eq!(
            on_settle(&mut state, many(2..3), Urgency::Pressing, at(12)),
            None,
            "it comes with the other"
        );
        assert_eq!(
            on_settle(&mut state, many(3..300), Urgency::Pressing, at(12)),
            Some(Duration::ZERO)
        );
        assert_eq!(on_settle(&mut state, many(300..301), Urgency::Pressing, at(12)), None);
        on_flush(&mut state, at(12), || 0.0);
        assert_eq!(
            on_settle(&mut state, many(301..302), Urgency::Pressing, at(16)),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn what_is_not_pressing_waits_for_what_is() {
        let mut state = Gathered::default();
        assert_eq!(on_settle(&mut state, many(0..1), Urgency::MayLinger, at(10)), Some(LINGER));
        assert_eq!(on_settle(&mut state, many(1..2), Urgency::MayLinger, at(20)), None);
        let now = Some(Duration::ZERO);
        assert_eq!(on_settle(&mut state, many(2..3), Urgency::Pressing, at(30)), now);
        assert_eq!(on_flush(&mut state, at(30), || 0.0).unwrap().ids.len(), 3);
        assert_eq!(on_settle(&mut state, many(3..4), Urgency::MayLinger, at(31)), Some(LINGER));
        let soon = Some(Duration::from_millis(2));
        assert_eq!(on_settle(&mut state, many(4..5), Urgency::Pressing, at(32)), soon);
        assert_eq!(on_settle(&mut state, many(5..6), Urgency::Last, at(32)), now);
        assert_eq!(on_settle(&mut state, many(6..300), Urgency::MayLinger, at(32)), None);
    }

    #[test]
    fn a_delayed_return_has_jitter_and_one_without_delay_is_due_at_once() {
        let mut state = Gathered::default();
        let receipt = |id| match give_back(id) {
            Settlement::GiveBack { back, .. } => back.receipt,
            other => panic!("{other:?}"),
        };
        let delay = Duration::from_secs(4);
        let delayed = Settlement::give_back(DeliveryId(1), receipt(1), delay);
        on_settle(&mut state, vec![delayed, give_back(2)], Urgency::Pressing, at(0));
        let backs = on_flush(&mut state, at(0), || 0.5).unwrap().give_backs;
        assert_eq!([backs[0].retry_in, backs[1].retry_in], [delay * 5 / 4, Duration::ZERO]);
    }

    #[test]
    fn a_batch_is_bounded_and_the_rest_follows() {
        let mut state = Gathered::default();
        on_settle(&mut state, many(0..1_500), Urgency::Pressing, at(0));
        assert_eq!(on_flush(&mut state, at(0), || 0.0).unwrap().give_backs.len(), BATCH_MAX);
        assert_eq!(on_flush(&mut state, at(0), || 0.0).unwrap().give_backs.len(), 500);
        assert_eq!(on_flush(&mut state, at(0), || 0.0), None);
    }
}
