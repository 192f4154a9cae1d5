//! A job: a parameter space, a kernel and a policy; and how the space is cut into chunks.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::chunk::ParameterRange;
use crate::clock::WallTime;
use crate::ids::{ChunkIndex, JobName, JobUid, KernelName};
use crate::shard::ShardOf;

/// What to do with chunks that fail, die or hang.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPolicy {
    /// Failures that a worker reports before the failing parameters are dead; at least 1.
    #[serde(rename = "max_attempts")]
    pub max_attempts: u32,
    /// Silent deliveries before a chunk is given up; at least 1.
    #[serde(rename = "max_deliveries")]
    pub max_deliveries: u32,
    /// Wait before the second attempt; later ones grow from it. See [`crate::retry`].
    #[serde(rename = "retry_delay_ms", with = "duration_ms")]
    pub retry_delay: Duration,
    /// How long one attempt at a chunk may take.
    #[serde(rename = "timeout_ms", with = "duration_ms")]
    pub timeout: Duration,
}

impl Default for JobPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            max_deliveries: 20,
            retry_delay: Duration::from_secs(1),
            timeout: Duration::from_mins(10),
        }
    }
}

/// All that computing a job needs. Small: it travels with every chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The parameter space.
    #[serde(rename = "parameters")]
    pub parameters: ParameterRange,
    /// The algorithm, by name.
    #[serde(rename = "kernel")]
    pub kernel: KernelName,
    /// The kernel's options as given (`--set`); the kernel gives them types.
    #[serde(rename = "options", default)]
    pub options: BTreeMap<String, String>,
    /// Parameters per chunk; the last chunk may have fewer.
    #[serde(rename = "chunk_size")]
    pub chunk_size: NonZeroU64,
    /// What to do with failures.
    #[serde(rename = "policy")]
    pub policy: JobPolicy,
    /// Keep the value of every parameter, beside the summaries.
    #[serde(rename = "values", default, skip_serializing_if = "std::ops::Not::not")]
    pub values: bool,
}

impl JobSpec {
    /// How many chunks the original cut has.
    pub fn chunks_total(&self) -> u64 {
        self.parameters.len().div_ceil(self.chunk_size.get())
    }

    /// The parameters of chunk `index`; `None` beyond the last one.
    pub fn chunk_range(&self, index: ChunkIndex) -> Option<ParameterRange> {
        let size = self.chunk_size.get();
        let start = index.0.checked_mul(size)?.checked_add(self.parameters.start())?;
        let end = start.saturating_add(size).min(self.parameters.end());
        ParameterRange::new(start, end).ok()
    }
}

/// One submission as the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// What the user calls it.
    #[serde(rename = "name")]
    pub name: JobName,
    /// Fresh for every submission.
    #[serde(rename = "uid")]
    pub uid: JobUid,
    /// What to compute.
    #[serde(rename = "spec")]
    pub spec: JobSpec,
    /// When it was submitted, before its first chunk was published.
    #[serde(rename = "submitted")]
    pub submitted_at: WallTime,
    /// The build that submitted it.
    #[serde(rename = "build", default)]
    pub build: String,
    /// What it is a shard of, if it is one; the parameters of `spec` are then its slice.
    #[serde(rename = "shard", default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardOf>,
}

/// A job of this name exists and is another one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("job `{name}` exists with {field} {stored}, not {requested}")]
pub struct OtherSpec {
    /// The name asked for.
    pub name: JobName,
    /// The first difference.
    pub field: &'static str,
    /// What the stored job has.
    pub stored: String,
    /// What was asked for.
    pub requested: String,
}

impl JobRecord {
    /// Whether submitting `requested` under this job's name resumes this job. A chunk size that
    /// was left to TTG (`chunk_size_is_auto`) accepts the stored one: the cut of a job is decided
    /// once.
    pub fn check_resumed_by(
        &self,
        requested: &JobSpec,
        chunk_size_is_auto: bool,
    ) -> Result<(), OtherSpec> {
        let stored = &self.spec;
        let options = |spec: &JobSpec| {
            let pairs: Vec<_> = spec.options.iter().map(|(k, v)| format!("{k}={v}")).collect();
            if pairs.is_empty() { "none".to_owned() } else { pairs.join(" ") }
        };
        let size = if chunk_size_is_auto { stored.chunk_size } else { requested.chunk_size };
        let pairs = [
            ("kernel", stored.kernel.to_string(), requested.kernel.to_string()),
            ("parameters", stored.parameters.to_string(), requested.parameters.to_string()),
            ("options", options(stored), options(requested)),
            ("chunk size", stored.chunk_size.to_string(), size.to_string()),
            (
                "max attempts",
                stored.policy.max_attempts.to_string(),
                requested.policy.max_attempts.to_string(),
            ),
            (
                "max deliveries",
                stored.policy.max_deliveries.to_string(),
                requested.policy.max_deliveries.to_string(),
            ),
            (
                "retry delay",
                format!("{:?}", stored.policy.retry_delay),
                format!("{:?}", requested.policy.retry_delay),
            ),
            (
                "timeout",
                format!("{:?}", stored.policy.timeout),
                format!("{:?}", requested.policy.timeout),
            ),
            ("values", stored.values.to_string(), requested.values.to_string()),
        ];
        match pairs.into_iter().find(|(_, stored, requested)| stored != requested) {
            None => Ok(()),
            Some((field, stored, requested)) => {
                Err(OtherSpec { name: self.name.clone(), field, stored, requested })
            }
        }
    }
}

/// Durations as whole milliseconds on the wire.
mod duration_ms {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::randomness::SeededRandomness;

    fn spec(start: u64, end: u64, size: u64) -> JobSpec {
        JobSpec {
            parameters: ParameterRange::new(start, end).unwrap(),
            kernel: "reference".parse().unwrap(),
            options: BTreeMap::new(),
            chunk_size: NonZeroU64::new(size).unwrap(),
            policy: JobPolicy::default(),
            values: false,
        }
    }

    proptest! {
        #[test]
        fn the_cut_holds_every_parameter_once(start: u64, len in 1..5_000_u64, size in 1..700_u64) {
            let start = start.min(u64::MAX - len);
            let spec = spec(start, start + len, size);
            let mut next = start;
            for index in 0..spec.chunks_total() {
                let range = spec.chunk_range(ChunkIndex(index)).unwrap();
                prop_assert_eq!(range.start(), next);
                next = range.end();
            }
            prop_assert_eq!(next, start + len);
            prop_assert_eq!(spec.chunk_range(ChunkIndex(spec.chunks_total())), None);
        }
    }

    #[test]
    fn a_cut_at_the_end_of_the_number_range_does_not_overflow() {
        let spec = spec(u64::MAX - 10, u64::MAX, 7);
        assert_eq!(spec.chunks_total(), 2);
        assert_eq!(spec.chunk_range(ChunkIndex(1)).unwrap().end(), u64::MAX);
        assert_eq!(spec.chunk_range(ChunkIndex(u64::MAX)), None);
    }

    #[test]
    fn another_spec_under_the_same_name_is_told_apart() {
        let record = JobRecord {
            name: "sweep".parse().unwrap(),
            uid: JobUid::fresh(&SeededRandomness::new(1)),
            spec: spec(0, 100, 10),
            submitted_at: WallTime(0),
            build: String::new(),
            shard: None,
        };
        assert_eq!(record.check_resumed_by(&spec(0, 100, 10), false), Ok(()));
        assert_eq!(record.check_resumed_by(&spec(0, 100, 99), true), Ok(()));
        let error = record.check_resumed_by(&spec(0, 100, 99), false).unwrap_err();
        assert_eq!(error.to_string(), "job `sweep` exists with chunk size 10, not 99");
        assert!(record.check_resumed_by(&spec(0, 101, 10), false).is_err());
        let mut other = spec(0, 100, 10);
        other.options.insert("simulate-work-ms".into(), "1".into());
        assert!(record.check_resumed_by(&other, false).is_err());
    }
}
