//! Evaluates chunks again, beside the reading of their outcomes, and compares.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use ttg_runtime::kernel::{Evaluated, Evaluation, Limits, RegisteredKernel, Scratch};
use ttg_runtime::{
    Chunk, Column, Counters, JobRecord, JobSpec, Outcome, ParameterRange, Randomness, SystemClock,
    SystemRandomness, TraceContext,
};

use crate::error::CommandError;
use crate::proof::Findings;

/// Which chunks are evaluated again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Share {
    All,
    Chunks(u64),
    Percent(f64),
}

impl FromStr for Share {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write `all`, a number of chunks, or a percentage such as 5%".to_owned();
        if text == "all" {
            return Ok(Self::All);
        }
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.parse().map_err(|_| wrong())?;
                if percent > 0.0 && percent <= 100.0 {
                    Ok(Self::Percent(percent))
                } else {
                    Err(wrong())
                }
            }
            None => text.parse().ok().filter(|n| *n > 0).map(Self::Chunks).ok_or_else(wrong),
        }
    }
}

/// A random choice of chunks.
enum Chosen {
    All,
    Some(BTreeSet<u64>),
}

impl Chosen {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the chunks is positive and no more than there are"
    )]
    fn of(share: Share, total: u64) -> Self {
        let count = match share {
            Share::All => total,
            Share::Chunks(count) => count,
            Share::Percent(percent) => (total as f64 * percent / 100.0).ceil() as u64,
        };
        if count >= total {
            return Self::All;
        }
        let mut chosen = BTreeSet::new();
        while (chosen.len() as u64) < count {
            chosen.insert(SystemRandomness.next_u64() % total);
        }
        Self::Some(chosen)
    }

    fn has(&self, chunk: u64) -> bool {
        match self {
            Self::All => true,
            Self::Some(chosen) => chosen.contains(&chunk),
        }
    }
}

/// Threads that evaluate again.
pub(crate) struct Recomputation {
    chosen: Chosen,
    work: SyncSender<Outcome>,
    threads: Vec<JoinHandle<()>>,
    result: Arc<Mutex<Verdict>>,
}

/// What came of it.
#[derive(Debug, Default)]
struct Verdict {
    outcomes: u64,
    findings: Findings,
}

impl Recomputation {
    pub(crate) fn begin(
        job: &JobRecord,
        kernel: &Arc<dyn RegisteredKernel>,
        share: Share,
        threads: NonZeroU32,
    ) -> Result<Self, CommandError> {
        // Bounded, so that reading does not run ahead.
        let (work, queue) = sync_channel(2 * threads.get() as usize);
        let queue = Arc::new(Mutex::new(queue));
        let result = Arc::new(Mutex::default());
        let spec = Arc::new(job.spec.clone());
        let start = |n| {
            let judge = Judge { spec: Arc::clone(&spec), kernel: Arc::clone(kernel) };
            let (queue, result) = (Arc::clone(&queue), Arc::clone(&result));
            let thread = thread::Builder::new().name(format!("ttg-recompute-{n}"));
            thread.spawn(move || judge.run(&queue, &result)).map_err(CommandError::Runtime)
        };
        let threads = (0..threads.get()).map(start).collect::<Result<_, _>>()?;
        Ok(Self { chosen: Chosen::of(share, job.spec.chunks_total()), work, threads, result })
    }

    /// Has the outcome compared if its chunk is among the chosen; waits while all threads are busy.
    pub(crate) fn take(&self, outcome: Outcome) {
        if self.chosen.has(outcome.key.chunk.0) {
            // It fails only if all threads are gone, which `end` tells.
            self.work.send(outcome).ok();
        }
    }

    /// Waits for the threads. Returns how many outcomes were compared, and adds what differs.
    pub(crate) fn end(self, findings: &mut Findings) -> u64 {
        drop(self.work);
        for thread in self.threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        for finding in result.findings.told.drain(..) {
            findings.add(finding);
        }
        findings.untold += result.findings.untold;
        result.outcomes
    }
}

struct Judge {
    spec: Arc<JobSpec>,
    kernel: Arc<dyn RegisteredKernel>,
}

impl Judge {
    fn run(&self, queue: &Mutex<Receiver<Outcome>>, result: &Mutex<Verdict>) {
        let mut scratch = Scratch::new();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(outcome) = next else { return };
            let finding = self.compare(&outcome, &mut scratch);
            let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
            result.outcomes += 1;
            if let Some(finding) = finding {
                result.findings.add(finding);
            }
        }
    }

    /// What differs. Parameters that the outcome calls dead are left alone: they may take down this
    /// process, too.
    fn compare(&self, outcome: &Outcome, scratch: &mut Scratch) -> Option<String> {
        let key = outcome.key;
        let mut columns: Vec<Column> = Vec::new();
        for range in completed_runs(outcome) {
            match self.evaluate(outcome, range, scratch) {
                Ok(part) if columns.is_empty() => columns = part,
                Ok(part) => {
                    for (whole, part) in columns.iter_mut().zip(&part) {
                        whole.aggregate.merge(&part.aggregate);
                    }
                }
                Err(why) => return Some(format!("the outcome {key}, recomputed: {why}")),
            }
        }
        if columns.len() != outcome.columns.len() && outcome.completed() > 0 {
            return Some(format!("the outcome {key} has other columns when it is recomputed"));
        }
        let differs = |(stored, fresh): &(&Column, &Column)| stored != fresh;
        let (stored, fresh) = outcome.columns.iter().zip(&columns).find(differs)?;
        let (name, stored, fresh) = (&stored.name, &stored.aggregate, &fresh.aggregate);
        Some(format!(
            "the outcome {key} differs in column `{name}`: its sum is {} of {} values, recomputed {} of \
             {}, here to the nearest f64",
            stored.sum(),
            stored.count(),
            fresh.sum(),
            fresh.count(),
        ))
    }

    fn evaluate(
        &self,
        outcome: &Outcome,
        range: ParameterRange,
        scratch: &mut Scratch,
    ) -> Result<Vec<Column>, String> {
        let failures = outcome.attempt.saturating_sub(1);
        let chunk = Chunk {
            key: outcome.key,
            range,
            counters: Counters { failures, ..Counters::default() },
            last_failure: None,
            trace: TraceContext::default(),
            spec: Arc::clone(&self.spec),
        };
        let limits = Limits { last_attempt: true, ..Limits::default() };
        let (kernel, clock) = (&*self.kernel, &SystemClock);
        let evaluation = Evaluation { chunk: &chunk, kernel, limits: &limits, clock, watch: None };
        match evaluation.run(scratch) {
            Evaluated::Completed { columns, dead, .. } => match dead.runs().next() {
                None => Ok(columns),
                Some((run, why)) => {
                    Err(format!("parameter {} has no value ({})", run.start(), why.message))
                }
            },
            Evaluated::Failed(why) => Err(why.to_string()),
            Evaluated::Cancelled => Err("it was cancelled".to_owned()),
        }
    }
}

/// The parameters of an outcome that have a value.
fn completed_runs(outcome: &Outcome) -> Vec<ParameterRange> {
    let mut runs = Vec::new();
    let mut next = outcome.range.start();
    for (dead, _) in outcome.dead.runs() {
        runs.extend(ParameterRange::new(next, dead.start()));
        next = dead.end();
    }
    runs.extend(ParameterRange::new(next, outcome.range.end()));
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_all_a_number_or_a_percentage() {
        assert_eq!("all".parse(), Ok(Share::All));
        assert_eq!("100".parse(), Ok(Share::Chunks(100)));
        assert_eq!("2.5%".parse(), Ok(Share::Percent(2.5)));
        for bad in ["", "0", "0%", "101%", "-1", "some"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_sample_has_as_many_chunks_as_were_asked_for() {
        let chosen = |share, total| match Chosen::of(share, total) {
            Chosen::All => total,
            Chosen::Some(chosen) => {
                assert!(chosen.iter().all(|chunk| *chunk < total));
                chosen.len() as u64
            }
        };
        assert_eq!(chosen(Share::Chunks(5), 1_000), 5);
        assert_eq!(chosen(Share::Chunks(5), 3), 3);
        assert_eq!(chosen(Share::Percent(0.1), 1_500), 2);
        assert_eq!(chosen(Share::All, 7), 7);
    }
}
