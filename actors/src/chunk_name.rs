//! A chunk's identity in the words of events.

use ttg_observability::events::ChunkRef;
use ttg_observability::traces::SpanIds;
use ttg_runtime::IdempotencyKey;

/// A key whose job is text, and the span of its delivery in a process that traces.
pub(crate) struct ChunkName {
    job: String,
    key: IdempotencyKey,
    span: Option<SpanIds>,
}

impl ChunkName {
    pub(crate) fn new(key: &IdempotencyKey, span: Option<SpanIds>) -> Self {
        Self { job: key.job.to_string(), key: *key, span }
    }

    pub(crate) fn in_events(&self) -> ChunkRef<'_> {
        let IdempotencyKey { chunk, generation, .. } = self.key;
        ChunkRef { job: &self.job, index: chunk.0, generation: generation.0, span: self.span }
    }
}
