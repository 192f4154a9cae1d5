//! A chunk's identity in the words of events.

use ttg_observability::events::ChunkRef;
use ttg_runtime::IdempotencyKey;

/// A key whose job is text.
pub(crate) struct ChunkName {
    job: String,
    key: IdempotencyKey,
}

impl ChunkName {
    pub(crate) fn new(key: &IdempotencyKey) -> Self {
        Self { job: key.job.to_string(), key: *key }
    }

    pub(crate) fn in_events(&self) -> ChunkRef<'_> {
        ChunkRef { job: &self.job, index: self.key.chunk.0, generation: self.key.generation.0 }
    }
}
