//! The report that `--json` prints.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A job's report. What must be the same to the last bit is kept as it was written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Its name.
    pub job: String,
    /// Its unique id.
    pub uid: String,
    /// `running`, `complete` or `cancelled`.
    pub status: String,
    /// The kernel.
    pub kernel: String,
    /// The kind of broker.
    pub broker: String,
    /// Counts of parameters.
    pub parameters: Parameters,
    /// Counts of chunks.
    pub chunks: Chunks,
    /// The first column's statistics.
    pub result: Box<RawValue>,
    /// All columns' statistics.
    pub columns: Box<RawValue>,
    /// From the submission to the last commit.
    pub elapsed_seconds: f64,
    /// Settled ones.
    pub parameters_per_second: f64,
    /// Who committed what.
    pub workers: Vec<WorkerShare>,
}

/// Counts of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// All of the job.
    pub total: u64,
    /// With a value.
    pub completed: u64,
    /// Out of attempts.
    pub dead: u64,
}

/// Counts of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunks {
    /// All of the job's cut.
    pub total: u64,
    /// With a completed parameter.
    pub completed: u64,
    /// With dead parameters only.
    pub dead: u64,
    /// Deliveries after a failure or a silence.
    pub redelivered: u64,
    /// Outcomes of chunks that had one.
    pub duplicates_dropped: u64,
}

/// What one worker committed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerShare {
    /// The worker.
    pub id: String,
    /// Its chunks.
    pub chunks: u64,
    /// Its completed parameters.
    pub parameters: u64,
}

/// What a worker did.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerReport {
    /// Its id.
    pub worker: String,
    /// `drained`, `idle`, `complete` or `cancelled`.
    pub status: String,
    /// Outcomes that were the first of their key and hold a completed parameter.
    pub chunks: u64,
    /// Parameters completed by them.
    pub parameters: u64,
    /// Parameters dead by them.
    pub dead: u64,
    /// Deliveries here after a failure or a silence.
    pub redelivered: u64,
    /// Outcomes dropped because another was first.
    pub duplicates_dropped: u64,
    /// Deliveries that others took over.
    pub leases_lost: u64,
    /// From its start to its end.
    pub elapsed_seconds: f64,
}

impl WorkerReport {
    /// Reads it.
    ///
    /// # Panics
    /// If it has another shape.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }
}

impl Report {
    /// Reads it.
    ///
    /// # Panics
    /// If it has another shape.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// The text of `field` in the first column's statistics.
    ///
    /// # Panics
    /// If there is no such field.
    #[track_caller]
    pub fn result(&self, field: &str) -> String {
        let fields: std::collections::BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(self.result.get()).expect("the result is an object");
        let value = fields.get(field);
        value.unwrap_or_else(|| panic!("no `{field}` in {}", self.result)).get().to_owned()
    }

    /// Asserts that the job is complete and every parameter was counted once: in the books, in the
    /// result and among the workers; `dead` of them without a value.
    #[track_caller]
    pub fn assert_complete(&self, total: u64, dead: u64) {
        let completed = total - dead;
        let parameters = Parameters { total, completed, dead };
        assert_eq!(self.status, "complete", "{self:#?}");
        assert_eq!(self.parameters, parameters, "{self:#?}");
        assert_eq!(self.result("count"), completed.to_string(), "{self:#?}");
        let Chunks { total, completed: whole, dead, .. } = self.chunks;
        assert_eq!(whole + dead, total, "{self:#?}");
        let by_workers: u64 = self.workers.iter().map(|worker| worker.parameters).sum();
        assert_eq!(by_workers, completed, "{self:#?}");
        let by_workers: u64 = self.workers.iter().map(|worker| worker.chunks).sum();
        assert_eq!(by_workers, total, "{self:#?}");
    }
}
