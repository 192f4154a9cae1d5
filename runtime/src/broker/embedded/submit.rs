//! Registering jobs and publishing their chunks.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::fault::Fault;
use super::sql;
use super::store::{Store, begin};
use super::wire::{Piece, Single, decode_job, nanos, uid_and_record};
use crate::broker::port::{Published, Registered};
use crate::ids::{Generation, JobUid};
use crate::job::JobRecord;
use crate::wire;

impl Store {
    pub(super) fn register(&mut self, job: &JobRecord) -> Result<Registered, Fault> {
        let transaction = begin(&self.connection)?;
        let added = transaction.execute(
            "INSERT INTO jobs (uid, name, chunks, parameters, record)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO NOTHING",
            params![
                job.uid.as_bytes(),
                job.name.as_str(),
                job.spec.chunks_total().cast_signed(),
                job.spec.parameters.len().cast_signed(),
                wire::encode(job),
            ],
        )?;
        if added == 1 {
            transaction.commit()?;
            return Ok(Registered::New);
        }
        let existing = transaction.query_row(
            "SELECT uid, record FROM jobs WHERE name = ?1",
            [job.name.as_str()],
            uid_and_record,
        )?;
        Ok(Registered::Existing(Box::new(decode_job(existing)?)))
    }

    /// All or nothing.
    pub(super) fn publish(&mut self, pieces: &[Piece]) -> Result<Published, Fault> {
        let transaction = begin(&self.connection)?;
        let now = nanos(self.clock.now());
        let mut published = Published::default();
        let mut left = pieces;
        while let Some(first) = left.first() {
            let same_job = |piece: &&Piece| piece.job() == first.job();
            let (of_job, rest) = left.split_at(left.iter().take_while(same_job).count());
            let mut queue = JobQueue::open(&transaction, first.job(), now)?;
            for piece in of_job {
                queue.add(piece)?;
            }
            let added = queue.close()?;
            published.added += added.added;
            published.present += added.present;
            left = rest;
        }
        transaction.commit()?;
        Ok(published)
    }
}

/// The chunks of one job, while some are added.
struct JobQueue<'t> {
    transaction: &'t Transaction<'t>,
    job: i64,
    now: i64,
    /// Every chunk of the original cut below it was published; none at or above it is in a run.
    published: u64,
    /// A chunk of the original cut at or above `published` waits or has an outcome.
    ahead: bool,
    count: Published,
}

impl<'t> JobQueue<'t> {
    fn open(transaction: &'t Transaction<'t>, uid: JobUid, now: i64) -> Result<Self, Fault> {
        let (job, published) = running_job(transaction, uid)?.ok_or(Fault::JobGone(uid))?;
        let ahead = transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM tasks
                     WHERE job = ?1 AND chunk >= ?2 AND generation = 0)
                 OR EXISTS (SELECT 1 FROM outcomes
                     WHERE job = ?1 AND chunk >= ?2 AND generation = 0)",
            )?
            .query_row((job, published), |row| row.get(0))?;
        Ok(Self {
            transaction,
            job,
            now,
            published: published.cast_unsigned(),
            ahead,
            count: Published::default(),
        })
    }

    fn add(&mut self, piece: &Piece) -> Result<(), Fault> {
        match piece {
            Piece::Single(single) => self.add_single(single),
            Piece::Run { first, stop, trace, .. } => {
                // What was published waits or has an outcome.
                let known = self.published.clamp(*first, *stop);
                self.count.present += known - first;
                let trace = trace.as_deref();
                if known == self.published && !self.ahead {
                    return self.add_run(*stop, trace);
                }
                for chunk in known..*stop {
                    let row = Row { generation: Generation(0), chunk, single: None, trace };
                    self.add_row(&row)?;
                }
                Ok(())
            }
        }
    }

    /// Adds the chunks from `published` to before `stop`, which are all new.
    fn add_run(&mut self, stop: u64, trace: Option<&[u8]>) -> Result<(), Fault> {
        if stop > self.published {
            let (next, stop_at) = (self.published.cast_signed(), stop.cast_signed());
            let mut insert = self.transaction.prepare_cached(sql::INSERT_RUN)?;
            insert.execute((self.job, next, stop_at, self.now, trace))?;
            self.count.added += stop - self.published;
            self.published = stop;
        }
        Ok(())
    }

    fn add_single(&mut self, single: &Single) -> Result<(), Fault> {
        let chunk = single.key.chunk.0;
        if single.key.generation == Generation(0) && chunk < self.published {
            self.count.present += 1;
            return Ok(());
        }
        self.add_row(&Row {
            generation: single.key.generation,
            chunk,
            single: Some(single),
            trace: single.trace.as_deref(),
        })
    }

    fn add_row(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let (generation, chunk) = (row.generation.0, row.chunk.cast_signed());
        if self.has_outcome(generation, row.chunk)? {
            self.count.present += 1;
        } else {
            let single = row.single;
            let counters = single.map(|single| single.counters).unwrap_or_default();
            let range = single.map(|single| single.range);
            let mut insert = self.transaction.prepare_cached(
                "INSERT OR IGNORE INTO tasks (job, chunk, generation, due, failures,
                     silent_deliveries, give_backs, first, stop, failure, trace)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?;
            let added = insert.execute((
                self.job,
                chunk,
                generation,
                self.now,
                counters.failures,
                counters.silent_deliveries,
                counters.give_backs,
                range.map(|range| range.start().cast_signed()),
                range.map(|range| range.end().cast_signed()),
                single.and_then(|single| single.failure.as_deref()),
                row.trace,
            ))?;
            self.count.added += added as u64;
            self.count.present += 1 - added as u64;
        }
        if generation == 0 {
            self.ahead = true;
            self.pass_gap()?;
        }
        Ok(())
    }

    fn has_outcome(&self, generation: u32, chunk: u64) -> Result<bool, Fault> {
        let mut find = self.transaction.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM outcomes
                 WHERE job = ?1 AND chunk = ?2 AND generation = ?3)",
        )?;
        Ok(find.query_row((self.job, chunk.cast_signed(), generation), |row| row.get(0))?)
    }

    /// Moves `published` over chunks that were published ahead of a gap, now that it is closed.
    fn pass_gap(&mut self) -> Result<(), Fault> {
        let mut find = self.transaction.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM tasks WHERE job = ?1 AND chunk = ?2 AND generation = 0)
             OR EXISTS (SELECT 1 FROM outcomes WHERE job = ?1 AND chunk = ?2 AND generation = 0)",
        )?;
        let mut waits_or_settled =
            |chunk: u64| find.query_row((self.job, chunk.cast_signed()), |row| row.get(0));
        while waits_or_settled(self.published)? {
            self.published += 1;
        }
        Ok(())
    }

    fn close(self) -> Result<Published, Fault> {
        let mut count = self.transaction.prepare_cached(sql::COUNT_PUBLISHED)?;
        let (published, added) = (self.published.cast_signed(), self.count.added.cast_signed());
        count.execute((self.job, published, added))?;
        Ok(self.count)
    }
}

/// A chunk that gets a row of its own at once.
struct Row<'a> {
    generation: Generation,
    chunk: u64,
    single: Option<&'a Single>,
    trace: Option<&'a [u8]>,
}

fn running_job(connection: &Connection, uid: JobUid) -> Result<Option<(i64, i64)>, Fault> {
    let mut find = connection.prepare_cached(sql::RUNNING_JOB)?;
    let found = find.query_row([uid.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?)
}
