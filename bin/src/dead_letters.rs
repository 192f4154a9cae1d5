//! The dead letters of a job: what its outcomes say of parameters that have no value.

use std::collections::BTreeMap;

use ttg_runtime::{
    Broker, ChunkIndex, DeadReason, FailureKind, Generation, JobRecord, Outcome, ParameterRange,
};

use crate::error::CommandError;
use crate::outcomes;

/// The dead parameters of a job, by chunk. What a later generation says of a parameter counts, so that
/// one which a replay completed is none. Memory grows with their runs, not with the job.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters(BTreeMap<ChunkIndex, DeadOfChunk>);

#[derive(Debug, Default)]
struct DeadOfChunk {
    newest: Generation,
    /// In ascending order, without overlaps.
    runs: Vec<(ParameterRange, DeadReason)>,
}

/// Dead neighbours of one chunk, to be tried again together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) chunk: ChunkIndex,
    /// The first that no outcome of the chunk has.
    pub(crate) generation: Generation,
    pub(crate) range: ParameterRange,
    /// Why the first of them died.
    pub(crate) reason: DeadReason,
}

impl DeadLetters {
    /// Reads all of `job`.
    pub(crate) async fn read(broker: &dyn Broker, job: &JobRecord) -> Result<Self, CommandError> {
        let mut letters = Self::default();
        outcomes::for_each(broker, job, |outcome| letters.add(&outcome)).await?;
        Ok(letters)
    }

    /// Takes the next outcome, in the order of the commits.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        if outcome.dead.is_empty() && !self.0.contains_key(&outcome.key.chunk) {
            return;
        }
        let chunk = self.0.entry(outcome.key.chunk).or_default();
        chunk.newest = chunk.newest.max(outcome.key.generation);
        let mut runs = Vec::new();
        for (run, reason) in chunk.runs.drain(..) {
            // What the outcome does not speak of stays.
            let before = (run.start(), run.end().min(outcome.range.start()));
            let after = (run.start().max(outcome.range.end()), run.end());
            let rest =
                [before, after].into_iter().filter_map(|(a, b)| ParameterRange::new(a, b).ok());
            runs.extend(rest.map(|range| (range, reason.clone())));
        }
        runs.extend(outcome.dead.runs().map(|(run, reason)| (run, reason.clone())));
        runs.sort_unstable_by_key(|(run, _)| *run);
        chunk.runs = runs;
    }

    /// Neighbours of one chunk with one reason, in ascending order, but for those that were dropped.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (ParameterRange, &DeadReason)> {
        let runs = self.0.values().flat_map(|chunk| &chunk.runs);
        runs.filter(|(_, reason)| is_open(reason)).map(|(range, reason)| (*range, reason))
    }

    /// The same with those that were dropped.
    pub(crate) fn all_runs(&self) -> impl Iterator<Item = (ParameterRange, &DeadReason)> {
        self.0.values().flat_map(|chunk| &chunk.runs).map(|(range, reason)| (*range, reason))
    }

    /// Whether every parameter of `range` is dead in `chunk`.
    pub(crate) fn has_all_of(&self, chunk: ChunkIndex, range: ParameterRange) -> bool {
        let mut next = range.start();
        for (run, _) in self.0.get(&chunk).into_iter().flat_map(|chunk| &chunk.runs) {
            if run.start() <= next && next < run.end() {
                next = run.end();
            }
        }
        next >= range.end()
    }

    /// All of them, dropped or not.
    pub(crate) fn count(&self) -> u64 {
        self.0.values().flat_map(|chunk| &chunk.runs).map(|(range, _)| range.len()).sum()
    }

    /// Parameters that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        let runs = self.0.values().flat_map(|chunk| &chunk.runs);
        runs.filter(|(_, reason)| !is_open(reason)).map(|(range, _)| range.len()).sum()
    }

    /// Each run of them as a chunk of a generation of its own, whatever the reasons within it. Equal
    /// outcomes give equal replays, so that publishing them again adds nothing.
    pub(crate) fn replays(&self) -> Vec<Replay> {
        let mut replays: Vec<Replay> = Vec::new();
        for (index, chunk) in &self.0 {
            let mut generation = chunk.newest;
            for (range, reason) in chunk.runs.iter().filter(|(_, reason)| is_open(reason)) {
                if let Some(last) = replays.last_mut()
                    && (last.chunk, last.range.end()) == (*index, range.start())
                    && let Ok(joined) = ParameterRange::new(last.range.start(), range.end())
                {
                    last.range = joined;
                    continue;
                }
                generation = Generation(generation.0.saturating_add(1));
                let reason = reason.clone();
                replays.push(Replay { chunk: *index, generation, range: *range, reason });
            }
        }
        replays
    }
}

fn is_open(reason: &DeadReason) -> bool {
    reason.kind != FailureKind::Dropped
}

#[cfg(test)]
mod tests {
    use ttg_runtime::{DeadParameters, IdempotencyKey, JobUid, WallTime};

    use super::*;

    fn outcome(
        chunk: u64,
        generation: u32,
        range: (u64, u64),
        dead: &[(u64, FailureKind)],
    ) -> Outcome {
        let mut parameters = DeadParameters::new();
        for (parameter, kind) in dead {
            parameters.push(*parameter, *kind, "no root");
        }
        Outcome {
            key: IdempotencyKey {
                job: JobUid::from([7; 16]),
                chunk: ChunkIndex(chunk),
                generation: Generation(generation),
            },
            range: ParameterRange::new(range.0, range.1).unwrap(),
            columns: Vec::new(),
            dead: parameters,
            attempt: 3,
            worker: "w".parse().unwrap(),
            build: String::new(),
            finished_at: WallTime(0),
            computed_us: 0,
            values: None,
        }
    }

    fn letters(outcomes: &[Outcome]) -> DeadLetters {
        let mut letters = DeadLetters::default();
        for outcome in outcomes {
            letters.add(outcome);
        }
        letters
    }

    fn replays(letters: &DeadLetters) -> Vec<(u64, u32, String)> {
        let replays = letters.replays().into_iter();
        replays.map(|r| (r.chunk.0, r.generation.0, r.range.to_string())).collect()
    }

    #[test]
    fn each_run_of_a_chunk_is_replayed_in_a_generation_of_its_own() {
        use FailureKind::{Error, Killed};
        let first = [
            outcome(0, 0, (0, 10), &[]),
            outcome(2, 0, (20, 30), &[(20, Error), (21, Killed), (25, Error)]),
            outcome(1, 0, (10, 20), &[(19, Error)]),
        ];
        let letters = letters(&first);
        assert_eq!(letters.runs().count(), 4);
        let expected = [(1, 1, "19..20"), (2, 1, "20..22"), (2, 2, "25..26")];
        assert_eq!(replays(&letters), expected.map(|(c, g, r)| (c, g, r.to_owned())));
    }

    #[test]
    fn the_newest_word_on_a_parameter_counts() {
        use FailureKind::{Dropped, Error};
        let letters = letters(&[
            outcome(2, 0, (20, 30), &[(20, Error), (21, Error), (25, Error), (29, Error)]),
            outcome(2, 1, (20, 22), &[(21, Error)]),
            outcome(2, 2, (25, 26), &[]),
            outcome(2, 3, (29, 30), &[(29, Dropped)]),
        ]);
        let runs: Vec<_> = letters.runs().map(|(range, _)| range.to_string()).collect();
        assert_eq!((runs, letters.dropped()), (vec!["21..22".to_owned()], 1));
        assert_eq!(replays(&letters), [(2, 4, "21..22".to_owned())]);
    }
}
