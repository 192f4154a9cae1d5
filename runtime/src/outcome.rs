//! The outcome: the one record that settles a chunk.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::aggregate::Aggregate;
use crate::chunk::{IdempotencyKey, ParameterRange};
use crate::clock::WallTime;
use crate::dead::DeadParameters;
use crate::ids::WorkerId;
use crate::values::KeptValues;

/// The summary of one named column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// What the kernel calls it.
    #[serde(rename = "name")]
    pub name: String,
    /// Its exact summary over the chunk's completed parameters.
    #[serde(rename = "agg")]
    pub aggregate: Aggregate,
}

/// What became of every parameter of a chunk, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whose outcome this is; the first one of a key counts.
    #[serde(rename = "key")]
    pub key: IdempotencyKey,
    /// The parameters it speaks of, all of them.
    #[serde(rename = "range")]
    pub range: ParameterRange,
    /// One summary a column, in the kernel's order. Every completed parameter is in all of them.
    #[serde(rename = "cols")]
    pub columns: Vec<Column>,
    /// The parameters that have no value, each with its reason.
    #[serde(rename = "dead", default, skip_serializing_if = "DeadParameters::is_empty")]
    pub dead: DeadParameters,
    /// Which attempt this was, from 1.
    #[serde(rename = "try")]
    pub attempt: u32,
    /// Who computed it.
    #[serde(rename = "by")]
    pub worker: WorkerId,
    /// The build that computed it.
    #[serde(rename = "build")]
    pub build: String,
    /// When the computation ended, by the worker's wall clock.
    #[serde(rename = "at")]
    pub finished_at: WallTime,
    /// How long the computation took, in microseconds.
    #[serde(rename = "us")]
    pub computed_us: u64,
    /// Where the values of its completed parameters are, if its job keeps them.
    #[serde(rename = "values", default, skip_serializing_if = "Option::is_none")]
    pub values: Option<KeptValues>,
}

impl Outcome {
    /// Parameters that have a value; none, if a foreign record calls more of them dead than there are.
    pub fn completed(&self) -> u64 {
        self.range.len().saturating_sub(self.dead.count())
    }

    /// A chunk with one completed parameter is completed; one without any is dead.
    pub fn is_dead(&self) -> bool {
        self.completed() == 0
    }

    /// How long the computation took.
    pub fn computed_for(&self) -> Duration {
        Duration::from_micros(self.computed_us)
    }
}
