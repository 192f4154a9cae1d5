//! What workers and users do to a broker, at random.

use proptest::prelude::*;

/// Chunks of the job of a history.
pub(crate) const CHUNKS: u64 = 6;
/// Parameters per chunk.
pub(crate) const CHUNK_SIZE: u64 = 4;
/// Consumers that share the broker.
pub(crate) const CONSUMERS: usize = 3;

/// The unit of time here: an eighth of a lease.
pub(crate) type Eighths = u32;

/// One of the latest deliveries, settled or lost perhaps; and whether another consumer than the
/// one it was handed to speaks of it.
#[derive(Debug, Clone)]
pub(crate) struct Pick {
    pub(crate) age: usize,
    pub(crate) foreign: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Publish {
        from: u64,
        count: u64,
    },
    Replay {
        origin: u64,
    },
    Receive {
        by: usize,
        credit: u32,
    },
    Renew(Pick),
    Commit {
        pick: Pick,
        dead: usize,
    },
    Nack(Pick, Eighths),
    GiveBack(Pick, Eighths),
    GiveBackStrays {
        by: usize,
        held: Vec<bool>,
    },
    Elapse(Eighths),
    /// Where a lease is a connection: it is cut.
    Expire {
        by: usize,
    },
    Cancel,
    PurgeAndSubmitAgain,
}

pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..150)
}

fn operation() -> impl Strategy<Value = Operation> {
    let by = || 0..CONSUMERS;
    let pick = || {
        (0..10_usize, prop::bool::weighted(0.1)).prop_map(|(age, foreign)| Pick { age, foreign })
    };
    let delay = || prop::sample::select(vec![0, 0, 3, 8, 13]);
    let dead = prop::sample::select(vec![0, 0, 1, 3, usize::MAX]);
    let held = prop::collection::vec(any::<bool>(), 10);
    let elapse = prop::sample::select(vec![1, 3, 5, 8, 17]);
    prop_oneof![
        6 => (0..CHUNKS, 1..=CHUNKS).prop_map(|(from, count)| Operation::Publish { from, count }),
        2 => (0..CHUNKS).prop_map(|origin| Operation::Replay { origin }),
        12 => (by(), 1..4_u32).prop_map(|(by, credit)| Operation::Receive { by, credit }),
        4 => pick().prop_map(Operation::Renew),
        6 => (pick(), dead).prop_map(|(pick, dead)| Operation::Commit { pick, dead }),
        4 => (pick(), delay()).prop_map(|(pick, delay)| Operation::Nack(pick, delay)),
        4 => (pick(), delay()).prop_map(|(pick, delay)| Operation::GiveBack(pick, delay)),
        2 => (by(), held).prop_map(|(by, held)| Operation::GiveBackStrays { by, held }),
        5 => elapse.prop_map(Operation::Elapse),
        3 => by().prop_map(|by| Operation::Expire { by }),
        1 => prop::sample::select(vec![
            Operation::Cancel,
            Operation::PurgeAndSubmitAgain,
            Operation::PurgeAndSubmitAgain,
        ]),
    ]
}
