//! The steps of a run or a worker, in their order.

use std::time::Duration;

use tracing::info;

use super::Event;
use crate::metrics::{JobParameters, Metrics};

/// The process is there; nothing has been tried yet.
#[derive(Debug, Clone, Copy)]
pub struct Starting<'a> {
    /// The command, such as `worker`.
    pub command: &'a str,
    /// The release that runs.
    pub version: &'a str,
    /// The commit it was built from.
    pub commit: &'a str,
}

impl Event for Starting<'_> {
    fn emit(self, _: &Metrics) {
        let Self { command, version, commit } = self;
        info!(event = "starting", command, version, commit, "process starts");
    }
}

/// The broker answers and the kernels are loaded.
#[derive(Debug, Clone, Copy)]
pub struct Initialized<'a> {
    /// The broker, without its secrets.
    pub broker: &'a str,
    /// The names of the kernels, separated by commas.
    pub kernels: &'a str,
    /// How many chunks are computed at once.
    pub slots: u64,
}

impl Event for Initialized<'_> {
    fn emit(self, _: &Metrics) {
        let Self { broker, kernels, slots } = self;
        info!(event = "initialized", broker, kernels, slots, "broker and kernels are ready");
    }
}

/// Chunks are being asked for.
#[derive(Debug, Clone, Copy)]
pub struct Running<'a> {
    /// The job, if it is one that is waited for.
    pub job: Option<&'a str>,
}

impl Event for Running<'_> {
    fn emit(self, _: &Metrics) {
        info!(event = "running", job = self.job, "asking for chunks");
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The job.
    pub job: &'a str,
    /// What became of its parameters so far.
    pub parameters: JobParameters,
    /// The rate at which parameters are settled now.
    pub parameters_per_second: f64,
    /// The time to the end at this rate, if there is one.
    pub eta: Option<Duration>,
}

impl Event for Progress<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.set_job_parameters(self.job, self.parameters);
        let (done, total) = (self.parameters.settled(), self.parameters.total);
        let percent = percent(done, total);
        info!(
            event = "progress",
            job = self.job,
            done,
            total,
            percent,
            dead = self.parameters.dead,
            parameters_per_second = tenths(self.parameters_per_second),
            eta_seconds = self.eta.map(|eta| tenths(eta.as_secs_f64())),
            "{done}/{total} parameters ({percent} %)"
        );
    }
}

/// A job ended, or a worker drained: then there is no job, and the numbers are what it settled.
#[derive(Debug, Clone, Copy)]
pub struct Completed<'a> {
    /// The job.
    pub job: Option<&'a str>,
    /// How it ended, such as `complete`, `cancelled`, `failed` or `drained`.
    pub status: &'a str,
    /// What became of the parameters.
    pub parameters: JobParameters,
    /// Chunks with at least one completed parameter.
    pub chunks_completed: u64,
    /// Chunks with dead parameters only.
    pub chunks_dead: u64,
    /// Deliveries of chunks that had been delivered before.
    pub redelivered: u64,
    /// Outcomes dropped because the chunk was settled already.
    pub duplicates_dropped: u64,
    /// From before the first publish, or the start of the worker, to the last commit.
    pub elapsed: Duration,
}

impl Event for Completed<'_> {
    fn emit(self, metrics: &Metrics) {
        if let Some(job) = self.job {
            metrics.set_job_parameters(job, self.parameters);
        }
        let seconds = self.elapsed.as_secs_f64();
        let rate = if seconds > 0.0 { self.parameters.settled() as f64 / seconds } else { 0.0 };
        info!(
            event = "completed",
            job = self.job,
            status = self.status,
            parameters_total = self.parameters.total,
            parameters_completed = self.parameters.completed,
            parameters_dead = self.parameters.dead,
            chunks_completed = self.chunks_completed,
            chunks_dead = self.chunks_dead,
            redelivered = self.redelivered,
            duplicates_dropped = self.duplicates_dropped,
            elapsed_seconds = seconds,
            parameters_per_second = tenths(rate),
            "finished"
        );
    }
}

/// Rounded down to a tenth, so that 100 means that nothing is left; 100 for an empty job.
fn percent(done: u64, total: u64) -> f64 {
    if done >= total {
        return 100.0;
    }
    let per_mille = u128::from(done) * 1000 / u128::from(total);
    per_mille as f64 / 10.0
}

/// Rounded to a tenth, for people.
fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_reaches_100_only_when_all_is_done() {
        assert!((percent(0, 3) - 0.0).abs() < f64::EPSILON);
        assert!((percent(1, 3) - 33.3).abs() < f64::EPSILON);
        assert!((percent(u64::MAX - 1, u64::MAX) - 99.9).abs() < f64::EPSILON);
        assert!((percent(3, 3) - 100.0).abs() < f64::EPSILON);
        assert!((percent(0, 0) - 100.0).abs() < f64::EPSILON);
    }
}
