//! When each job was last known to be open: the server took an entry for its journal.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::JobUid;

pub(super) struct Proofs {
    lease: Duration,
    seen: Mutex<HashMap<JobUid, Instant>>,
}

impl Proofs {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, seen: Mutex::default() }
    }

    pub(super) fn note(&self, open: impl Iterator<Item = JobUid>) {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(open.map(|job| (job, now)));
    }

    /// Those of `jobs` of which nothing was heard for half a lease; all others are forgotten.
    pub(super) fn stale(&self, jobs: HashSet<JobUid>) -> Vec<JobUid> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|job, _| jobs.contains(job));
        let old = |job: &JobUid| seen.get(job).is_none_or(|at| at.elapsed() > self.lease / 2);
        jobs.into_iter().filter(old).collect()
    }
}
