//! Committing outcomes: the first of each key is stored, its chunk removed and its job's books
//! updated, all in one transaction.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::fault::Fault;
use super::sql;
use super::store::{Store, begin};
use super::values;
use super::wire::{Settlement, outcome_id};
use crate::broker::port::Committed;
use crate::ids::{Generation, JobUid};

impl Store {
    pub(super) fn commit(&mut self, batch: &[Settlement]) -> Result<Vec<Committed>, Fault> {
        let transaction = begin(&self.connection)?;
        let wall = self.clock.wall().0.cast_signed();
        let mut books: Vec<(JobUid, Option<Book>)> = Vec::new();
        let mut committed = Vec::with_capacity(batch.len());
        for settlement in batch {
            let uid = settlement.key.job;
            let known = books.iter().rposition(|(known, _)| *known == uid);
            let at = known.unwrap_or(books.len());
            if known.is_none() {
                books.push((uid, Book::open(&transaction, uid)?));
            }
            committed.push(match &mut books[at].1 {
                Some(book) => book.enter(&transaction, settlement)?,
                None => Committed::Dropped,
            });
        }
        for (_, book) in &books {
            if let Some(book) = book {
                book.close(&transaction, wall)?;
            }
        }
        transaction.commit()?;
        Ok(committed)
    }
}

/// What a batch adds to the books of one running job.
struct Book {
    job: i64,
    published: u64,
    /// The number of the job's newest outcome.
    outcomes: i64,
    first: bool,
    closed: i64,
    chunks_completed: i64,
    chunks_dead: i64,
    parameters_completed: i64,
    parameters_dead: i64,
    duplicates: i64,
}

impl Book {
    fn open(connection: &Connection, uid: JobUid) -> Result<Option<Self>, Fault> {
        let mut find = connection.prepare_cached(sql::RUNNING_JOB)?;
        let book = find.query_row([uid.as_bytes()], |row| {
            Ok(Self {
                job: row.get(0)?,
                published: row.get::<_, i64>(1)?.cast_unsigned(),
                outcomes: row.get(2)?,
                first: false,
                closed: 0,
                chunks_completed: 0,
                chunks_dead: 0,
                parameters_completed: 0,
                parameters_dead: 0,
                duplicates: 0,
            })
        });
        Ok(book.optional()?)
    }

    fn enter(
        &mut self,
        transaction: &Transaction<'_>,
        settlement: &Settlement,
    ) -> Result<Committed, Fault> {
        let Settlement { key, completed, dead, record, values: named } = settlement;
        let (generation, chunk) = (key.generation.0, key.chunk.0.cast_signed());
        let original = key.generation == Generation(0);
        let is_dead = *completed == 0;
        let stored = transaction.prepare_cached(sql::INSERT_OUTCOME)?.execute((
            outcome_id(self.job, self.outcomes + 1),
            self.job,
            chunk,
            generation,
            original && is_dead,
            record,
        ))?;
        if stored == 0 {
            self.duplicates += 1;
            return Ok(Committed::Duplicate);
        }
        self.outcomes += 1;
        self.first = true;
        if let Some(named) = named {
            values::remove_others(transaction, (self.job, chunk, generation), *named)?;
        }
        let removed =
            transaction.prepare_cached(sql::REMOVE_TASK)?.execute((self.job, chunk, generation))?;
        // A published chunk without a row is in a run still; leasing the run will pass it.
        let in_run = original && key.chunk.0 < self.published;
        if removed == 1 || in_run {
            self.closed += 1;
        }
        self.parameters_completed += completed.cast_signed();
        if original {
            self.parameters_dead += dead.cast_signed();
            self.chunks_dead += i64::from(is_dead);
            self.chunks_completed += i64::from(!is_dead);
        } else if !is_dead {
            // They were counted as dead with their origin.
            self.parameters_dead -= completed.cast_signed();
            let revived = transaction
                .prepare_cached(
                    "UPDATE outcomes SET dead = 0
                     WHERE job = ?1 AND chunk = ?2 AND generation = 0 AND dead = 1",
                )?
                .execute((self.job, chunk))? as u64;
            self.chunks_dead -= revived.cast_signed();
            self.chunks_completed += revived.cast_signed();
        }
        Ok(Committed::First)
    }

    fn close(&self, transaction: &Transaction<'_>, wall: i64) -> Result<(), Fault> {
        let mut count = transaction.prepare_cached(sql::COUNT_COMMITTED)?;
        count.execute(params![
            self.job,
            self.outcomes,
            self.closed,
            self.chunks_completed,
            self.chunks_dead,
            self.parameters_completed,
            self.parameters_dead,
            self.duplicates,
            self.first.then_some(wall),
        ])?;
        Ok(())
    }
}
