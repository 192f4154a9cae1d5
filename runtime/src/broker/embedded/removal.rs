//! Cancelling and purging. The first transaction decides; what is left is unreachable from then
//! on and removed in bounded bits, so that others write in between and a crash loses nothing.

use rusqlite::{Connection, OptionalExtension};

use super::fault::Fault;
use super::schema::{CANCELLED, PURGED};
use super::store::{REMOVAL_ROWS, Store, begin};
use super::values;
use super::wire::outcome_id;
use crate::ids::JobUid;

impl Store {
    /// The id of the job, which hands out nothing from now on; `None` if it is unknown.
    pub(super) fn cancel(&mut self, uid: JobUid) -> Result<Option<i64>, Fault> {
        self.stop(uid, "UPDATE jobs SET state = ?2, open = 0 WHERE id = ?1", CANCELLED)
    }

    /// The id of the job, which has neither name nor uid from now on; `None` if it is unknown.
    pub(super) fn purge(&mut self, uid: JobUid) -> Result<Option<i64>, Fault> {
        self.stop(uid, "UPDATE jobs SET state = ?2, uid = NULL, name = NULL WHERE id = ?1", PURGED)
    }

    fn stop(&mut self, uid: JobUid, sql: &str, state: i64) -> Result<Option<i64>, Fault> {
        let transaction = begin(&self.connection)?;
        let mut find = transaction.prepare_cached("SELECT id FROM jobs WHERE uid = ?1")?;
        let job: Option<i64> = find.query_row([uid.as_bytes()], |row| row.get(0)).optional()?;
        drop(find);
        if let Some(job) = job {
            transaction.execute(sql, (job, state))?;
            transaction.execute("DELETE FROM runs WHERE job = ?1", [job])?;
        }
        transaction.commit()?;
        Ok(job)
    }

    /// Removes some chunks of a stopped job; true if there may be more.
    pub(super) fn remove_chunks(&mut self, job: i64) -> Result<bool, Fault> {
        remove_chunks(&self.connection, job)
    }

    /// Removes some of what a purged job left, in the end the job; true if there may be more.
    pub(super) fn remove_job(&mut self, job: i64) -> Result<bool, Fault> {
        if remove_chunks(&self.connection, job)? {
            return Ok(true);
        }
        if values::remove_some(&self.connection, job)? {
            return Ok(true);
        }
        let mut remove = self.connection.prepare_cached(
            "DELETE FROM outcomes WHERE id IN
                 (SELECT id FROM outcomes WHERE id > ?1 AND id < ?2 LIMIT ?3)",
        )?;
        let ids = (outcome_id(job, 0), outcome_id(job + 1, 0), REMOVAL_ROWS);
        if remove.execute(ids)? > 0 {
            return Ok(true);
        }
        self.connection.execute("DELETE FROM jobs WHERE id = ?1 AND state = ?2", (job, PURGED))?;
        Ok(false)
    }

    /// Removes a bit of what an interrupted purge left behind.
    pub(super) fn remove_purged(&mut self) -> Result<(), Fault> {
        let mut find = self
            .connection
            .prepare_cached("SELECT id FROM jobs INDEXED BY purged WHERE state = 2 LIMIT 1")?;
        let job: Option<i64> = find.query_row([], |row| row.get(0)).optional()?;
        drop(find);
        if let Some(job) = job {
            self.remove_job(job)?;
        }
        Ok(())
    }
}

fn remove_chunks(connection: &Connection, job: i64) -> Result<bool, Fault> {
    let mut remove = connection.prepare_cached(
        "DELETE FROM tasks WHERE (job, chunk, generation) IN
             (SELECT job, chunk, generation FROM tasks WHERE job = ?1 LIMIT ?2)",
    )?;
    Ok(remove.execute((job, REMOVAL_ROWS))? > 0)
}
