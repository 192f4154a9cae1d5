//! What bytes of others can do to a reader: for property tests, and for fuzzing beside them.
//!
//! A broker may hold what another program wrote, what a disk spoilt, or what a newer build knows;
//! a child process whose kernel ran wild may send anything. None of it may cost more than the record.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::aggregate::Aggregate;
use crate::broker::Beat;
use crate::broker::conformance::{chunk_of, failure, job, outcome, worker};
use crate::chunk::{Chunk, TraceContext};
use crate::delivery::Failure;
use crate::ids::ChunkIndex;
use crate::job::JobRecord;
use crate::kernel::child;
use crate::outcome::Outcome;
use crate::randomness::SeededRandomness;
use crate::values::{Values, ValuesId, ValuesRecord};
use crate::wire;

/// Reads `bytes` as each kind of record and as what a child process says, and uses what they hold.
///
/// # Panics
/// If they do harm: a reader panics, or what was read is not read again as it was written.
pub fn read_everything(bytes: &[u8]) {
    read::<TraceContext>(bytes, |_| {});
    read::<Failure>(bytes, |_| {});
    read::<Beat>(bytes, |_| {});
    read::<Aggregate>(bytes, summarize);
    read::<Chunk>(bytes, |chunk| {
        let _ = (chunk.counters.attempt(), chunk.range.len(), chunk.key.to_string());
    });
    read::<JobRecord>(bytes, |job| {
        let chunks = job.spec.chunks_total();
        for index in [0, chunks / 2, chunks.saturating_sub(1), chunks, u64::MAX] {
            if let Some(range) = job.spec.chunk_range(ChunkIndex(index)) {
                assert!(job.spec.parameters.covers(range), "{range} of {job:?}");
            }
        }
    });
    read::<Outcome>(bytes, |outcome| {
        assert!(outcome.completed() <= outcome.range.len());
        let _ = (outcome.is_dead(), outcome.computed_for(), outcome.dead.runs().count());
        outcome.columns.iter().for_each(|column| summarize(&column.aggregate));
    });
    read::<ValuesRecord>(bytes, |record| {
        for column in record.columns() {
            assert_eq!(column.len() as u64, record.range.len());
        }
    });
    child::read_pipe(bytes);
}

/// Bytes of every kind that [`read_everything`] reads, from which to go astray.
pub fn samples() -> Vec<Vec<u8>> {
    let job = job("sample", 3, 40);
    let chunk = chunk_of(&job, 1);
    let retried = Chunk { last_failure: Some(failure("tried")), ..chunk.clone() };
    let worker = worker("sampler");
    let dead = outcome(&chunk, &worker, &[chunk.range.start() + 3, chunk.range.start() + 9]);
    let beat = Beat {
        worker: worker.clone(),
        at: job.submitted_at,
        build: job.build.clone(),
        kernels: vec![job.spec.kernel.clone()],
        slots: 2,
        in_flight: 3,
        chunks: 4,
        parameters: 160,
    };
    let mut values = Values::new();
    values.put(0, &[(0..40).map(f64::from).collect(), vec![f64::NAN; 40]]);
    let id = ValuesId::fresh(&SeededRandomness::new(1));
    let mut bytes = vec![
        wire::encode(&chunk.trace),
        wire::encode(&failure("sample")),
        wire::encode(&beat),
        wire::encode(&dead.columns[0].aggregate),
        wire::encode(&chunk),
        wire::encode(&retried),
        wire::encode(&job),
        wire::encode(&dead),
    ];
    bytes.extend(values.records(chunk.key, id, chunk.range).iter().map(wire::encode));
    bytes.extend(child::pipe_samples(&chunk, &dead, &values));
    bytes
}

/// What this build writes is read as it was: whatever it made of foreign bytes is a value like others.
fn read<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8], look: impl Fn(&T)) {
    let Ok(record) = wire::decode::<T>(bytes) else { return };
    look(&record);
    let written = wire::encode(&record);
    match wire::decode::<T>(&written) {
        Ok(again) => assert_eq!(wire::encode(&again), written, "{record:?}"),
        Err(error) => panic!("{error}: {record:?}"),
    }
}

fn summarize(aggregate: &Aggregate) {
    let mut twice = aggregate.clone();
    twice.merge(aggregate);
    for aggregate in [aggregate, &twice] {
        let _ = (aggregate.sum(), aggregate.mean(), aggregate.stddev());
        let _ = (aggregate.min(), aggregate.max(), aggregate.count());
    }
}
