//! A job's books, kept by reading its journal: no async, no clock.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::wire::{Entry, Place};
use crate::broker::port::Committed;
use crate::broker::views::{ChunkCounts, JobProgress, JobState, ParameterCounts};
use crate::chunk::{Chunk, Counters, ParameterRange, TraceContext};
use crate::clock::WallTime;
use crate::delivery::Failure;
use crate::ids::{ChunkIndex, Generation, JobUid};
use crate::job::JobSpec;
use crate::outcome::Outcome;

/// Chunks of the original cut by a bit each.
#[derive(Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// Whether it was clear before.
    fn set(&mut self, at: u64) -> bool {
        let (word, bit) = (usize::try_from(at / 64).expect("a chunk of a job"), 1 << (at % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let clear = self.0[word] & bit == 0;
        self.0[word] |= bit;
        clear
    }

    /// Above the highest that is set.
    fn end(&self) -> u64 {
        self.0.len() as u64 * 64
    }

    fn has(&self, at: u64) -> bool {
        let word = usize::try_from(at / 64).ok().and_then(|word| self.0.get(word));
        word.is_some_and(|word| word & (1 << (at % 64)) != 0)
    }
}

/// Chunks of a job, replays included.
#[derive(Default)]
struct Places {
    originals: Bits,
    replays: BTreeSet<Place>,
    count: u64,
}

impl Places {
    fn insert(&mut self, place: Place) -> bool {
        let new = match place {
            Place(chunk, Generation(0)) => self.originals.set(chunk.0),
            replay => self.replays.insert(replay),
        };
        self.count += u64::from(new);
        new
    }

    fn has(&self, place: Place) -> bool {
        match place {
            Place(chunk, Generation(0)) => self.originals.has(chunk.0),
            replay => self.replays.contains(&replay),
        }
    }
}

/// A chunk that waits, or is waited for. Where two are equal, nothing happened to it in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Waits {
    pub(super) place: Place,
    holder: u64,
    pub(super) takes: u32,
    copies: u32,
}

/// The books.
#[derive(Default)]
pub(super) struct Ledger {
    published: Places,
    /// How many chunks from the start of the original cut are published without a gap.
    published_to: u64,
    settled: Places,
    /// Settled chunks of the original cut.
    originals: u64,
    /// Of those, the ones of which no parameter completed, then or in a replay.
    dead: BTreeSet<u64>,
    /// Which session has what, and how often it was handed out since it was published or returned.
    in_flight: HashMap<Place, (u64, u32)>,
    /// How often a second message was made of a chunk that is open.
    copies: HashMap<Place, u32>,
    /// What is not due before.
    delayed: HashMap<Place, WallTime>,
    /// What was known of a chunk when it was returned last.
    told: HashMap<Place, (Counters, Option<Failure>)>,
    /// The parameters of replays that are open.
    ranges: HashMap<Place, ParameterRange>,
    /// Of who published last.
    trace: TraceContext,
    completed_parameters: u64,
    dead_parameters: u64,
    redelivered: u64,
    duplicates: u64,
    last_commit: Option<WallTime>,
    cancelled: bool,
}

impl Ledger {
    /// Of the outcomes of an entry, what became of each.
    pub(super) fn apply(&mut self, entry: &Entry) -> Vec<Committed> {
        if self.cancelled {
            return match entry {
                Entry::Outcomes { outcomes, .. } => vec![Committed::Dropped; outcomes.len()],
                _ => Vec::new(),
            };
        }
        match entry {
            Entry::Published { places, ranges, trace } => {
                for place in places {
                    self.publish(*place);
                }
                let open = ranges.iter().filter(|(place, _)| !self.settled.has(*place));
                self.ranges.extend(open.copied());
                self.trace.clone_from(trace);
            }
            Entry::Taken(session, taken) => {
                for (place, again) in taken {
                    self.publish(*place);
                    if !self.settled.has(*place) {
                        self.delayed.remove(place);
                        let takes = self.takes(*place).saturating_add(1);
                        self.in_flight.insert(*place, (*session, takes));
                        self.redelivered += u64::from(*again);
                    }
                }
            }
            Entry::Returned(session, returned) => {
                for back in returned {
                    let place = back.place;
                    // Of another's delivery of this chunk it says nothing.
                    if self.in_flight.get(&place).is_some_and(|(holder, _)| holder == session) {
                        self.in_flight.remove(&place);
                        self.delayed.insert(place, back.due);
                        self.told.insert(place, (back.counters, back.last_failure.clone()));
                    }
                }
            }
            Entry::Outcomes { at, outcomes, .. } => {
                return outcomes.iter().map(|outcome| self.settle(outcome, *at)).collect();
            }
            Entry::Copied(places) => {
                for place in places {
                    *self.copies.entry(*place).or_default() += 1;
                }
            }
            Entry::Cancelled => {
                self.cancelled = true;
                self.in_flight.clear();
                self.delayed.clear();
                self.told.clear();
                self.ranges.clear();
            }
        }
        Vec::new()
    }

    fn publish(&mut self, place: Place) {
        self.published.insert(place);
        while self.published.originals.has(self.published_to) {
            self.published_to += 1;
        }
    }

    fn settle(&mut self, outcome: &Outcome, at: WallTime) -> Committed {
        let place = Place::of(&outcome.key);
        if !self.settled.insert(place) {
            self.duplicates += 1;
            return Committed::Duplicate;
        }
        // A submitter that crashed may not have said so.
        self.publish(place);
        self.in_flight.remove(&place);
        self.copies.remove(&place);
        self.delayed.remove(&place);
        self.told.remove(&place);
        self.ranges.remove(&place);
        let (chunk, completed) = (place.0.0, outcome.completed());
        self.completed_parameters += completed;
        if place.1 == Generation(0) {
            self.originals += 1;
            self.dead_parameters += outcome.dead.count();
            if completed == 0 {
                self.dead.insert(chunk);
            }
        } else {
            // They were counted as dead with their origin.
            self.dead_parameters = self.dead_parameters.saturating_sub(completed);
            if completed > 0 {
                self.dead.remove(&chunk);
            }
        }
        self.last_commit = self.last_commit.max(Some(at));
        Committed::First
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    pub(super) fn is_published(&self, place: Place) -> bool {
        self.published.has(place) || self.settled.has(place)
    }

    pub(super) fn is_settled(&self, place: Place) -> bool {
        self.settled.has(place)
    }

    /// The sessions that have something.
    pub(super) fn holders(&self) -> HashSet<u64> {
        self.in_flight.values().map(|(session, _)| *session).collect()
    }

    /// How often a chunk was handed out since it was published or returned.
    pub(super) fn takes(&self, place: Place) -> u32 {
        self.in_flight.get(&place).map_or(0, |(_, takes)| *takes)
    }

    /// Chunks that are open and, as far as one can read, in nobody's hands and due: at most `limit`.
    pub(super) fn waiting(&self, gone: &HashSet<u64>, now: WallTime, limit: usize) -> Vec<Waits> {
        let cut = (0..).map(|chunk| Place(ChunkIndex(chunk), Generation(0)));
        let cut = cut.take(usize::try_from(self.published.originals.end()).unwrap_or(usize::MAX));
        let waits = self.ranges.keys().copied().chain(cut).filter(|place| {
            let held = self.in_flight.get(place).is_some_and(|(holder, _)| !gone.contains(holder));
            let delayed = self.delayed.get(place).is_some_and(|due| *due > now);
            self.published.has(*place) && !self.settled.has(*place) && !held && !delayed
        });
        waits.take(limit).map(|place| self.waits(place)).collect()
    }

    /// Chunks that living sessions have: at most `limit`.
    pub(super) fn held(&self, gone: &HashSet<u64>, limit: usize) -> Vec<Waits> {
        let held = self.in_flight.iter().filter(|(_, (holder, _))| !gone.contains(holder));
        held.take(limit).map(|(place, _)| self.waits(*place)).collect()
    }

    /// A chunk as it is known: the range of a replay is in the journal, that of all others in the cut.
    pub(super) fn chunk(&self, job: JobUid, spec: &Arc<JobSpec>, place: Place) -> Option<Chunk> {
        let mut chunk = Chunk::cut(job, spec, place.0, &self.trace)?;
        if place.1 != Generation(0) {
            chunk.key.generation = place.1;
            chunk.range = *self.ranges.get(&place)?;
        }
        if let Some((counters, last_failure)) = self.told.get(&place) {
            (chunk.counters, chunk.last_failure) = (*counters, last_failure.clone());
        }
        Some(chunk)
    }

    fn waits(&self, place: Place) -> Waits {
        let (holder, takes) = self.in_flight.get(&place).copied().unwrap_or_default();
        let copies = self.copies.get(&place).copied().unwrap_or_default();
        Waits { place, holder, takes, copies }
    }

    /// Every session of `gone` has ended: what they had waits.
    pub(super) fn progress(
        &self,
        spec: &JobSpec,
        gone: &HashSet<u64>,
        now: WallTime,
    ) -> JobProgress {
        let total = spec.chunks_total();
        let open = if self.cancelled { 0 } else { self.published.count - self.settled.count };
        let held = self.in_flight.values().filter(|(session, _)| !gone.contains(session));
        let held = held.count() as u64;
        let delayed = self.delayed.values().filter(|due| **due > now).count() as u64;
        let dead = self.dead.len() as u64;
        JobProgress {
            state: match (self.cancelled, self.originals == total && open == 0) {
                (true, _) => JobState::Cancelled,
                (false, true) => JobState::Complete,
                (false, false) => JobState::Running,
            },
            published: self.published_to.min(total),
            chunks: ChunkCounts {
                total,
                completed: self.originals - dead,
                dead,
                ready: open.saturating_sub(held + delayed),
                in_flight: held,
                delayed,
                redelivered: self.redelivered,
                duplicates_dropped: self.duplicates,
            },
            parameters: ParameterCounts {
                total: spec.parameters.len(),
                completed: self.completed_parameters,
                dead: self.dead_parameters,
            },
            last_commit: self.last_commit,
        }
    }
}
