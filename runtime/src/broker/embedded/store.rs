//! The writing side of a store, as one consumer has it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::fault::Fault;
use super::open::{Hold, Opened, Place};
use super::passed_over::{PassedOver, Told};
use super::presence::{self, Presence, Pulse};
use super::read::Reader;
use super::schema::RUNNING;
use super::wire::{decode_job, nanos, uid_and_record};
use crate::clock::Clock;
use crate::ids::{JobUid, WorkerId};
use crate::job::JobSpec;

/// Rows that one transaction of a large removal takes, so that others write in between.
pub(super) const REMOVAL_ROWS: i64 = 10_000;

/// A worker that is gone, holds nothing and was not seen for this long is forgotten.
const WORKER_KEPT: Duration = Duration::from_hours(24);

/// Jobs whose specification is kept decoded.
const JOBS_KNOWN_MAX: usize = 64;

pub(super) struct Store {
    pub(super) connection: Opened,
    pub(super) place: Place,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lease: Duration,
    pub(super) known: KnownJobs,
    pub(super) passed_over: PassedOver,
    told: Arc<Told>,
    worker: WorkerId,
    /// Set once this handle asks for chunks.
    consumer: Option<Consumer>,
}

struct Consumer {
    /// Its row in `workers`.
    id: i64,
    /// Nobody looks for it in a store that is opened alone.
    _presence: Option<Presence>,
}

impl Store {
    pub(super) fn open(
        connection: Opened,
        place: Place,
        worker: WorkerId,
        lease: Duration,
        clock: Arc<dyn Clock>,
        told: Arc<Told>,
        boot: &str,
    ) -> Result<Self, Fault> {
        let store = Self {
            connection,
            place,
            clock,
            lease,
            known: KnownJobs::default(),
            passed_over: PassedOver::default(),
            told,
            worker,
            consumer: None,
        };
        store.notice_boot(boot)?;
        Ok(store)
    }

    /// Leases and waits of an earlier boot are counted in a time that is gone. Whoever held a lease
    /// then is dead, which its next delivery charges as silent.
    fn notice_boot(&self, boot: &str) -> Result<(), Fault> {
        let stored = |connection: &Connection| -> Result<String, rusqlite::Error> {
            connection.query_row("SELECT boot FROM machine", [], |row| row.get(0))
        };
        if stored(&self.connection)? == boot {
            return Ok(());
        }
        let transaction = begin(&self.connection)?;
        if stored(&transaction)? != boot {
            let now = nanos(self.clock.now());
            transaction.execute("UPDATE tasks SET due = ?1", [now])?;
            transaction.execute("UPDATE runs SET due = ?1", [now])?;
            transaction.execute("UPDATE workers SET seen = ?1, beat = NULL", [now])?;
            transaction.execute("UPDATE machine SET boot = ?1", [boot])?;
        }
        Ok(transaction.commit()?)
    }

    /// What a consumer does when it comes: tells that it lives, and tidies a bounded bit.
    pub(super) fn enter(&mut self) -> Result<(), Fault> {
        self.remove_purged()?;
        self.owner()?;
        match self.place.hold {
            Hold::Shared => presence::bury(&self.place.workers())?,
            Hold::Alone => self.expire_all()?,
        }
        self.forget_workers()
    }

    /// As [`Self::enter`], to a store that this process has just made. There is nothing to tidy, and
    /// the first commit need not wait for the disk to have the log's first bytes, which protects what an
    /// earlier log left: there was none, and whatever is flushed later takes these along.
    pub(super) fn enter_new(&mut self) -> Result<(), Fault> {
        self.connection.pragma_update(None, "synchronous", "OFF")?;
        let entered = self.owner();
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        entered.map(drop)
    }

    /// Waits until every commit so far is where a loss of power leaves it: in the file. What others
    /// keep from there stays in the log, which is replayed; that is synced, then.
    pub(super) fn flush(&self) -> Result<(), Fault> {
        let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
        let done: (i64, i64, i64) = self
            .connection
            .query_row(checkpoint, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if !matches!(done, (0, pages, copied) if pages == copied) {
            self.place.sync_log()?;
        }
        self.place.sync_folder()
    }

    /// Ends every lease: whoever held one when this process got the store for itself is gone.
    fn expire_all(&self) -> Result<(), Fault> {
        let now = nanos(self.clock.now());
        let expire = "UPDATE tasks SET due = ?1 WHERE owner IS NOT NULL AND due > ?1";
        self.connection.execute(expire, [now])?;
        Ok(())
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { connection: &self.connection, clock: &*self.clock, told: &self.told }
    }

    /// Who owns what this handle leases. The lock file comes first: what has an owner without one
    /// is another's for the taking.
    pub(super) fn owner(&mut self) -> Result<i64, Fault> {
        if let Some(consumer) = &self.consumer {
            return Ok(consumer.id);
        }
        let presence = match self.place.hold {
            Hold::Shared => Some(Presence::announce(&self.place.workers(), &self.worker)?),
            Hold::Alone => None,
        };
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO workers (name, seen) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET seen = excluded.seen RETURNING id",
        )?;
        let row = (self.worker.as_str(), nanos(self.clock.now()));
        let id = insert.query_row(row, |row| row.get(0))?;
        self.consumer = Some(Consumer { id, _presence: presence });
        Ok(id)
    }

    /// Who owns what this handle leased; `None` if it never asked for chunks.
    pub(super) fn leasing_owner(&self) -> Option<i64> {
        self.consumer.as_ref().map(|consumer| consumer.id)
    }

    /// Leases nothing of job `id` from now on, and tells `why`; false if it did not before.
    pub(super) fn pass_over(&mut self, id: i64, why: &Fault) -> Result<bool, Fault> {
        let mut find = self.connection.prepare_cached("SELECT name FROM jobs WHERE id = ?1")?;
        let name: Option<String> = find.query_row([id], |row| row.get(0)).optional()?.flatten();
        self.told.tell(id, name.as_deref().unwrap_or_default(), why);
        Ok(self.passed_over.add(id))
    }

    pub(super) fn beat(&mut self, worker: &WorkerId, beat: &[u8]) -> Result<(), Fault> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO workers (name, seen, beat) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET seen = excluded.seen, beat = excluded.beat",
        )?;
        insert.execute((worker.as_str(), nanos(self.clock.now()), beat))?;
        Ok(())
    }

    fn forget_workers(&self) -> Result<(), Fault> {
        let oldest = nanos(self.clock.now())
            .saturating_sub_unsigned(u64::try_from(WORKER_KEPT.as_nanos()).unwrap_or(u64::MAX));
        let mut unseen = self.connection.prepare(
            "SELECT id, name FROM workers WHERE seen < ?1 AND id NOT IN
                 (SELECT owner FROM tasks INDEXED BY leased WHERE owner IS NOT NULL)
             LIMIT 100",
        )?;
        let unseen = unseen.query_map([oldest], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let unseen: Vec<(i64, String)> = unseen.collect::<Result<_, _>>()?;
        for (id, name) in unseen {
            // Held until the row is gone, so that nobody comes back under it meanwhile.
            let pulse = presence::pulse(&self.place.workers(), &name);
            if matches!(pulse, Pulse::Dead(_)) {
                self.connection.execute("DELETE FROM workers WHERE id = ?1", [id])?;
            }
        }
        Ok(())
    }
}

/// Takes the write lock at once: a transaction that reads first and then wants to write would
/// fail whenever another process wrote in between.
pub(super) fn begin(connection: &Connection) -> Result<Transaction<'_>, rusqlite::Error> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
}

/// Jobs whose chunks were delivered lately. Ids of jobs are never used again, so that what is
/// known of one stays true.
#[derive(Default)]
pub(super) struct KnownJobs(HashMap<i64, (JobUid, Arc<JobSpec>)>);

impl KnownJobs {
    /// Uid and specification of job `id`; `None` if it does not run. [`Fault::Job`] if it cannot
    /// be read.
    pub(super) fn running(
        &mut self,
        connection: &Connection,
        id: i64,
    ) -> Result<Option<(JobUid, Arc<JobSpec>)>, Fault> {
        let mut state = connection.prepare_cached("SELECT state FROM jobs WHERE id = ?1")?;
        let state: Option<i64> = state.query_row([id], |row| row.get(0)).optional()?;
        if state != Some(RUNNING) {
            return Ok(None);
        }
        if let Some(known) = self.0.get(&id) {
            return Ok(Some(known.clone()));
        }
        let mut read = connection.prepare_cached("SELECT uid, record FROM jobs WHERE id = ?1")?;
        let (uid, record) = read.query_row([id], uid_and_record)?;
        let spec = decode_job((uid, record)).map_err(|fault| fault.of_job(id))?.spec;
        if self.0.len() >= JOBS_KNOWN_MAX {
            self.0.clear();
        }
        let known = (JobUid::from(uid), Arc::new(spec));
        self.0.insert(id, known.clone());
        Ok(Some(known))
    }
}
