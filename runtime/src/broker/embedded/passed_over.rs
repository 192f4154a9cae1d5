//! Jobs that cannot be worked on here: their record is damaged, or a newer build's. They are passed
//! over, and stay as they are for whoever reads them: what they cost is one line in the log.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::fault::Fault;
use super::lease::{IS_ANY_DUE, due_rows_sql};
use super::sql::OLDEST_RUN;

/// Jobs that this consumer leases nothing of, and the statements that look past them: a look for
/// chunks finds none of theirs, so that it takes no lock for them and they are in nobody's way.
pub(super) struct PassedOver {
    jobs: BTreeSet<i64>,
    pub(super) is_any_due: String,
    pub(super) due_rows: String,
    pub(super) oldest_run: String,
}

impl Default for PassedOver {
    fn default() -> Self {
        Self::new(BTreeSet::new())
    }
}

impl PassedOver {
    fn new(jobs: BTreeSet<i64>) -> Self {
        let ids: Vec<_> = jobs.iter().map(ToString::to_string).collect();
        let but_for_jobs = format!("NOT IN ({})", ids.join(", "));
        let but_for = |sql: &str| sql.replace("NOT IN ()", &but_for_jobs);
        Self {
            jobs,
            is_any_due: but_for(IS_ANY_DUE),
            due_rows: but_for(&due_rows_sql()),
            oldest_run: but_for(OLDEST_RUN),
        }
    }

    /// Passes `job` over from now on; false if it was before.
    pub(super) fn add(&mut self, job: i64) -> bool {
        let mut jobs = std::mem::take(&mut self.jobs);
        let added = jobs.insert(job);
        *self = Self::new(jobs);
        added
    }
}

/// Jobs that the log has a line of.
#[derive(Default)]
pub(super) struct Told(Mutex<BTreeSet<i64>>);

impl Told {
    /// Says that job `id` is passed over, and why, unless that was said before.
    pub(super) fn tell(&self, id: i64, name: &str, why: &Fault) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(id) {
            tracing::error!(
                event = "job_passed_over",
                job = name,
                error = %why,
                "job is passed over, it cannot be read"
            );
        }
    }
}
