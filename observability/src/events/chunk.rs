//! What became of a chunk that was delivered to this worker.

use std::time::Duration;

use tracing::field::{Value, display};
use tracing::{debug, error, warn};

use super::Event;
use crate::metrics::{ChunkOutcome, Metrics};
use crate::traces::SpanIds;

/// Which chunk an event is about.
#[derive(Debug, Clone, Copy)]
pub struct ChunkRef<'a> {
    /// The name of its job.
    pub job: &'a str,
    /// Its index in the job.
    pub index: u64,
    /// 0 for the job as it was submitted; more for each replay of dead parameters.
    pub generation: u32,
    /// The span of this delivery, in a process that traces.
    pub span: Option<SpanIds>,
}

impl ChunkRef<'_> {
    fn ids(self) -> (Option<impl Value>, Option<impl Value>) {
        (self.span.map(|ids| display(ids.trace_id())), self.span.map(|ids| display(ids.span_id())))
    }
}

/// Its outcome was the first to be stored, with at least one completed parameter.
#[derive(Debug, Clone, Copy)]
pub struct ChunkCompleted<'a> {
    /// The chunk.
    pub chunk: ChunkRef<'a>,
    /// Its parameters with a value.
    pub completed: u64,
    /// Its parameters that are out of attempts.
    pub dead: u64,
    /// Why the first of these died; empty if none did.
    pub error: &'a str,
    /// The time it took in the kernel.
    pub duration: Duration,
}

impl Event for ChunkCompleted<'_> {
    fn emit(self, metrics: &Metrics) {
        let (trace_id, span_id) = self.chunk.ids();
        let Self { chunk: ChunkRef { job, index: chunk, generation, .. }, completed, dead, .. } =
            self;
        metrics.chunks(ChunkOutcome::Completed).add(1);
        metrics.parameters().add(completed.saturating_add(dead));
        metrics.chunk_duration().observe(self.duration);
        let seconds = self.duration.as_secs_f64();
        let (event, error) = ("chunk_completed", self.error);
        if dead == 0 {
            debug!(
                event,
                job, chunk, generation, trace_id, span_id, completed, seconds, "chunk completed"
            );
        } else {
            let message = "chunk completed without its dead parameters";
            error!(
                event,
                job, chunk, generation, trace_id, span_id, completed, dead, seconds, error, message
            );
        }
    }
}

/// It failed and is tried again.
#[derive(Debug, Clone, Copy)]
pub struct ChunkFailed<'a> {
    /// The chunk.
    pub chunk: ChunkRef<'a>,
    /// How often it failed, this time included.
    pub failures: u32,
    /// At how many failures it is given up.
    pub max_attempts: u32,
    /// How long it is put off.
    pub retry_in: Duration,
    /// Why it failed.
    pub error: &'a str,
}

impl Event for ChunkFailed<'_> {
    fn emit(self, metrics: &Metrics) {
        let (trace_id, span_id) = self.chunk.ids();
        let Self { chunk: ChunkRef { job, index: chunk, generation, .. }, failures, .. } = self;
        metrics.chunks(ChunkOutcome::Failed).add(1);
        warn!(
            event = "chunk_failed",
            job,
            chunk,
            generation,
            trace_id,
            span_id,
            failures,
            max_attempts = self.max_attempts,
            retry_in_seconds = self.retry_in.as_secs_f64(),
            error = self.error,
            "chunk failed and is tried again"
        );
    }
}

/// Its outcome was the first to be stored, with dead parameters only.
#[derive(Debug, Clone, Copy)]
pub struct ChunkDead<'a> {
    /// The chunk.
    pub chunk: ChunkRef<'a>,
    /// How many parameters it has.
    pub dead: u64,
    /// Why the last attempt failed.
    pub error: &'a str,
}

impl Event for ChunkDead<'_> {
    fn emit(self, metrics: &Metrics) {
        let (trace_id, span_id) = self.chunk.ids();
        let Self { chunk: ChunkRef { job, index: chunk, generation, .. }, dead, error } = self;
        metrics.chunks(ChunkOutcome::Dead).add(1);
        metrics.parameters().add(dead);
        error!(
            event = "chunk_dead",
            job, chunk, generation, trace_id, span_id, dead, error, "chunk is dead"
        );
    }
}

/// It went back to the broker uncharged.
#[derive(Debug, Clone, Copy)]
pub struct ChunkGivenBack<'a> {
    /// The chunk.
    pub chunk: ChunkRef<'a>,
    /// Why, such as `draining`.
    pub reason: &'a str,
}

impl Event for ChunkGivenBack<'_> {
    fn emit(self, metrics: &Metrics) {
        let (trace_id, span_id) = self.chunk.ids();
        let Self { chunk: ChunkRef { job, index: chunk, generation, .. }, reason } = self;
        metrics.chunks(ChunkOutcome::GivenBack).add(1);
        debug!(
            event = "chunk_given_back",
            job, chunk, generation, trace_id, span_id, reason, "chunk given back"
        );
    }
}

/// It was settled without effect, because its job is unknown, cancelled or foreign.
#[derive(Debug, Clone, Copy)]
pub struct ChunkDropped<'a> {
    /// The chunk.
    pub chunk: ChunkRef<'a>,
    /// Why, such as `cancelled`.
    pub reason: &'a str,
}

impl Event for ChunkDropped<'_> {
    fn emit(self, metrics: &Metrics) {
        let (trace_id, span_id) = self.chunk.ids();
        let Self { chunk: ChunkRef { job, index: chunk, generation, .. }, reason } = self;
        metrics.chunks(ChunkOutcome::Dropped).add(1);
        debug!(
            event = "chunk_dropped",
            job, chunk, generation, trace_id, span_id, reason, "chunk dropped"
        );
    }
}

/// Its outcome was dropped, because another one was stored first.
#[derive(Debug, Clone, Copy)]
pub struct DuplicateDropped<'a> {
    /// The chunk.
    pub chunk: ChunkRef<'a>,
}

impl Event for DuplicateDropped<'_> {
    fn emit(self, metrics: &Metrics) {
        let (trace_id, span_id) = self.chunk.ids();
        let ChunkRef { job, index: chunk, generation, .. } = self.chunk;
        metrics.chunks(ChunkOutcome::Dropped).add(1);
        metrics.duplicates_dropped().add(1);
        debug!(
            event = "duplicate_dropped",
            job, chunk, generation, trace_id, span_id, "chunk was settled already"
        );
    }
}

/// Its lease ended while this worker still held it; the work is cancelled.
#[derive(Debug, Clone, Copy)]
pub struct LeaseLost<'a> {
    /// The chunk.
    pub chunk: ChunkRef<'a>,
}

impl Event for LeaseLost<'_> {
    fn emit(self, metrics: &Metrics) {
        let (trace_id, span_id) = self.chunk.ids();
        let ChunkRef { job, index: chunk, generation, .. } = self.chunk;
        metrics.lease_lost().add(1);
        warn!(
            event = "lease_lost",
            job, chunk, generation, trace_id, span_id, "lease lost, work cancelled"
        );
    }
}

/// It was delivered to this worker after a delivery that settled nothing.
#[derive(Debug, Clone, Copy)]
pub struct Redelivered<'a> {
    /// The chunk.
    pub chunk: ChunkRef<'a>,
    /// How many failures were reported before.
    pub failures: u32,
    /// How many deliveries ended without a word before.
    pub silent_deliveries: u32,
}

impl Event for Redelivered<'_> {
    fn emit(self, metrics: &Metrics) {
        let (trace_id, span_id) = self.chunk.ids();
        let Self { chunk: ChunkRef { job, index: chunk, generation, .. }, .. } = self;
        let Self { failures, silent_deliveries, .. } = self;
        metrics.redeliveries().add(1);
        // A failure was told when it happened, and silences are told together.
        let message = "chunk delivered again";
        debug!(
            event = "redelivered",
            job, chunk, generation, trace_id, span_id, failures, silent_deliveries, message
        );
    }
}

/// Chunks came to this worker because others fell silent with them.
#[derive(Debug, Clone, Copy)]
pub struct TakenOver {
    /// How many at once.
    pub chunks: u64,
}

impl Event for TakenOver {
    fn emit(self, _: &Metrics) {
        let Self { chunks } = self;
        warn!(event = "taken_over", chunks, "chunks of a worker that fell silent were taken over");
    }
}
