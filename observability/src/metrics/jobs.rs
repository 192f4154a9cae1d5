//! The one label that is not a closed set: jobs, of which the latest few are shown.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::IntGaugeVec;

use super::labels::{Label, ParameterState};

/// How many jobs are shown at most.
pub(super) const LIVE_JOBS_MAX: usize = 32;

/// How far a job is, in parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobParameters {
    /// All parameters of the job.
    pub total: u64,
    /// Those evaluated and in an outcome.
    pub completed: u64,
    /// Those out of attempts.
    pub dead: u64,
}

impl JobParameters {
    /// Parameters in an outcome, completed or dead.
    pub fn settled(self) -> u64 {
        self.completed.saturating_add(self.dead)
    }

    fn in_state(self, state: ParameterState) -> u64 {
        match state {
            ParameterState::Pending => self.total.saturating_sub(self.settled()),
            ParameterState::Completed => self.completed,
            ParameterState::Dead => self.dead,
        }
    }
}

/// The jobs shown, longest without an update first.
#[derive(Debug)]
pub(super) struct JobGauges {
    gauges: IntGaugeVec,
    live: Mutex<VecDeque<String>>,
}

impl JobGauges {
    pub(super) fn new(gauges: IntGaugeVec) -> Self {
        Self { gauges, live: Mutex::default() }
    }

    pub(super) fn set(&self, job: &str, parameters: JobParameters) {
        let mut live = self.lock();
        live.retain(|name| name != job);
        if live.len() == LIVE_JOBS_MAX
            && let Some(oldest) = live.pop_front()
        {
            self.remove(&oldest);
        }
        live.push_back(job.to_owned());
        for &state in ParameterState::ALL {
            let count = i64::try_from(parameters.in_state(state)).unwrap_or(i64::MAX);
            self.gauges.with_label_values(&[job, state.as_str()]).set(count);
        }
    }

    /// Keeps the set of jobs still while the registry is read.
    pub(super) fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        // The deque is whole after each of its calls; a panic elsewhere does not spoil it.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, job: &str) {
        for &state in ParameterState::ALL {
            // Fails only for a series that is not there, which is what is wanted.
            drop(self.gauges.remove_label_values(&[job, state.as_str()]));
        }
    }
}
