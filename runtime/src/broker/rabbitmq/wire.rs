//! What messages say: a chunk that waits, an entry of a job's journal, a deed of the registry.

use serde::{Deserialize, Serialize};

use crate::chunk::{Chunk, Counters, IdempotencyKey, ParameterRange, TraceContext};
use crate::clock::WallTime;
use crate::delivery::Failure;
use crate::ids::{ChunkIndex, Generation, JobName, JobUid};
use crate::outcome::Outcome;

/// A message of the queue of tasks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Task {
    /// With the counters of all that was said of it; the server's own count of silent deliveries
    /// comes on top.
    #[serde(rename = "chunk")]
    pub(super) chunk: Chunk,
    /// See [`crate::Delivery::suspect`].
    #[serde(rename = "suspect", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) suspect: bool,
    /// It was delivered before, and failed.
    #[serde(rename = "again", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) again: bool,
    /// It is a copy: a crash may have left what it is a copy of.
    #[serde(rename = "copy", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) copy: bool,
    /// Since when it is due, by its publisher's wall clock.
    #[serde(rename = "due")]
    pub(super) due: WallTime,
}

impl Task {
    /// Counts deliveries that ended without a word.
    pub(super) fn charge(&mut self, silent: u32) {
        let counters = &mut self.chunk.counters;
        counters.silent_deliveries = counters.silent_deliveries.saturating_add(silent);
        self.suspect |= silent > 0;
        self.again |= silent > 0;
    }
}

/// A chunk within its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Place(pub(super) ChunkIndex, pub(super) Generation);

impl Place {
    pub(super) fn of(key: &IdempotencyKey) -> Self {
        Self(key.chunk, key.generation)
    }
}

/// What is known of a job, in the order in which it became so. The journal is the only truth about a
/// job; whoever reads it from its start knows the same.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Entry {
    /// These chunks were put into the queue of tasks before.
    #[serde(rename = "published")]
    Published {
        #[serde(rename = "all")]
        places: Vec<Place>,
        /// Those of replays: of all others it follows from the job.
        #[serde(rename = "ranges", default, skip_serializing_if = "Vec::is_empty")]
        ranges: Vec<(Place, ParameterRange)>,
        #[serde(rename = "trace", default)]
        trace: TraceContext,
    },
    /// A session was handed these. True: for another time, after a failure or a silence.
    #[serde(rename = "taken")]
    Taken(u64, Vec<(Place, bool)>),
    /// A session returned these.
    #[serde(rename = "returned")]
    Returned(u64, Vec<Back>),
    /// These chunks are settled, unless they were before.
    #[serde(rename = "outcomes")]
    Outcomes {
        /// When they were committed, by the worker's wall clock.
        #[serde(rename = "at")]
        at: WallTime,
        /// Which commit this is a part of; a number of the worker's.
        #[serde(rename = "batch")]
        batch: u64,
        #[serde(rename = "all")]
        outcomes: Vec<Outcome>,
    },
    /// A second message was made of each of these: who has the first says nothing, or it is lost.
    #[serde(rename = "copied")]
    Copied(Vec<Place>),
    /// Nothing counts from here on.
    #[serde(rename = "cancelled")]
    Cancelled,
}

/// A chunk that was returned, and what is known of it then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Back {
    #[serde(rename = "place")]
    pub(super) place: Place,
    /// It is delivered from then on, by the wall clock of who returned it.
    #[serde(rename = "due")]
    pub(super) due: WallTime,
    #[serde(rename = "counters")]
    pub(super) counters: Counters,
    #[serde(rename = "failure", default, skip_serializing_if = "Option::is_none")]
    pub(super) last_failure: Option<Failure>,
}

/// [`Entry::Outcomes`] as it is written, without copies.
#[derive(Debug, Serialize)]
pub(super) enum Told<'a> {
    #[serde(rename = "outcomes")]
    Outcomes {
        #[serde(rename = "at")]
        at: WallTime,
        #[serde(rename = "batch")]
        batch: u64,
        #[serde(rename = "all")]
        outcomes: Vec<&'a Outcome>,
    },
}

/// What was done about jobs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Deed {
    /// A journal is about to be made.
    #[serde(rename = "prepared")]
    Prepared(JobUid),
    /// A job has this name, unless another has it. Its record is bytes, so that one of another
    /// version hides nothing but itself.
    #[serde(rename = "registered")]
    Registered {
        #[serde(rename = "name")]
        name: JobName,
        #[serde(rename = "job")]
        job: JobUid,
        #[serde(rename = "record", with = "serde_bytes")]
        record: Vec<u8>,
    },
    /// A job is gone.
    #[serde(rename = "purged")]
    Purged(JobUid),
}
