//! Jobs, chunks and outcomes for tests: as small as they can be while no field is empty.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use crate::aggregate::Accumulator;
use crate::chunk::{Chunk, Counters, IdempotencyKey, ParameterRange, TraceContext};
use crate::clock::WallTime;
use crate::dead::DeadParameters;
use crate::delivery::{Failure, FailureKind};
use crate::ids::{ChunkIndex, Generation, JobUid, WorkerId};
use crate::job::{JobPolicy, JobRecord, JobSpec};
use crate::outcome::{Column, Outcome};
use crate::randomness::SystemRandomness;

/// The worker called `name`.
pub fn worker(name: &str) -> WorkerId {
    name.parse().expect("a worker id")
}

/// A fresh submission of `chunks` chunks of `chunk_size` parameters; the space starts at 1 000, so
/// that a parameter is not mistaken for its place.
pub fn job(name: &str, chunks: u64, chunk_size: u64) -> JobRecord {
    JobRecord {
        name: name.parse().expect("a job name"),
        uid: JobUid::fresh(&SystemRandomness),
        spec: JobSpec {
            parameters: ParameterRange::new(1_000, 1_000 + chunks * chunk_size)
                .expect("a job has parameters"),
            kernel: "reference".parse().expect("a kernel name"),
            options: BTreeMap::from([("simulate-work-ms".to_owned(), "0".to_owned())]),
            chunk_size: NonZeroU64::new(chunk_size).expect("a chunk has parameters"),
            policy: JobPolicy::default(),
            values: true,
        },
        submitted_at: WallTime(1_800_000_000_000),
        build: "conformance".to_owned(),
        shard: None,
    }
}

/// Chunk `index` of the job's cut.
pub fn chunk_of(job: &JobRecord, index: u64) -> Chunk {
    let trace = TraceContext {
        traceparent: Some(format!("00-{}-00f067aa0ba902b7-01", job.uid)),
        tracestate: Some("ttg=conformance".to_owned()),
    };
    Chunk::cut(job.uid, &Arc::new(job.spec.clone()), ChunkIndex(index), &trace)
        .expect("the index is in the cut")
}

/// All chunks of the job's cut.
pub fn cut(job: &JobRecord) -> Vec<Chunk> {
    (0..job.spec.chunks_total()).map(|index| chunk_of(job, index)).collect()
}

/// A replay of `range`, which died in `origin`.
pub fn replay(origin: &Chunk, generation: u32, range: ParameterRange) -> Chunk {
    Chunk {
        key: IdempotencyKey { generation: Generation(generation), ..origin.key },
        range,
        counters: Counters::default(),
        last_failure: None,
        ..origin.clone()
    }
}

/// An outcome of `chunk`: the parameters in `dead`, ascending, have none, the others a half of
/// themselves, in two columns.
pub fn outcome(chunk: &Chunk, worker: &WorkerId, dead: &[u64]) -> Outcome {
    let (mut halves, mut negatives) = (Accumulator::new(), Accumulator::new());
    let mut dead_parameters = DeadParameters::new();
    for parameter in chunk.range.start()..chunk.range.end() {
        if dead.contains(&parameter) {
            dead_parameters.push(parameter, FailureKind::Error, "it has no half");
        } else {
            let half = parameter as f64 / 2.0;
            halves.add_slice(parameter, &[half]);
            negatives.add_slice(parameter, &[-half]);
        }
    }
    Outcome {
        key: chunk.key,
        range: chunk.range,
        columns: vec![
            Column { name: "half".to_owned(), aggregate: halves.take() },
            Column { name: "negative".to_owned(), aggregate: negatives.take() },
        ],
        dead: dead_parameters,
        attempt: chunk.counters.attempt(),
        worker: worker.clone(),
        build: "conformance".to_owned(),
        finished_at: WallTime(1_800_000_000_500),
        computed_us: 1_500,
        values: None,
    }
}

/// A kernel's failure, in these words.
pub fn failure(words: &str) -> Failure {
    Failure::new(FailureKind::Error, Some(1_001), words)
}
