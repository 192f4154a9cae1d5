//! Leasing chunks: fresh ones off their runs, others by row, the longest due first; and taking
//! over at once from who is dead.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Transaction};

use super::fault::Fault;
use super::passed_over::PassedOver;
use super::presence::{self, Pulse};
use super::sql;
use super::store::{KnownJobs, Store, begin};
use super::wire::{Claim, Place, TASK_COLUMNS, TaskRow, decode_trace, nanos, no_range, waited};
use crate::chunk::{Chunk, TraceContext};
use crate::delivery::{Credit, Delivery};
use crate::ids::{ChunkIndex, JobUid};
use crate::job::JobSpec;

impl Store {
    /// Leases at most `credit` chunks that are due. Takes no lock if there are none. A job that
    /// cannot be read is found out once: the round that meets it is taken back, the next passes it.
    pub(super) fn receive(&mut self, credit: Credit) -> Result<Vec<Delivery>, Fault> {
        loop {
            match self.lease_due(credit) {
                Err(Fault::Job { id, fault }) if self.pass_over(id, &fault)? => {}
                leased => return leased,
            }
        }
    }

    fn lease_due(&mut self, credit: Credit) -> Result<Vec<Delivery>, Fault> {
        if !self.is_any_due()? {
            return Ok(Vec::new());
        }
        let owner = self.owner()?;
        let transaction = begin(&self.connection)?;
        // Read under the lock, so that what was written before is not due later than now.
        let now = self.clock.now();
        let mut lessor = Lessor {
            transaction: &transaction,
            known: &mut self.known,
            passed_over: &self.passed_over,
            owner,
            now: nanos(now),
            until: nanos(now.after(self.lease)),
            credit: credit.get() as usize,
            deliveries: Vec::new(),
            redelivered: BTreeMap::new(),
        };
        lessor.lease()?;
        let deliveries = lessor.close()?;
        transaction.commit()?;
        Ok(deliveries)
    }

    fn is_any_due(&self) -> Result<bool, Fault> {
        let mut find = self.connection.prepare_cached(&self.passed_over.is_any_due)?;
        Ok(find.query_row([nanos(self.clock.now())], |row| row.get(0))?)
    }

    /// Makes what dead consumers hold due now, and tells whether there was any. Their rows keep
    /// their owner, so that the next delivery counts a silent one.
    pub(super) fn expire_dead(&mut self) -> Result<bool, Fault> {
        let now = nanos(self.clock.now());
        let owners: Vec<(i64, Option<String>)> = self
            .connection
            .prepare_cached(
                "SELECT DISTINCT owner, (SELECT name FROM workers WHERE id = owner)
                 FROM tasks INDEXED BY leased
                 WHERE owner IS NOT NULL AND owner IS NOT ?1 AND due > ?2",
            )?
            .query_map((self.leasing_owner(), now), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        // While a pulse is held, nobody can come back under the name of its worker, so that all
        // that has this owner is from before its death.
        let mut dead = Vec::new();
        for (owner, name) in owners {
            if let Some(name) = name {
                let pulse = presence::pulse(&self.place.workers(), &name);
                if matches!(pulse, Pulse::Dead(_)) {
                    dead.push((owner, pulse));
                }
            }
        }
        if dead.is_empty() {
            return Ok(false);
        }
        let transaction = begin(&self.connection)?;
        for (owner, _pulse) in &dead {
            let mut expire = transaction.prepare_cached(
                "UPDATE tasks INDEXED BY leased SET due = ?1 WHERE owner = ?2 AND due > ?1",
            )?;
            expire.execute((now, owner))?;
        }
        transaction.commit()?;
        Ok(true)
    }
}

/// Looks at the first entry of each place where something may be due. The empty lists are for jobs
/// that are passed over.
pub(super) const IS_ANY_DUE: &str = "
    SELECT EXISTS (SELECT 1 FROM runs WHERE job NOT IN ())
    OR EXISTS (SELECT 1 FROM tasks INDEXED BY waiting
        WHERE owner IS NULL AND due <= ?1 AND job NOT IN ())
    OR EXISTS (SELECT 1 FROM tasks INDEXED BY leased
        WHERE owner IS NOT NULL AND due <= ?1 AND job NOT IN ())";

/// Hands out leases within one transaction.
struct Lessor<'t> {
    transaction: &'t Transaction<'t>,
    known: &'t mut KnownJobs,
    passed_over: &'t PassedOver,
    owner: i64,
    now: i64,
    /// When the leases end.
    until: i64,
    credit: usize,
    deliveries: Vec<Delivery>,
    /// Deliveries after a failure or a silence, by job.
    redelivered: BTreeMap<i64, u64>,
}

impl Lessor<'_> {
    /// Rows and runs, both in the order in which they came due, as one.
    fn lease(&mut self) -> Result<(), Fault> {
        let mut rows = self.due_rows()?.into_iter().peekable();
        while let Some(run) = self.oldest_run()? {
            let before = |row: &TaskRow| row.place() < run.place();
            while let Some(row) = rows.next_if(before) {
                self.lease_row(row)?;
            }
            if self.credit_left() == 0 {
                return Ok(());
            }
            self.lease_from(&run)?;
        }
        for row in rows {
            self.lease_row(row)?;
        }
        Ok(())
    }

    fn credit_left(&self) -> usize {
        self.credit - self.deliveries.len()
    }

    fn due_rows(&self) -> Result<Vec<TaskRow>, Fault> {
        let mut find = self.transaction.prepare_cached(&self.passed_over.due_rows)?;
        let credit = i64::try_from(self.credit).unwrap_or(i64::MAX);
        let rows = find.query_map((self.now, credit), |row| TaskRow::try_from(row))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn lease_row(&mut self, row: TaskRow) -> Result<(), Fault> {
        if self.credit_left() == 0 {
            return Ok(());
        }
        let (job, key) = (row.job, (row.job, row.chunk, row.generation));
        let redelivered = row.nacked || row.owner.is_some();
        let Some((uid, spec)) = self.known.running(self.transaction, job)? else {
            // What a cancelled or purged job left behind is dropped.
            let mut remove = self.transaction.prepare_cached(sql::REMOVE_TASK)?;
            remove.execute(key)?;
            return Ok(());
        };
        let delivery = row.deliver(uid, &spec, self.owner, self.now);
        let delivery = delivery.map_err(|fault| fault.of_job(job))?;
        let mut lease = self.transaction.prepare_cached(
            "UPDATE tasks SET due = ?4, owner = ?5, fence = fence + 1, nacked = 0,
                 silent_deliveries = ?6, suspect = ?7
             WHERE job = ?1 AND chunk = ?2 AND generation = ?3",
        )?;
        let silent = delivery.chunk.counters.silent_deliveries;
        let suspect = delivery.suspect;
        lease.execute((key.0, key.1, key.2, self.until, self.owner, silent, suspect))?;
        if redelivered {
            *self.redelivered.entry(job).or_default() += 1;
        }
        self.deliveries.push(delivery);
        Ok(())
    }

    fn oldest_run(&self) -> Result<Option<Run>, Fault> {
        let mut find = self.transaction.prepare_cached(&self.passed_over.oldest_run)?;
        let run = find.query_row([], |row| {
            Ok(Run {
                id: row.get(0)?,
                job: row.get(1)?,
                next: row.get(2)?,
                stop: row.get(3)?,
                due: row.get(4)?,
                trace: row.get(5)?,
            })
        });
        Ok(run.optional()?)
    }

    /// Leases what credit is left for off the start of `run`, passing what has an outcome.
    fn lease_from(&mut self, run: &Run) -> Result<(), Fault> {
        let Some((uid, spec)) = self.known.running(self.transaction, run.job)? else {
            self.transaction.prepare_cached(sql::REMOVE_RUN)?.execute([run.id])?;
            return Ok(());
        };
        let credit = i64::try_from(self.credit_left()).unwrap_or(i64::MAX);
        let stop = run.stop.min(run.next.saturating_add(credit));
        if stop == run.stop {
            let mut remove = self.transaction.prepare_cached(sql::REMOVE_RUN)?;
            remove.execute([run.id])?;
        } else {
            let mut shorten = self.transaction.prepare_cached(sql::SHORTEN_RUN)?;
            shorten.execute((run.id, stop))?;
        }
        let settled: Vec<i64> = self
            .transaction
            .prepare_cached(sql::SETTLED_WITHIN)?
            .query_map((run.job, run.next, stop), |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let fresh = Fresh { uid, spec: &spec, trace: decode_trace(run.trace.as_deref()) };
        let mut next = run.next;
        for end in settled.into_iter().chain([stop]) {
            self.lease_stretch(run, next..end, &fresh)?;
            next = end + 1;
        }
        Ok(())
    }

    fn lease_stretch(
        &mut self,
        run: &Run,
        chunks: std::ops::Range<i64>,
        fresh: &Fresh<'_>,
    ) -> Result<(), Fault> {
        if chunks.is_empty() {
            return Ok(());
        }
        let mut lease = self.transaction.prepare_cached(sql::LEASE_FRESH)?;
        let (first, stop, trace) = (chunks.start, chunks.end, run.trace.as_deref());
        lease.execute((run.job, first, stop, self.until, self.owner, trace))?;
        let waited = waited(run.due, self.now);
        for index in chunks {
            let index = ChunkIndex(index.cast_unsigned());
            let chunk = Chunk::cut(fresh.uid, fresh.spec, index, &fresh.trace);
            let chunk = chunk.ok_or_else(|| no_range(fresh.uid, index).of_job(run.job))?;
            let claim = Claim { key: chunk.key, owner: self.owner, fence: 1 };
            self.deliveries.push(Delivery {
                chunk,
                receipt: claim.receipt(),
                suspect: false,
                waited,
            });
        }
        Ok(())
    }

    fn close(self) -> Result<Vec<Delivery>, Fault> {
        for (job, redelivered) in self.redelivered {
            let mut count = self
                .transaction
                .prepare_cached("UPDATE jobs SET redelivered = redelivered + ?2 WHERE id = ?1")?;
            count.execute((job, redelivered.cast_signed()))?;
        }
        Ok(self.deliveries)
    }
}

impl Run {
    fn place(&self) -> Place {
        (self.due, self.job, self.next, 0)
    }
}

struct Run {
    id: i64,
    job: i64,
    next: i64,
    stop: i64,
    due: i64,
    trace: Option<Vec<u8>>,
}

/// What the chunks of a run share.
struct Fresh<'a> {
    uid: JobUid,
    spec: &'a std::sync::Arc<JobSpec>,
    trace: TraceContext,
}

/// Waiting chunks and ended leases, merged from their two indexes without sorting. The empty lists
/// are for jobs that are passed over.
pub(super) fn due_rows_sql() -> String {
    format!(
        "SELECT {TASK_COLUMNS} FROM tasks INDEXED BY waiting
             WHERE owner IS NULL AND due <= ?1 AND job NOT IN ()
         UNION ALL
         SELECT {TASK_COLUMNS} FROM tasks INDEXED BY leased
             WHERE owner IS NOT NULL AND due <= ?1 AND job NOT IN ()
         ORDER BY due, job, chunk, generation LIMIT ?2"
    )
}
