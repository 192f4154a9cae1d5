//! Values of single parameters: stored ahead of their outcome, counted once it names them.

use rusqlite::{Connection, OptionalExtension};

use super::fault::Fault;
use super::read::Reader;
use super::store::{Store, begin};
use crate::broker::port::VALUES_PAGE_BYTES_MAX;
use crate::chunk::IdempotencyKey;
use crate::values::{ValuesAt, ValuesId, ValuesRecord};
use crate::wire;

/// Records that one transaction of a removal takes: each may be as long as a record gets.
const REMOVAL_RECORDS: i64 = 64;

/// Removes the values of a settled chunk that its outcome does not name.
pub(super) const REMOVE_OTHERS: &str = "
    DELETE FROM parameter_values
    WHERE job = ?1 AND chunk = ?2 AND generation = ?3 AND evaluation <> ?4";

/// A record, as far as the store looks into it.
pub(super) struct ValuesRow {
    at: ValuesAt,
    record: Vec<u8>,
}

impl From<&ValuesRecord> for ValuesRow {
    fn from(record: &ValuesRecord) -> Self {
        Self { at: record.at, record: wire::encode(record) }
    }
}

impl Store {
    pub(super) fn store_values(&mut self, rows: &[ValuesRow]) -> Result<(), Fault> {
        let transaction = begin(&self.connection)?;
        for ValuesRow { at, record } in rows {
            let (job, chunk, generation) = columns(at.key);
            let mut insert = transaction.prepare_cached(
                "INSERT OR IGNORE INTO parameter_values
                     (job, chunk, generation, evaluation, part, record)
                 SELECT id, ?2, ?3, ?4, ?5, ?6 FROM jobs
                 WHERE uid = ?1 AND state = 0 AND NOT EXISTS (SELECT 1 FROM outcomes
                     WHERE job = jobs.id AND chunk = ?2 AND generation = ?3)",
            )?;
            insert.execute((job, chunk, generation, at.id.to_bytes(), at.part, record))?;
        }
        Ok(transaction.commit()?)
    }
}

impl Reader<'_> {
    pub(super) fn values(&self, places: &[ValuesAt]) -> Result<Vec<Option<ValuesRecord>>, Fault> {
        let mut find = self.connection.prepare_cached(
            "SELECT record FROM parameter_values
             WHERE job = (SELECT id FROM jobs WHERE uid = ?1) AND chunk = ?2 AND generation = ?3
                 AND evaluation = ?4 AND part = ?5",
        )?;
        let mut found = Vec::new();
        let mut bytes = 0;
        for at in places {
            let (job, chunk, generation) = columns(at.key);
            let key = (job, chunk, generation, at.id.to_bytes(), at.part);
            let record: Option<Vec<u8>> = find.query_row(key, |row| row.get(0)).optional()?;
            bytes += record.as_ref().map_or(0, Vec::len);
            if bytes > VALUES_PAGE_BYTES_MAX && !found.is_empty() {
                break;
            }
            let decode = |record: Vec<u8>| {
                wire::decode(&record).map_err(|cause| Fault::Record { job: at.key.job, cause })
            };
            found.push(record.map(decode).transpose()?);
        }
        Ok(found)
    }
}

fn columns(key: IdempotencyKey) -> ([u8; 16], i64, u32) {
    (*key.job.as_bytes(), key.chunk.0.cast_signed(), key.generation.0)
}

/// Removes what other evaluations of a chunk stored than the one that its outcome names.
pub(super) fn remove_others(
    connection: &Connection,
    (job, chunk, generation): (i64, i64, u32),
    named: ValuesId,
) -> Result<(), Fault> {
    let mut remove = connection.prepare_cached(REMOVE_OTHERS)?;
    remove.execute((job, chunk, generation, named.to_bytes()))?;
    Ok(())
}

/// Removes some of what a purged job kept; true if there may be more.
pub(super) fn remove_some(connection: &Connection, job: i64) -> Result<bool, Fault> {
    let mut remove = connection.prepare_cached(
        "DELETE FROM parameter_values WHERE id IN
             (SELECT id FROM parameter_values WHERE job = ?1 LIMIT ?2)",
    )?;
    Ok(remove.execute((job, REMOVAL_RECORDS))? > 0)
}
