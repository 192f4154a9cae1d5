//! A job's outcomes, merged as they are read; read on later, it takes only what is new.

use std::collections::BTreeMap;

use ttg_runtime::broker::OutcomeCursor;
use ttg_runtime::{Aggregate, Broker, FailureKind, JobUid, Outcome, WallTime};

use super::job::WorkerShare;
use super::throughput::Throughput;
use crate::error::CommandError;

/// Outcomes read at a time, at most.
const PAGE: usize = 64;

/// The sum of the outcomes read so far. Memory grows with columns and workers, not with outcomes.
#[derive(Default)]
pub(super) struct Reading {
    columns: Vec<(String, Aggregate)>,
    workers: BTreeMap<String, (u64, u64)>,
    throughput: Throughput,
    place: Place,
}

/// Where to read on. The last page is read again, since it may have grown.
struct Place {
    page: OutcomeCursor,
    /// Outcomes of that page that were taken.
    taken: usize,
}

impl Default for Place {
    fn default() -> Self {
        Self { page: OutcomeCursor::START, taken: 0 }
    }
}

/// Whether there is more to read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    Yes,
    No,
}

impl Reading {
    /// Reads a page.
    pub(super) async fn read_on(
        &mut self,
        broker: &dyn Broker,
        job: JobUid,
        now: WallTime,
    ) -> Result<More, CommandError> {
        let page = broker.outcomes(job, self.place.page, PAGE).await;
        let page = page.map_err(CommandError::broker("the outcomes could not be read"))?;
        page.outcomes.iter().skip(self.place.taken).for_each(|outcome| self.add(outcome, now));
        let Some(next) = page.next else {
            self.place.taken = page.outcomes.len();
            return Ok(More::No);
        };
        self.place = Place { page: next, taken: 0 };
        Ok(More::Yes)
    }

    /// Goes on with the first outcome of another store.
    pub(super) fn next_store(&mut self) {
        self.place = Place::default();
    }

    fn add(&mut self, outcome: &Outcome, now: WallTime) {
        for column in &outcome.columns {
            match self.columns.iter_mut().find(|(name, _)| *name == column.name) {
                Some((_, aggregate)) => aggregate.merge(&column.aggregate),
                None => self.columns.push((column.name.clone(), column.aggregate.clone())),
            }
        }
        if outcome.dead.runs().any(|(_, why)| why.kind == FailureKind::Dropped) {
            // A person's word, not a worker's.
            return;
        }
        let (chunks, parameters) = match self.workers.get_mut(outcome.worker.as_str()) {
            Some(share) => share,
            None => self.workers.entry(outcome.worker.to_string()).or_default(),
        };
        *chunks += 1;
        *parameters += outcome.completed();
        let (worker, settled) = (outcome.worker.as_str(), outcome.range.len());
        self.throughput.add(worker, settled, outcome.finished_at, now);
    }

    /// Each column with its aggregate, in the kernel's order.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, &Aggregate)> {
        self.columns.iter().map(|(name, aggregate)| (name.as_str(), aggregate))
    }

    /// What each worker committed.
    pub(super) fn shares(&self) -> Vec<WorkerShare> {
        let share = |(id, &(chunks, parameters)): (&String, &_)| {
            let id = id.clone();
            WorkerShare { id, chunks, parameters }
        };
        self.workers.iter().map(share).collect()
    }

    /// Parameters that `worker` settled per second of late.
    pub(super) fn rate_of(&self, worker: &str, now: WallTime) -> f64 {
        self.throughput.of(worker, now)
    }

    /// Parameters that all workers settled per second of late.
    pub(super) fn rate(&self, now: WallTime) -> f64 {
        self.throughput.of_all(now)
    }
}
