//! Whether a job's outcomes prove it: every parameter in exactly one of them.

use std::collections::BTreeSet;

use ttg_runtime::broker::JobProgress;
use ttg_runtime::invariants::outcome_is_whole;
use ttg_runtime::{Generation, JobRecord, Outcome};

use crate::dead_letters::DeadLetters;

/// What is wrong with a job is told in this many sentences; the rest is counted.
const FINDINGS_TOLD: usize = 20;

/// The outcomes so far. Memory: a bit a chunk, and the runs of dead parameters.
pub(crate) struct Proof<'a> {
    job: &'a JobRecord,
    /// Chunks of the original cut that have an outcome.
    seen: Vec<u64>,
    letters: DeadLetters,
    columns: Option<Vec<String>>,
    completed: u64,
    pub(crate) replays: u64,
    pub(crate) builds: BTreeSet<String>,
    pub(crate) findings: Findings,
}

/// What disproves a job.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) told: Vec<String>,
    pub(crate) untold: u64,
}

impl Findings {
    pub(crate) fn add(&mut self, finding: String) {
        if self.told.len() < FINDINGS_TOLD {
            self.told.push(finding);
        } else {
            self.untold += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

impl<'a> Proof<'a> {
    pub(crate) fn begin(job: &'a JobRecord) -> Self {
        let words = usize::try_from(job.spec.chunks_total().div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            job,
            seen: vec![0; words],
            letters: DeadLetters::default(),
            columns: None,
            completed: 0,
            replays: 0,
            builds: BTreeSet::new(),
            findings: Findings::default(),
        }
    }

    /// Takes the next outcome, in the order of the commits.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        let key = outcome.key;
        let chunk = key.chunk;
        if key.job != self.job.uid {
            self.findings.add(format!("an outcome of job {} is among them", key.job));
            return;
        }
        if !outcome_is_whole(outcome) {
            self.findings
                .add(format!("the outcome {key} does not speak of each of its parameters once"));
        }
        if key.generation != Generation(0) {
            self.replays += 1;
            if !self.letters.has_all_of(chunk, outcome.range) {
                self.findings
                    .add(format!("the replay {key} speaks of parameters that are not dead"));
            }
        } else if self.job.spec.chunk_range(chunk) != Some(outcome.range) {
            let range = outcome.range;
            self.findings.add(format!("the outcome {key} speaks of {range}, not of its chunk"));
        } else if !self.mark(chunk.0) {
            self.findings.add(format!("chunk {chunk} has two outcomes"));
        }
        self.check_columns(outcome);
        self.completed = self.completed.saturating_add(outcome.completed());
        if self.builds.len() < FINDINGS_TOLD {
            self.builds.insert(outcome.build.clone());
        }
        self.letters.add(outcome);
    }

    /// False if the chunk was marked.
    fn mark(&mut self, chunk: u64) -> bool {
        let (word, bit) = (usize::try_from(chunk / 64).unwrap_or(usize::MAX), 1 << (chunk % 64));
        let Some(word) = self.seen.get_mut(word) else { return false };
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    fn check_columns(&mut self, outcome: &Outcome) {
        if outcome.columns.is_empty() {
            return;
        }
        let names = || outcome.columns.iter().map(|column| column.name.clone()).collect();
        let known: &Vec<String> = self.columns.get_or_insert_with(names);
        if !known.iter().eq(outcome.columns.iter().map(|column| &column.name)) {
            let key = outcome.key;
            self.findings.add(format!("the outcome {key} has other columns than the ones before"));
        }
    }

    /// Compares with what the broker counted. Returns completed and dead parameters.
    pub(crate) fn conclude(&mut self, progress: &JobProgress) -> (u64, u64) {
        let total = self.job.spec.chunks_total();
        let seen: u64 = self.seen.iter().map(|word| u64::from(word.count_ones())).sum();
        if seen < total {
            let first = self.seen.iter().position(|word| *word != u64::MAX).unwrap_or(0);
            let chunk = first as u64 * 64 + u64::from(self.seen[first].trailing_ones());
            let missing = total - seen;
            self.findings.add(format!(
                "{missing} of {total} chunks have no outcome; the first is chunk {chunk}"
            ));
        }
        let dead = self.letters.count();
        let counted = (self.completed, dead);
        let (all, told) = (self.job.spec.parameters.len(), progress.parameters);
        if self.completed.checked_add(dead) != Some(all) {
            self.findings.add(format!(
                "{} parameters are completed and {dead} dead, of {all}",
                self.completed
            ));
        }
        if counted != (told.completed, told.dead) {
            self.findings.add(format!(
                "the broker counted {} completed and {} dead parameters, the outcomes have {} and {dead}",
                told.completed, told.dead, self.completed
            ));
        }
        counted
    }
}
