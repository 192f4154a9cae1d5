//! The model: a map of what is open and a list of what is settled. All counts are derived from
//! these two, parameter by parameter, so that it cannot share a mistake with an adapter's books.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ttg_runtime::broker::{Committed, JobProgress, JobState, Published};
use ttg_runtime::{Chunk, Delivery, IdempotencyKey, JobRecord, Outcome, Receipt, Timestamp};

/// A time, known up to the length of a call; a point by a manual clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When {
    pub(crate) earliest: Timestamp,
    pub(crate) latest: Timestamp,
}

impl When {
    pub(crate) fn after(self, by: Duration) -> Self {
        Self { earliest: self.earliest.after(by), latest: self.latest.after(by) }
    }

    /// Servers keep time in whole milliseconds and are never early, so that by a real clock what
    /// is due may be due up to one later.
    fn surely_reached(self, now: Self) -> bool {
        let is_manual = self.earliest == self.latest;
        let rounding = if is_manual { Duration::ZERO } else { Duration::from_millis(1) };
        self.latest.after(rounding) <= now.earliest
    }

    fn surely_ahead(self, now: Self) -> bool {
        self.earliest > now.latest
    }
}

#[derive(Debug)]
pub(crate) enum Place {
    Waiting {
        due: When,
        failed: bool,
    },
    Leased {
        by: usize,
        receipt: Receipt,
        end: When,
    },
    /// Its holder's connection, which was its lease, was cut.
    Abandoned {
        since: When,
    },
}

impl Place {
    fn due(&self) -> When {
        match *self {
            Self::Waiting { due, .. } => due,
            Self::Leased { end, .. } => end,
            Self::Abandoned { since } => since,
        }
    }
}

pub(crate) struct Model {
    pub(crate) job: JobRecord,
    pub(crate) cancelled: bool,
    /// Indices of the original cut.
    published: BTreeSet<u64>,
    pub(crate) open: BTreeMap<IdempotencyKey, (Chunk, Place)>,
    /// Of the open ones, those of which a delivery ended without a word since their last failure.
    pub(crate) suspects: BTreeSet<IdempotencyKey>,
    pub(crate) outcomes: Vec<Outcome>,
    redelivered: u64,
    duplicates: u64,
}

impl Model {
    pub(crate) fn new(job: JobRecord) -> Self {
        Self {
            job,
            cancelled: false,
            published: BTreeSet::new(),
            open: BTreeMap::new(),
            suspects: BTreeSet::new(),
            outcomes: Vec::new(),
            redelivered: 0,
            duplicates: 0,
        }
    }

    fn is_settled(&self, key: IdempotencyKey) -> bool {
        self.outcomes.iter().any(|outcome| outcome.key == key)
    }

    /// The settled parameters; true for those that have a value, then or by a replay.
    pub(crate) fn parameters(&self) -> BTreeMap<u64, bool> {
        let mut parameters = BTreeMap::new();
        for outcome in &self.outcomes {
            for parameter in outcome.range.start()..outcome.range.end() {
                let dead = outcome.dead.runs().any(|(run, _)| run.contains(parameter));
                *parameters.entry(parameter).or_insert(false) |= !dead;
            }
        }
        parameters
    }

    pub(crate) fn publish(&mut self, chunks: &[Chunk], due: When) -> Published {
        let mut published = Published::default();
        for chunk in chunks {
            if chunk.key.generation.0 == 0 {
                self.published.insert(chunk.key.chunk.0);
            }
            if self.open.contains_key(&chunk.key) || self.is_settled(chunk.key) {
                published.present += 1;
            } else {
                published.added += 1;
                let waiting = Place::Waiting { due, failed: false };
                self.open.insert(chunk.key, (chunk.clone(), waiting));
            }
        }
        published
    }

    /// What must be deliverable at `now`, the longest due first.
    pub(crate) fn due(&self, now: When) -> Vec<IdempotencyKey> {
        let open = self.open.iter();
        let mut due: Vec<_> = open
            .map(|(key, (_, place))| (place.due(), *key))
            .filter(|(due, _)| due.surely_reached(now))
            .collect();
        due.sort_by_key(|(due, key)| (due.latest, *key));
        due.into_iter().map(|(_, key)| key).collect()
    }

    pub(crate) fn deliver(&mut self, by: usize, delivery: &Delivery, now: When, lease: Duration) {
        let key = delivery.chunk.key;
        let (chunk, place) = self.open.get_mut(&key).expect("only what is open is delivered");
        assert!(!place.due().surely_ahead(now), "{key} came early: {place:?}");
        let (silent, failed) = match place {
            Place::Waiting { failed, .. } => (false, *failed),
            Place::Leased { .. } | Place::Abandoned { .. } => (true, false),
        };
        chunk.counters.silent_deliveries += u32::from(silent);
        self.redelivered += u64::from(silent || failed);
        assert_eq!(delivery.chunk, *chunk);
        if silent {
            self.suspects.insert(key);
        }
        assert_eq!(delivery.suspect, self.suspects.contains(&key));
        *place = Place::Leased { by, receipt: delivery.receipt, end: now.after(lease) };
    }

    /// The connection of a consumer is cut.
    pub(crate) fn abandon(&mut self, consumer: usize, now: When) {
        for (_, place) in self.open.values_mut() {
            if matches!(place, Place::Leased { by, .. } if *by == consumer) {
                *place = Place::Abandoned { since: now };
            }
        }
    }

    /// The chunk of a delivery that is still this consumer's.
    pub(crate) fn held(&mut self, by: usize, receipt: Receipt) -> Option<&mut (Chunk, Place)> {
        let open = self.open.get_mut(&receipt.key)?;
        let mine = matches!(&open.1, Place::Leased { by: holder, receipt: held, .. }
            if (*holder, *held) == (by, receipt));
        mine.then_some(open)
    }

    pub(crate) fn commit(&mut self, outcome: &Outcome) -> Committed {
        if self.cancelled || outcome.key.job != self.job.uid {
            return Committed::Dropped;
        }
        if self.is_settled(outcome.key) {
            self.duplicates += 1;
            return Committed::Duplicate;
        }
        self.open.remove(&outcome.key);
        self.outcomes.push(outcome.clone());
        Committed::First
    }

    pub(crate) fn cancel(&mut self) {
        self.cancelled = true;
        self.open.clear();
    }

    pub(crate) fn check(&self, found: &JobProgress, now: When) {
        let total = self.job.spec.chunks_total();
        let parameters = self.parameters();
        let with_value = parameters.values().filter(|value| **value).count() as u64;
        let originals = self.outcomes.iter().filter(|o| o.key.generation.0 == 0);
        let (completed, dead): (Vec<_>, Vec<_>) = originals.partition(|outcome| {
            let mut range = outcome.range.start()..outcome.range.end();
            range.any(|parameter| parameters[&parameter])
        });
        let settled = (completed.len() + dead.len()) as u64;
        let state = match (self.cancelled, settled == total && self.open.is_empty()) {
            (true, _) => JobState::Cancelled,
            (false, true) => JobState::Complete,
            (false, false) => JobState::Running,
        };
        assert_eq!(found.state, state);
        let gap = (0..total).find(|index| !self.published.contains(index));
        assert_eq!(found.published, gap.unwrap_or(total));

        let chunks = found.chunks;
        assert_eq!(chunks.total, total);
        assert_eq!(chunks.completed, completed.len() as u64);
        assert_eq!(chunks.dead, dead.len() as u64);
        assert_eq!(chunks.redelivered, self.redelivered);
        assert_eq!(chunks.duplicates_dropped, self.duplicates);
        self.check_open(found, now);

        assert_eq!(found.parameters.total, self.job.spec.parameters.len());
        assert_eq!(found.parameters.completed, with_value);
        assert_eq!(found.parameters.dead, parameters.len() as u64 - with_value);
    }

    fn check_open(&self, found: &JobProgress, now: When) {
        let waits = self.open.values().filter_map(|(_, place)| match *place {
            Place::Waiting { due, .. } => Some(due),
            Place::Abandoned { since } => Some(since),
            Place::Leased { .. } => None,
        });
        let waits: Vec<_> = waits.collect();
        let count = |test: fn(When, When) -> bool| {
            waits.iter().filter(|due| test(**due, now)).count() as u64
        };
        let chunks = found.chunks;
        assert_eq!(chunks.ready + chunks.delayed, waits.len() as u64);
        assert!(chunks.ready >= count(When::surely_reached), "{chunks:?}");
        assert!(chunks.delayed >= count(When::surely_ahead), "{chunks:?}");
        // Whether the leases of a cancelled job end at once is the adapter's.
        if !self.cancelled {
            assert_eq!(chunks.in_flight, (self.open.len() - waits.len()) as u64);
        }
    }
}
