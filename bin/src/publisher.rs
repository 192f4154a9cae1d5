//! Cuts a job and publishes it, while others already compute its first chunks.

use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::{
    Broker, BrokerError, Chunk, ChunkIndex, JobRecord, JobSpec, Randomness, SystemRandomness,
    TraceContext,
};

use crate::traces::Submitting;

/// Chunks per call.
const BATCH: usize = 1_000;

/// The pause after a call that failed, before jitter.
const RETRY: Duration = Duration::from_millis(200);

/// Publishes what is missing of `job`, from `published` on or else from the mark that the broker
/// keeps, and tells `submitting` of the end. It does not flush: a submission that a loss of power
/// un-does goes on at the mark, and the job's end flushes.
pub(crate) async fn publish(
    broker: Arc<dyn Broker>,
    job: JobRecord,
    published: Option<u64>,
    trace: TraceContext,
    submitting: Submitting,
) -> Result<(), BrokerError> {
    let ended = publish_missing(&*broker, job, published, trace).await;
    submitting.ended(&ended);
    ended
}

async fn publish_missing(
    broker: &dyn Broker,
    job: JobRecord,
    published: Option<u64>,
    trace: TraceContext,
) -> Result<(), BrokerError> {
    let spec: Arc<JobSpec> = Arc::new(job.spec);
    let gone = || BrokerError::JobGone { job: job.uid };
    let mut next = match published {
        Some(published) => published,
        None => insist(|| broker.progress(job.uid)).await?.ok_or_else(gone)?.published,
    };
    let total = spec.chunks_total();
    while next < total {
        let end = total.min(next + BATCH as u64);
        let chunks: Vec<Chunk> = (next..end)
            .filter_map(|index| Chunk::cut(job.uid, &spec, ChunkIndex(index), &trace))
            .collect();
        insist(|| broker.publish(&chunks)).await?;
        next = end;
    }
    Ok(())
}

/// Publishes `chunks`, a batch at a time.
pub(crate) async fn publish_all(broker: &dyn Broker, chunks: &[Chunk]) -> Result<(), BrokerError> {
    for batch in chunks.chunks(BATCH) {
        insist(|| broker.publish(batch)).await?;
    }
    Ok(())
}

/// Makes a call until it succeeds or says that it never will.
async fn insist<T, F>(mut call: impl FnMut() -> F) -> Result<T, BrokerError>
where
    F: Future<Output = Result<T, BrokerError>>,
{
    loop {
        match call().await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "publishing waits for the broker");
                tokio::time::sleep(RETRY.mul_f64(1.0 + SystemRandomness.fraction())).await;
            }
            answer => return answer,
        }
    }
}
