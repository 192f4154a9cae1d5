//! The port over two lanes: one connection writes, one reads.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::fault::Fault;
use super::lane::Lane;
use super::open::{Hold, Place, boot_id};
use super::passed_over::Told;
use super::read::{Reader, ReadingSide};
use super::store::Store;
use super::values::ValuesRow;
use super::wire::{Claim, Return, Settlement, pieces};
use crate::broker::Broker;
use crate::broker::port::{
    Capabilities, Committed, GiveBack, Nack, Published, Registered, Renewed, Settled,
};
use crate::broker::views::{Beat, JobProgress, OutcomeCursor, OutcomePage};
use crate::chunk::Chunk;
use crate::clock::Clock;
use crate::delivery::{Credit, Delivery, Receipt};
use crate::error::BrokerError;
use crate::ids::{JobName, JobUid, WorkerId};
use crate::job::JobRecord;
use crate::outcome::Outcome;
use crate::values::{ValuesAt, ValuesRecord};
use crate::wire;

/// A receive that finds nothing is woken at once by this handle's own publishes and returns. What
/// other processes write it looks for, since `SQLite` tells nobody: a look costs three index seeks
/// and no lock, while the first chunk of a job must not wait long for the workers.
const POLL_MIN: Duration = Duration::from_millis(20);
const POLL_MAX: Duration = Duration::from_millis(100);

/// An idle consumer looks this often at most whether holders of leases died.
const PULSE_EVERY: Duration = Duration::from_millis(200);

/// Where an [`EmbeddedBroker`] lives, and for whom.
#[derive(Clone)]
pub struct EmbeddedConfig {
    /// The folder of the store.
    pub dir: PathBuf,
    /// The consumer. Of all living processes and handles, one may have this id.
    pub worker: WorkerId,
    /// How long a delivery is this consumer's before others may take it, unless renewed.
    pub lease: Duration,
    /// The time that leases and waits are counted in.
    pub clock: Arc<dyn Clock>,
}

/// One consumer of the store in a folder. Clones are the same consumer; when the last one is
/// dropped, its threads end and others take over what it held.
#[derive(Clone)]
pub struct EmbeddedBroker {
    shared: Arc<Shared>,
}

struct Shared {
    // Dropped in this order: the last connection to close tidies the log, if it may write.
    /// `None` in a store that is opened alone, where the writer reads, too.
    reader: Option<Lane<ReadingSide>>,
    writer: Lane<Store>,
    /// Something may have become due.
    changed: Notify,
    /// When this consumer last looked for dead ones.
    looked: Mutex<Option<Instant>>,
}

impl EmbeddedBroker {
    /// Opens the store, which is made if there is none.
    ///
    /// # Errors
    /// [`BrokerError::Foreign`]: the file is another's, or a newer version's, and was left as it
    /// is. [`BrokerError::Refused`]: the folder cannot be written, or another living consumer has
    /// this worker's id.
    pub async fn connect(config: EmbeddedConfig) -> Result<Self, BrokerError> {
        Self::open(config, Opening::Make, boot_id).await
    }

    /// Opens the store, which is made if there is none, for this process alone: as long as this
    /// consumer lives no other opens it, and it needs no shared memory, so that the folder may be on
    /// a network volume. Whatever was leased when it is opened is delivered again at once.
    ///
    /// # Errors
    /// As [`Self::connect`]; [`BrokerError::Unavailable`]: another process has it open.
    pub async fn connect_alone(config: EmbeddedConfig) -> Result<Self, BrokerError> {
        let EmbeddedConfig { dir, worker, lease, clock } = config;
        let place = Place::new(&dir, Hold::Alone);
        let writer = Lane::start("ttg-store", Arc::clone(&place.broker), move || {
            let boot = boot_id()?;
            place.make_store(&boot)?;
            let (connection, told) = (place.open_alone()?, Arc::default());
            let mut store = Store::open(connection, place, worker, lease, clock, told, &boot)?;
            store.enter()?;
            Ok(store)
        });
        Ok(Self::over(None, writer.await?))
    }

    /// Opens the store, which must be there: for commands that look at jobs. Nothing is made, not
    /// even a lock file, unless chunks are received.
    ///
    /// # Errors
    /// As [`Self::connect`]; [`BrokerError::Refused`]: there is no store.
    pub async fn open_existing(config: EmbeddedConfig) -> Result<Self, BrokerError> {
        Self::open(config, Opening::Expect, boot_id).await
    }

    pub(super) async fn open(
        config: EmbeddedConfig,
        opening: Opening,
        boot: impl FnOnce() -> Result<String, Fault> + Send + 'static,
    ) -> Result<Self, BrokerError> {
        let EmbeddedConfig { dir, worker, lease, clock } = config;
        let place = Place::new(&dir, Hold::Shared);
        let broker = Arc::clone(&place.broker);
        let told = Arc::new(Told::default());
        let (found_sender, found) = std::sync::mpsc::channel();
        // Two that are the first to open it, at once, wait for each other by the millisecond.
        let (opening_to_write, opened) = std::sync::mpsc::channel::<()>();
        let reader = Lane::start("ttg-store-read", Arc::clone(&broker), {
            let (place, clock, told) = (place.clone(), Arc::clone(&clock), Arc::clone(&told));
            move || {
                let boot = boot()?;
                let is_new = match opening {
                    Opening::Make => place.make_store(&boot)?,
                    Opening::Expect => place.expect_store().map(|()| false)?,
                };
                let connection = if is_new {
                    // It is ours beyond doubt, so that who writes goes first: a job waits for it.
                    drop(found_sender.send((boot, is_new)));
                    opened.recv().ok();
                    place.open_to_read()?
                } else {
                    let connection = place.open_to_read()?;
                    drop(found_sender.send((boot, is_new)));
                    connection
                };
                Ok(ReadingSide { connection, clock, told })
            }
        });
        let writer = Lane::start("ttg-store-write", broker, move || {
            // It comes when the store is there and known to be ours.
            let Ok((boot, is_new)) = found.recv() else {
                return Err(Fault::Refused("the store could not be read".to_owned()));
            };
            let connection = place.open_to_write()?;
            let mut store = Store::open(connection, place, worker, lease, clock, told, &boot)?;
            drop(opening_to_write);
            match opening {
                Opening::Make if is_new => store.enter_new()?,
                Opening::Make => store.enter()?,
                Opening::Expect => {}
            }
            Ok(store)
        });
        let (reader, writer) = tokio::join!(reader, writer);
        // Of two errors, the reader's is the cause.
        Ok(Self::over(Some(reader?), writer?))
    }

    fn over(reader: Option<Lane<ReadingSide>>, writer: Lane<Store>) -> Self {
        let (changed, looked) = (Notify::new(), Mutex::new(None));
        Self { shared: Arc::new(Shared { reader, writer, changed, looked }) }
    }

    /// Reads, where reading goes.
    async fn read<R: Send + 'static>(
        &self,
        query: impl FnOnce(Reader<'_>) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, BrokerError> {
        match &self.shared.reader {
            Some(reader) => reader.call(move |side| query(side.reader())).await,
            None => self.shared.writer.call(move |store| query(store.reader())).await,
        }
    }

    /// Runs `command` between the others.
    #[cfg(test)]
    pub(super) async fn on_writer<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Store) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, BrokerError> {
        self.shared.writer.call(command).await
    }

    /// Whether dead consumers left something that is due now.
    async fn found_dead(&self) -> Result<bool, BrokerError> {
        {
            let looked = self.shared.looked.lock();
            let mut looked = looked.unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if looked.is_some_and(|looked| now.duration_since(looked) < PULSE_EVERY) {
                return Ok(false);
            }
            *looked = Some(now);
        }
        self.shared.writer.call(Store::expire_dead).await
    }

    async fn put_back(&self, returns: Vec<Return>) -> Result<Vec<Settled>, BrokerError> {
        let writer = &self.shared.writer;
        let settled = writer.call(move |store| store.put_back(&returns)).await;
        self.shared.changed.notify_waiters();
        settled
    }

    /// Removes bit by bit, so that other calls, and other processes, come in between.
    async fn remove(
        &self,
        job: i64,
        bit: fn(&mut Store, i64) -> Result<bool, Fault>,
    ) -> Result<(), BrokerError> {
        while self.shared.writer.call(move |store| bit(store, job)).await? {}
        Ok(())
    }
}

/// What to do where there is no store.
#[derive(Clone, Copy)]
pub(super) enum Opening {
    Make,
    Expect,
}

#[async_trait]
impl Broker for EmbeddedBroker {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "embedded",
            renewable_leases: true,
            immediate_progress: true,
            values: true,
            longest_attempt: None,
            exact_commits: true,
        }
    }

    async fn register(&self, job: &JobRecord) -> Result<Registered, BrokerError> {
        let job = job.clone();
        self.shared.writer.call(move |store| store.register(&job)).await
    }

    async fn job(&self, name: &JobName) -> Result<Option<JobRecord>, BrokerError> {
        let name = name.clone();
        self.read(move |reader| reader.job(&name)).await
    }

    async fn jobs(&self) -> Result<Vec<JobRecord>, BrokerError> {
        self.read(|reader| reader.jobs()).await
    }

    async fn publish(&self, chunks: &[Chunk]) -> Result<Published, BrokerError> {
        let pieces = pieces(chunks);
        let writer = &self.shared.writer;
        let published = writer.call(move |store| store.publish(&pieces)).await;
        self.shared.changed.notify_waiters();
        published
    }

    /// If the caller goes away while chunks are leased, they are strays of this consumer:
    /// [`Broker::give_back_strays`] or the end of their lease returns them.
    async fn receive(&self, credit: Credit, wait: Duration) -> Result<Vec<Delivery>, BrokerError> {
        let started = Instant::now();
        let mut poll = POLL_MIN;
        loop {
            // Listens before it looks, so that no change falls in between.
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let deliveries = self.shared.writer.call(move |store| store.receive(credit)).await?;
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            if self.found_dead().await? {
                continue;
            }
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(Vec::new());
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(poll.min(left)) => poll = (poll * 2).min(POLL_MAX),
            }
        }
    }

    async fn renew(&self, receipts: &[Receipt]) -> Result<Vec<Renewed>, BrokerError> {
        let claims: Vec<_> = receipts.iter().map(Claim::of).collect();
        self.shared.writer.call(move |store| store.renew(&claims)).await
    }

    async fn store_values(&self, records: &[ValuesRecord]) -> Result<(), BrokerError> {
        let rows: Vec<_> = records.iter().map(ValuesRow::from).collect();
        self.shared.writer.call(move |store| store.store_values(&rows)).await
    }

    async fn values(&self, places: &[ValuesAt]) -> Result<Vec<Option<ValuesRecord>>, BrokerError> {
        let places = places.to_vec();
        self.read(move |reader| reader.values(&places)).await
    }

    async fn commit(&self, outcomes: &[(Receipt, Outcome)]) -> Result<Vec<Committed>, BrokerError> {
        let settle = |(_, outcome): &(_, Outcome)| Settlement::from(outcome);
        let batch: Vec<_> = outcomes.iter().map(settle).collect();
        self.shared.writer.call(move |store| store.commit(&batch)).await
    }

    async fn nack(&self, nacks: &[Nack]) -> Result<Vec<Settled>, BrokerError> {
        self.put_back(nacks.iter().map(Return::from).collect()).await
    }

    async fn give_back(&self, returns: &[GiveBack]) -> Result<Vec<Settled>, BrokerError> {
        self.put_back(returns.iter().map(Return::from).collect()).await
    }

    async fn give_back_strays(&self, held: &[Receipt]) -> Result<u64, BrokerError> {
        let held: HashSet<_> = held.iter().map(Claim::of).collect();
        let writer = &self.shared.writer;
        let strays = writer.call(move |store| store.give_back_strays(&held)).await;
        self.shared.changed.notify_waiters();
        strays
    }

    async fn progress(&self, job: JobUid) -> Result<Option<JobProgress>, BrokerError> {
        self.read(move |reader| reader.progress(job)).await
    }

    async fn outcomes(
        &self,
        job: JobUid,
        cursor: OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, BrokerError> {
        self.read(move |reader| reader.outcomes(job, cursor, limit)).await
    }

    async fn cancel(&self, job: JobUid) -> Result<bool, BrokerError> {
        let stopped = self.shared.writer.call(move |store| store.cancel(job)).await?;
        if let Some(job) = stopped {
            self.remove(job, Store::remove_chunks).await?;
        }
        Ok(stopped.is_some())
    }

    async fn purge(&self, job: JobUid) -> Result<bool, BrokerError> {
        let stopped = self.shared.writer.call(move |store| store.purge(job)).await?;
        if let Some(job) = stopped {
            self.remove(job, Store::remove_job).await?;
        }
        Ok(stopped.is_some())
    }

    async fn purge_all(&self) -> Result<u64, BrokerError> {
        let mut purged = 0;
        for job in self.read(|reader| reader.uids()).await? {
            purged += u64::from(self.purge(job).await?);
        }
        Ok(purged)
    }

    async fn beat(&self, beat: &Beat) -> Result<(), BrokerError> {
        let (worker, bytes) = (beat.worker.clone(), wire::encode(beat));
        let writer = &self.shared.writer;
        writer.call(move |store| store.beat(&worker, &bytes)).await
    }

    async fn beats(&self, within: Duration) -> Result<Vec<Beat>, BrokerError> {
        self.read(move |reader| reader.beats(within)).await
    }

    async fn flush(&self) -> Result<(), BrokerError> {
        self.shared.writer.call(|store| store.flush()).await
    }
}
