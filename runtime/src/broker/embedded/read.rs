//! The reading side: progress, outcomes, jobs and beats. Its connection reads a snapshot and
//! waits for no writer; in a store that is opened alone it is the writer's.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior};

use super::fault::Fault;
use super::open::Opened;
use super::passed_over::Told;
use super::schema::CANCELLED;
use super::wire::{decode_job, nanos, outcome_id, outcome_number, uid_and_record};
use crate::broker::port::OUTCOME_PAGE_BYTES_MAX;
use crate::broker::views::{
    Beat, ChunkCounts, JobProgress, JobState, OutcomeCursor, OutcomePage, ParameterCounts,
};
use crate::clock::{Clock, WallTime};
use crate::ids::{JobName, JobUid};
use crate::job::JobRecord;
use crate::wire;

/// A connection that only reads, and what reading needs.
pub(super) struct ReadingSide {
    pub(super) connection: Opened,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) told: Arc<Told>,
}

impl ReadingSide {
    pub(super) fn reader(&self) -> Reader<'_> {
        let Self { connection, clock, told } = self;
        Reader { connection, clock: &**clock, told }
    }
}

/// Reads by a connection, whosever it is.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) connection: &'a Connection,
    pub(super) clock: &'a dyn Clock,
    pub(super) told: &'a Told,
}

/// Leased chunks of a job: reads what is in flight, however many wait.
pub(super) const IN_FLIGHT: &str =
    "SELECT count(*) FROM tasks INDEXED BY leased WHERE owner IS NOT NULL AND job = ?1";

/// Chunks of a job that wait for their time: reads those, however many are ready.
pub(super) const DELAYED: &str = "SELECT count(*) FROM tasks INDEXED BY waiting
     WHERE owner IS NULL AND due > ?2 AND job = ?1";

impl Reader<'_> {
    pub(super) fn job(&self, name: &JobName) -> Result<Option<JobRecord>, Fault> {
        let mut find =
            self.connection.prepare_cached("SELECT uid, record FROM jobs WHERE name = ?1")?;
        let found = find.query_row([name.as_str()], uid_and_record).optional()?;
        found.map(decode_job).transpose()
    }

    pub(super) fn jobs(&self) -> Result<Vec<JobRecord>, Fault> {
        let mut find = self.connection.prepare_cached(
            "SELECT id, name, uid, record FROM jobs WHERE uid IS NOT NULL ORDER BY id",
        )?;
        let mut rows = find.query([])?;
        let mut jobs = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
            match decode_job(uid_and_record(row)?) {
                Ok(job) => jobs.push(job),
                Err(fault) => self.told.tell(id, &name, &fault),
            }
        }
        Ok(jobs)
    }

    /// All jobs, also those whose record does not decode.
    pub(super) fn uids(&self) -> Result<Vec<JobUid>, Fault> {
        let mut find =
            self.connection.prepare_cached("SELECT uid FROM jobs WHERE uid IS NOT NULL")?;
        let uids = find.query_map([], |row| row.get::<_, [u8; 16]>(0).map(JobUid::from))?;
        Ok(uids.collect::<Result<_, _>>()?)
    }

    pub(super) fn progress(&self, uid: JobUid) -> Result<Option<JobProgress>, Fault> {
        // One snapshot for all counts.
        let snapshot = Transaction::new_unchecked(self.connection, TransactionBehavior::Deferred)?;
        let mut find = snapshot.prepare_cached(
            "SELECT id, state, chunks, parameters, published, open, chunks_completed, chunks_dead,
                 parameters_completed, parameters_dead, redelivered, duplicates_dropped, last_commit
             FROM jobs WHERE uid = ?1",
        )?;
        let found = find
            .query_row([uid.as_bytes()], |row| {
                let id: i64 = row.get(0)?;
                Ok((id, Book::try_from(row)?))
            })
            .optional()?;
        let Some((job, book)) = found else {
            return Ok(None);
        };
        let now = nanos(self.clock.now());
        let in_flight =
            snapshot.prepare_cached(IN_FLIGHT)?.query_row([job], |row| count(row, 0))?;
        let delayed =
            snapshot.prepare_cached(DELAYED)?.query_row((job, now), |row| count(row, 0))?;
        Ok(Some(book.progress(in_flight, delayed)))
    }

    pub(super) fn outcomes(
        &self,
        uid: JobUid,
        OutcomeCursor(after): OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, Fault> {
        let mut page = OutcomePage { outcomes: Vec::new(), next: None };
        let job: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM jobs WHERE uid = ?1")?
            .query_row([uid.as_bytes()], |row| row.get(0))
            .optional()?;
        let Some(job) = job else { return Ok(page) };
        let mut find = self.connection.prepare_cached(
            "SELECT id, record FROM outcomes WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3",
        )?;
        // One more tells whether there is more.
        let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let after = outcome_id(job, after.cast_signed());
        let mut rows = find.query((after, outcome_id(job + 1, 0), one_more))?;
        let (mut last, mut bytes) = (after, 0);
        while let Some(row) = rows.next()? {
            let record = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            bytes += record.len();
            let is_full = bytes > OUTCOME_PAGE_BYTES_MAX && !page.outcomes.is_empty();
            if is_full || page.outcomes.len() == limit {
                let number = outcome_number(last).cast_unsigned();
                page.next = Some(OutcomeCursor(number));
                break;
            }
            last = row.get(0)?;
            let outcome = wire::decode(record);
            let outcome = outcome.map_err(|cause| Fault::Record { job: uid, cause })?;
            page.outcomes.push(outcome);
        }
        Ok(page)
    }

    pub(super) fn beats(&self, within: Duration) -> Result<Vec<Beat>, Fault> {
        let oldest = nanos(self.clock.now())
            .saturating_sub_unsigned(u64::try_from(within.as_nanos()).unwrap_or(u64::MAX));
        let mut find = self.connection.prepare_cached(
            "SELECT beat FROM workers WHERE beat IS NOT NULL AND seen >= ?1 ORDER BY id",
        )?;
        let beats = find.query_map([oldest], |row| row.get(0))?;
        let beats: Vec<Vec<u8>> = beats.collect::<Result<_, _>>()?;
        // Best effort: one that does not decode is another build's.
        let decode = |beat: &Vec<u8>| wire::decode(beat).ok();
        Ok(beats.iter().filter_map(decode).collect())
    }
}

fn count(row: &Row<'_>, at: usize) -> Result<u64, rusqlite::Error> {
    Ok(row.get::<_, i64>(at)?.cast_unsigned())
}

/// A job's counters.
struct Book {
    cancelled: bool,
    published: u64,
    open: u64,
    chunks: ChunkCounts,
    parameters: ParameterCounts,
    last_commit: Option<WallTime>,
}

impl TryFrom<&Row<'_>> for Book {
    type Error = rusqlite::Error;
    fn try_from(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            cancelled: row.get::<_, i64>(1)? == CANCELLED,
            published: count(row, 4)?,
            open: count(row, 5)?,
            chunks: ChunkCounts {
                total: count(row, 2)?,
                completed: count(row, 6)?,
                dead: count(row, 7)?,
                redelivered: count(row, 10)?,
                duplicates_dropped: count(row, 11)?,
                ..ChunkCounts::default()
            },
            parameters: ParameterCounts {
                total: count(row, 3)?,
                completed: count(row, 8)?,
                dead: count(row, 9)?,
            },
            last_commit: row.get::<_, Option<i64>>(12)?.map(|wall| WallTime(wall.cast_unsigned())),
        })
    }
}

impl Book {
    fn progress(self, in_flight: u64, delayed: u64) -> JobProgress {
        let settled = self.chunks.completed + self.chunks.dead;
        let chunks = if self.cancelled {
            self.chunks
        } else {
            ChunkCounts {
                ready: self.open.saturating_sub(in_flight + delayed),
                in_flight,
                delayed,
                ..self.chunks
            }
        };
        JobProgress {
            state: match (self.cancelled, settled == chunks.total && self.open == 0) {
                (true, _) => JobState::Cancelled,
                (false, true) => JobState::Complete,
                (false, false) => JobState::Running,
            },
            published: self.published,
            chunks,
            parameters: self.parameters,
            last_commit: self.last_commit,
        }
    }
}
