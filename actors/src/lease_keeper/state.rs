//! What the lease keeper decides: which leases are due for renewal, and which are lost.

use std::collections::BTreeMap;
use std::time::Duration;

use ttg_runtime::broker::Renewed;
use ttg_runtime::{DeliveryId, Receipt, Timestamp};

use super::messages::Held;

/// The leases held, each with when it was last taken or renewed.
#[derive(Debug)]
pub(super) struct Leases {
    renew_after: Duration,
    held: BTreeMap<DeliveryId, (Held, Timestamp)>,
}

impl Leases {
    pub(super) fn new(lease: Duration) -> Self {
        // A little less than the interval of the timer, or a lease that was taken just after one
        // tick would wait for the second after it.
        Self { renew_after: lease / 4, held: BTreeMap::new() }
    }
}

/// A new dispatcher knows none of these.
pub(super) fn on_attach(state: &mut Leases) {
    state.held.clear();
}

/// These are in flight since `since`. True if they are due for renewal already.
pub(super) fn on_hold(
    state: &mut Leases,
    held: Vec<Held>,
    since: Timestamp,
    now: Timestamp,
) -> bool {
    state.held.extend(held.into_iter().map(|held| (held.id, (held, since))));
    now.since(since) >= state.renew_after
}

/// These are not, any more.
pub(super) fn on_release(state: &mut Leases, released: &[DeliveryId]) {
    for id in released {
        state.held.remove(id);
    }
}

/// The leases to renew now: most chunks are settled long before theirs is due.
pub(super) fn on_renew(state: &Leases, now: Timestamp) -> (Vec<DeliveryId>, Vec<Receipt>) {
    let due = |(_, since): &(Held, Timestamp)| now.since(*since) >= state.renew_after;
    state
        .held
        .iter()
        .filter(|(_, held)| due(held))
        .map(|(id, (held, _))| (*id, held.receipt))
        .unzip()
}

/// The broker's answers to the renewals asked for at `asked`. Returns what is no longer ours: it is
/// lost, or was settled and nobody has told yet.
pub(super) fn on_renewed(
    state: &mut Leases,
    ids: &[DeliveryId],
    answers: &[Renewed],
    asked: Timestamp,
) -> Vec<DeliveryId> {
    let mut lost = Vec::new();
    for (id, answer) in ids.iter().zip(answers) {
        match answer {
            Renewed::Held => {
                if let Some((_, since)) = state.held.get_mut(id) {
                    *since = asked;
                }
            }
            Renewed::Lost => lost.extend(state.held.remove(id).map(|(held, _)| held.id)),
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use ttg_runtime::{ChunkIndex, Generation, IdempotencyKey, JobUid};

    use super::*;

    fn lease(id: u64) -> Held {
        let key = IdempotencyKey {
            job: JobUid::from([0; 16]),
            chunk: ChunkIndex(id),
            generation: Generation(0),
        };
        Held { id: DeliveryId(id), receipt: Receipt { key, token: [id, 0] } }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::since_boot(Duration::from_secs(seconds))
    }

    #[test]
    fn only_what_is_in_flight_and_old_enough_is_renewed() {
        let mut leases = Leases::new(Duration::from_secs(12));
        assert!(!on_hold(&mut leases, vec![lease(1), lease(2)], at(100), at(100)));
        assert!(!on_hold(&mut leases, vec![lease(3)], at(103), at(103)));
        on_release(&mut leases, &[DeliveryId(2)]);
        assert_eq!(on_renew(&leases, at(102)).0, []);
        assert_eq!(on_renew(&leases, at(104)).0, [DeliveryId(1)]);
        let lost = on_renewed(&mut leases, &[DeliveryId(1)], &[Renewed::Held], at(104));
        assert_eq!(lost, []);
        assert_eq!(on_renew(&leases, at(106)).0, [DeliveryId(3)]);
    }

    #[test]
    fn what_was_long_on_its_way_is_due_when_it_comes() {
        let mut leases = Leases::new(Duration::from_secs(12));
        assert!(on_hold(&mut leases, vec![lease(1)], at(100), at(103)));
        assert_eq!(on_renew(&leases, at(103)).0, [DeliveryId(1)]);
    }

    #[test]
    fn what_is_no_longer_ours_is_told_once() {
        let mut leases = Leases::new(Duration::from_secs(12));
        on_hold(&mut leases, vec![lease(1), lease(2)], at(0), at(0));
        let (ids, _) = on_renew(&leases, at(5));
        let answers = [Renewed::Lost, Renewed::Held];
        assert_eq!(on_renewed(&mut leases, &ids, &answers, at(5)), [DeliveryId(1)]);
        assert_eq!(on_renewed(&mut leases, &ids, &answers, at(5)), []);
    }
}
