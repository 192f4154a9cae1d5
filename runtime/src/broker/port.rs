//! The broker port. At least once: a chunk is delivered again, perhaps; lost, never. There is no
//! bare acknowledgement: a delivery ends by [`Broker::commit`], [`Broker::nack`] or
//! [`Broker::give_back`], or by its lease.

use std::time::Duration;

use async_trait::async_trait;

use super::views::{Beat, JobProgress, OutcomeCursor, OutcomePage};
use crate::chunk::Chunk;
use crate::delivery::{Credit, Delivery, Failure, Receipt};
use crate::error::BrokerError;
use crate::ids::{JobName, JobUid};
use crate::job::JobRecord;
use crate::outcome::Outcome;
use crate::values::{ValuesAt, ValuesRecord};

/// The most bytes that the records of an [`OutcomePage`] have together, unless it is only one: an
/// outcome in which many parameters are dead is large.
pub const OUTCOME_PAGE_BYTES_MAX: usize = 1024 * 1024;

/// The most bytes that the records of one answer of [`Broker::values`] have together, unless it is
/// only one.
pub const VALUES_PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a backend truly does. A law of the conformance suite that a backend cannot keep is
/// reported as skipped.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The backend's name as users write it: `embedded`, `redis`, `rabbitmq`, `memory`.
    pub name: &'static str,
    /// A lease is a deadline that [`Broker::renew`] extends. If false, a delivery is held as long
    /// as its worker's connection lives, and renewing does nothing.
    pub renewable_leases: bool,
    /// [`Broker::progress`] counts an outcome as soon as its commit returned. If false, it may lag.
    pub immediate_progress: bool,
    /// [`Broker::store_values`] and [`Broker::values`] work. If false, jobs cannot keep values here.
    pub values: bool,
    /// How long one attempt may take at most: the backend gives to others what anybody holds for
    /// much longer. `None`: as long as its lease is renewed.
    pub longest_attempt: Option<Duration>,
    /// [`Broker::commit`] and the other answers know of every outcome, whoever committed it. If false,
    /// the holder of a chunk may not hear of an outcome by somebody who was never handed the chunk;
    /// the books count the first one all the same.
    pub exact_commits: bool,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// The name was free.
    New,
    /// A job of this name exists; nothing was changed.
    Existing(Box<JobRecord>),
}

/// What became of a batch of published chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// Chunks added.
    pub added: u64,
    /// Chunks that were there already, waiting or settled.
    pub present: u64,
}

/// Whether a lease is still ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// It now ends one lease from now.
    Held,
    /// Others may have the chunk, or it is settled, or its job is gone: stop computing it.
    Lost,
}

/// What became of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is the outcome of its key.
    First,
    /// The key has an outcome; this one was counted and dropped.
    Duplicate,
    /// The job is unknown, purged or cancelled; the outcome was dropped.
    Dropped,
}

/// What became of a nack or a give-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The chunk waits for its next delivery.
    Applied,
    /// The delivery was no longer ours: nothing was changed.
    Stale,
}

/// One failed delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nack {
    /// Which delivery.
    pub receipt: Receipt,
    /// Not to be delivered before this has passed.
    pub retry_in: Duration,
    /// Why; kept with the chunk.
    pub failure: Failure,
}

/// One innocent return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveBack {
    /// Which delivery.
    pub receipt: Receipt,
    /// Not to be delivered before this has passed; zero for at once.
    pub retry_in: Duration,
}

/// Where chunks wait, are leased and are settled, as seen by one consumer: the handle is bound to
/// a worker and its lease when it is connected.
///
/// Every call may fail with a transient [`BrokerError`], after which its effect is unknown; making
/// the same call again is always safe.
#[async_trait]
pub trait Broker: Send + Sync {
    /// What this backend does.
    fn capabilities(&self) -> Capabilities;

    /// Registers a job, unless its name is taken. Atomic: of two submitters one is told
    /// [`Registered::New`].
    async fn register(&self, job: &JobRecord) -> Result<Registered, BrokerError>;

    /// The job of this name, cancelled or not.
    ///
    /// # Errors
    /// [`BrokerError::Record`]: there is one, and its record does not decode.
    async fn job(&self, name: &JobName) -> Result<Option<JobRecord>, BrokerError>;

    /// All jobs, oldest first, but for those whose record does not decode: the log names them.
    async fn jobs(&self) -> Result<Vec<JobRecord>, BrokerError>;

    /// All jobs and how far they are, for who looks again and again, as a dashboard does: after the
    /// first time, what happened in the last moments may be missing. A look leaves nothing behind.
    async fn overview(&self) -> Result<Vec<(JobRecord, JobProgress)>, BrokerError> {
        let mut seen = Vec::new();
        for job in self.jobs().await? {
            let progress = self.progress(job.uid).await?;
            // Purged meanwhile, if there is none.
            seen.extend(progress.map(|progress| (job, progress)));
        }
        Ok(seen)
    }

    /// Adds chunks of registered jobs. Idempotent: a chunk whose key waits or has an outcome is
    /// not added again. The original cut is published in ascending order; see
    /// [`JobProgress::published`]. All or nothing per call where the backend can.
    ///
    /// # Errors
    /// [`BrokerError::JobGone`]: stop publishing.
    async fn publish(&self, chunks: &[Chunk]) -> Result<Published, BrokerError>;

    /// Leases at most `credit` chunks to this consumer, the longest due first; returns as soon as
    /// it has one, and empty after `wait` at the latest. A chunk whose lease ended is delivered
    /// again, with one silent delivery more. Chunks of cancelled jobs are dropped, not delivered;
    /// those of a job whose record does not decode stay where they are, in nobody's way.
    async fn receive(&self, credit: Credit, wait: Duration) -> Result<Vec<Delivery>, BrokerError>;

    /// Extends each lease to one lease from now, if the delivery is still this consumer's. One
    /// answer a receipt, in order.
    async fn renew(&self, receipts: &[Receipt]) -> Result<Vec<Renewed>, BrokerError>;

    /// Stores records of values, each under its [`ValuesAt`], ahead of the outcome that names them: when
    /// that outcome's commit has returned, they are as durable as it is.
    ///
    /// Nobody needs a lease for it, and several workers may store the values of one chunk, each under
    /// an id of its own. Those count that the chunk's outcome names ([`Outcome::values`]); when it is
    /// committed, the others may go. So a record of a chunk that has an outcome is dropped without a
    /// word, and so is one of a job that is unknown, cancelled or purged. Idempotent: a record that is
    /// there is not stored twice.
    ///
    /// # Errors
    /// [`BrokerError::Refused`]: this backend keeps no values, see [`Capabilities::values`].
    async fn store_values(&self, records: &[ValuesRecord]) -> Result<(), BrokerError> {
        if records.is_empty() { Ok(()) } else { Err(no_values(self.capabilities())) }
    }

    /// The records that are asked for, `None` for one that is not there. One answer a place, in order,
    /// from the first; only so many as [`VALUES_PAGE_BYTES_MAX`] allows, but one if any is asked for.
    /// Reading consumes nothing. Readers ask in about the order in which outcomes were committed.
    ///
    /// # Errors
    /// As [`Self::store_values`]; [`BrokerError::Record`]: a record does not decode.
    async fn values(&self, places: &[ValuesAt]) -> Result<Vec<Option<ValuesRecord>>, BrokerError> {
        if places.is_empty() { Ok(Vec::new()) } else { Err(no_values(self.capabilities())) }
    }

    /// Stores outcomes and settles their deliveries, as one. The first outcome of a key wins,
    /// whoever holds the lease: an outcome is a pure function of its chunk. One answer an outcome,
    /// in order.
    async fn commit(&self, outcomes: &[(Receipt, Outcome)]) -> Result<Vec<Committed>, BrokerError>;

    /// Returns failed chunks for another attempt; one failure is charged. Acts only on deliveries
    /// that are still this consumer's.
    async fn nack(&self, nacks: &[Nack]) -> Result<Vec<Settled>, BrokerError>;

    /// Returns innocent chunks; nothing is charged. Acts only on deliveries that are still this
    /// consumer's.
    async fn give_back(&self, returns: &[GiveBack]) -> Result<Vec<Settled>, BrokerError>;

    /// Gives back, at once, every delivery of this consumer that is not in `held`: what a lost
    /// reply or a restarted actor left behind. Returns how many.
    async fn give_back_strays(&self, held: &[Receipt]) -> Result<u64, BrokerError>;

    /// How far a job is; `None` if it is unknown.
    async fn progress(&self, job: JobUid) -> Result<Option<JobProgress>, BrokerError>;

    /// At most `limit` outcomes after `cursor`, in the order in which they were committed, and of
    /// those no more than [`OUTCOME_PAGE_BYTES_MAX`] allows, but one if there is any. Reading
    /// consumes nothing: start from [`OutcomeCursor::START`] as often as you like.
    async fn outcomes(
        &self,
        job: JobUid,
        cursor: OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, BrokerError>;

    /// Stops a job: chunks that wait are dropped, later outcomes too. Its record and outcomes
    /// stay. Returns false if the job is unknown.
    async fn cancel(&self, job: JobUid) -> Result<bool, BrokerError>;

    /// Removes a job and all it left, and nothing else. Returns false if the job is unknown.
    async fn purge(&self, job: JobUid) -> Result<bool, BrokerError>;

    /// Removes all jobs, also those whose record does not decode, and nothing else. Returns how many.
    async fn purge_all(&self) -> Result<u64, BrokerError> {
        let mut purged = 0;
        for job in self.jobs().await? {
            purged += u64::from(self.purge(job.uid).await?);
        }
        Ok(purged)
    }

    /// Tells monitors what this worker does. Best effort; nothing is decided by it.
    async fn beat(&self, beat: &Beat) -> Result<(), BrokerError>;

    /// The last beat of every worker that was seen within `within`.
    async fn beats(&self, within: Duration) -> Result<Vec<Beat>, BrokerError>;

    /// Writes what was acknowledged so far to where a loss of power leaves it. Called at the end
    /// of a submission and before a job is called complete.
    async fn flush(&self) -> Result<(), BrokerError>;
}

fn no_values(of: Capabilities) -> BrokerError {
    BrokerError::Refused {
        broker: of.name.to_owned(),
        detail: "it cannot keep the values of single parameters".to_owned(),
    }
}
