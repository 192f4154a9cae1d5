//! What a broker tells about jobs and workers.

use serde::{Deserialize, Serialize};

use crate::clock::WallTime;
use crate::ids::{KernelName, WorkerId};
use crate::outcome::Outcome;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Parameters are unsettled.
    Running,
    /// Every parameter is in an outcome, and no replay is open.
    Complete,
    /// Stopped by a user.
    Cancelled,
}

/// Counts of chunks. `total`, `completed` and `dead` count the original cut only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChunkCounts {
    /// Chunks of the original cut.
    pub total: u64,
    /// With an outcome and at least one completed parameter, a replay's included.
    pub completed: u64,
    /// With an outcome and no completed parameter.
    pub dead: u64,
    /// Published and due now, replays included.
    pub ready: u64,
    /// Leased, replays included.
    pub in_flight: u64,
    /// Published and not yet due, replays included.
    pub delayed: u64,
    /// Deliveries after the first of a chunk, give-backs apart.
    pub redelivered: u64,
    /// Outcomes dropped because their key had one.
    pub duplicates_dropped: u64,
}

/// Counts of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParameterCounts {
    /// In the job's space.
    pub total: u64,
    /// With a value.
    pub completed: u64,
    /// Out of attempts, and not completed by a replay since.
    pub dead: u64,
}

impl ParameterCounts {
    /// Neither completed nor dead.
    pub fn unsettled(&self) -> u64 {
        self.total.saturating_sub(self.completed).saturating_sub(self.dead)
    }
}

/// How far a job is. Completion is a count of distinct outcomes, never a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobProgress {
    /// Where it stands.
    pub state: JobState,
    /// Chunks below this index of the original cut were published; a submission that was
    /// interrupted goes on here.
    pub published: u64,
    /// Chunks.
    pub chunks: ChunkCounts,
    /// Parameters.
    pub parameters: ParameterCounts,
    /// When the job's newest outcome was committed.
    pub last_commit: Option<WallTime>,
}

/// A place in the sequence of a job's outcomes. Only the adapter that issued it reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutcomeCursor(pub u64);

impl OutcomeCursor {
    /// Before the first outcome.
    pub const START: Self = Self(0);
}

/// Some outcomes of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomePage {
    /// In the order of their commits; one a key.
    pub outcomes: Vec<Outcome>,
    /// Where to read on; `None` at the present end.
    pub next: Option<OutcomeCursor>,
}

/// What a worker tells live monitors now and then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Who.
    #[serde(rename = "worker")]
    pub worker: WorkerId,
    /// When, by its wall clock.
    #[serde(rename = "at")]
    pub at: WallTime,
    /// Its build.
    #[serde(rename = "build")]
    pub build: String,
    /// The kernels it can evaluate.
    #[serde(rename = "kernels")]
    pub kernels: Vec<KernelName>,
    /// Its compute slots.
    #[serde(rename = "slots")]
    pub slots: u32,
    /// Chunks it holds.
    #[serde(rename = "in_flight")]
    pub in_flight: u32,
    /// Chunks it committed since it started.
    #[serde(rename = "chunks")]
    pub chunks: u64,
    /// Parameters it completed since it started.
    #[serde(rename = "parameters")]
    pub parameters: u64,
}
