//! A job's report, in the shape that scripts rely on.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use ttg_runtime::broker::{ChunkCounts, JobProgress, JobState, ParameterCounts};
use ttg_runtime::{Aggregate, Broker, JobRecord, WallTime};

use super::reading::{More, Reading};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::shards::Part;

/// A job's report.
#[derive(Debug, Serialize)]
pub(crate) struct JobReport {
    pub(crate) job: String,
    pub(crate) uid: String,
    pub(crate) status: Status,
    pub(crate) kernel: String,
    pub(crate) broker: &'static str,
    pub(crate) parameters: Parameters,
    pub(crate) chunks: Chunks,
    pub(crate) result: Statistics,
    pub(crate) columns: Columns,
    pub(crate) elapsed_seconds: f64,
    pub(crate) parameters_per_second: f64,
    pub(crate) workers: Vec<WorkerShare>,
}

/// Where the job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Running,
    Complete,
    Cancelled,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Parameters {
    pub(crate) total: u64,
    pub(crate) completed: u64,
    pub(crate) dead: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Chunks {
    pub(crate) total: u64,
    pub(crate) completed: u64,
    pub(crate) dead: u64,
    pub(crate) redelivered: u64,
    pub(crate) duplicates_dropped: u64,
}

/// One column's statistics. Without a value, and for a sum beyond the range of f64, null.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Statistics {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) mean: Option<f64>,
    pub(crate) min: Option<f64>,
    pub(crate) argmin: Option<u64>,
    pub(crate) max: Option<f64>,
    pub(crate) argmax: Option<u64>,
    pub(crate) stddev: Option<f64>,
}

/// Statistics by column, in the kernel's order.
#[derive(Debug)]
pub(crate) struct Columns(pub(crate) Vec<(String, Statistics)>);

/// What one worker committed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WorkerShare {
    pub(crate) id: String,
    pub(crate) chunks: u64,
    pub(crate) parameters: u64,
}

impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, statistics) in &self.0 {
            map.serialize_entry(name, statistics)?;
        }
        map.end()
    }
}

impl From<&Aggregate> for Statistics {
    fn from(aggregate: &Aggregate) -> Self {
        let (min, max) = (aggregate.min(), aggregate.max());
        Self {
            count: aggregate.count(),
            sum: aggregate.sum(),
            mean: aggregate.mean(),
            min: min.map(|extreme| extreme.value),
            argmin: min.map(|extreme| extreme.parameter),
            max: max.map(|extreme| extreme.value),
            argmax: max.map(|extreme| extreme.parameter),
            stddev: aggregate.stddev(),
        }
    }
}

impl JobReport {
    /// Reads all that the broker has of `job`. `now` ends the time of a job that still runs.
    pub(crate) async fn read(
        broker: &dyn Broker,
        job: &JobRecord,
        now: WallTime,
    ) -> Result<Self, CommandError> {
        let progress = progress(broker, job).await?;
        let mut reading = Reading::default();
        while reading.read_on(broker, job.uid, now).await? == More::Yes {}
        Ok(Self::new(broker.capabilities().name, job, &progress, &reading, now))
    }

    /// The same of a job that lies in several stores, to the last bit what one store would give.
    pub(crate) async fn read_merged(parts: &[Part], now: WallTime) -> Result<Self, CommandError> {
        let mut reading = Reading::default();
        let mut merged: Option<(JobRecord, JobProgress)> = None;
        for Part { broker, job, .. } in parts {
            let progress = progress(&**broker, job).await?;
            while reading.read_on(&**broker, job.uid, now).await? == More::Yes {}
            reading.next_store();
            match &mut merged {
                None => merged = Some((job.clone(), progress)),
                Some((first, sum)) => {
                    first.submitted_at = first.submitted_at.min(job.submitted_at);
                    add(sum, &progress);
                }
            }
        }
        let none = || CommandError::Shards("no store is named".to_owned());
        let ((job, progress), part) = merged.zip(parts.first()).ok_or_else(none)?;
        let mut report = Self::new(part.broker.capabilities().name, &job, &progress, &reading, now);
        let uids: Vec<_> = parts.iter().map(|part| part.job.uid.to_string()).collect();
        report.uid = uids.join(",");
        Ok(report)
    }

    /// What `progress` says of `job`, with the outcomes that were read.
    pub(super) fn new(
        broker: &'static str,
        job: &JobRecord,
        progress: &JobProgress,
        reading: &Reading,
        now: WallTime,
    ) -> Self {
        let columns: Vec<(String, Statistics)> = reading
            .columns()
            .map(|(name, aggregate)| (name.to_owned(), aggregate.into()))
            .collect();
        let empty = Statistics::from(&Aggregate::default());
        let status = Status::from(progress.state);
        let end = match (status, progress.last_commit) {
            (Status::Running, _) | (_, None) => now,
            (_, Some(last)) => last,
        };
        let elapsed = end.since(job.submitted_at).as_secs_f64();
        let (parameters, chunks) = (progress.parameters, progress.chunks);
        let settled = parameters.completed + parameters.dead;
        Self {
            job: job.name.to_string(),
            uid: job.uid.to_string(),
            status,
            kernel: job.spec.kernel.to_string(),
            broker,
            parameters: parameters.into(),
            chunks: chunks.into(),
            result: columns.first().map_or(empty, |(_, statistics)| *statistics),
            columns: Columns(columns),
            elapsed_seconds: elapsed,
            // A job can end within the clock's millisecond.
            parameters_per_second: settled as f64 / elapsed.max(0.001),
            workers: reading.shares(),
        }
    }

    /// From submission to the last commit, or until now.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_secs_f64(self.elapsed_seconds)
    }

    /// The exit code that a report of this job asks for.
    pub(crate) fn exit(&self) -> Exit {
        if self.status == Status::Complete && self.parameters.dead > 0 {
            Exit::DeadLetters
        } else {
            Exit::Success
        }
    }
}

/// Adds what another shard counted.
fn add(sum: &mut JobProgress, shard: &JobProgress) {
    sum.state = match (sum.state, shard.state) {
        (JobState::Cancelled, _) | (_, JobState::Cancelled) => JobState::Cancelled,
        (JobState::Running, _) | (_, JobState::Running) => JobState::Running,
        (JobState::Complete, JobState::Complete) => JobState::Complete,
    };
    sum.parameters.total += shard.parameters.total;
    sum.parameters.completed += shard.parameters.completed;
    sum.parameters.dead += shard.parameters.dead;
    sum.chunks.total += shard.chunks.total;
    sum.chunks.completed += shard.chunks.completed;
    sum.chunks.dead += shard.chunks.dead;
    sum.chunks.redelivered += shard.chunks.redelivered;
    sum.chunks.duplicates_dropped += shard.chunks.duplicates_dropped;
    sum.last_commit = sum.last_commit.max(shard.last_commit);
}

/// How far `job` is.
pub(crate) async fn progress(
    broker: &dyn Broker,
    job: &JobRecord,
) -> Result<JobProgress, CommandError> {
    let progress = broker.progress(job.uid).await;
    progress
        .map_err(CommandError::broker("the job's progress could not be read"))?
        .ok_or_else(|| CommandError::UnknownJob(job.name.clone()))
}

impl From<ParameterCounts> for Parameters {
    fn from(counts: ParameterCounts) -> Self {
        let ParameterCounts { total, completed, dead } = counts;
        Self { total, completed, dead }
    }
}

impl From<ChunkCounts> for Chunks {
    fn from(counts: ChunkCounts) -> Self {
        let ChunkCounts { total, completed, dead, redelivered, duplicates_dropped, .. } = counts;
        Self { total, completed, dead, redelivered, duplicates_dropped }
    }
}

impl From<JobState> for Status {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Running => Self::Running,
            JobState::Complete => Self::Complete,
            JobState::Cancelled => Self::Cancelled,
        }
    }
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Cancelled => "cancelled",
        }
    }
}
