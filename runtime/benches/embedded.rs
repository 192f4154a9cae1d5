//! How much of a chunk's life is the adapter, and how much is `SQLite`? Lives of one-parameter
//! chunks (published, leased, committed) through the embedded broker beside a bare loop of the same
//! statements in the same batches, in turns.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use ttg_runtime::broker::conformance::{cut, outcome, worker};
use ttg_runtime::broker::{EmbeddedBroker, EmbeddedConfig};
use ttg_runtime::{Broker, JobRecord, SystemClock, wire};

#[path = "lives/race.rs"]
mod race;
#[path = "../src/broker/embedded/sql.rs"]
mod sql;

use race::{CHUNKS, CREDIT, PUBLISH_BATCH, race, through, timed};

fn main() {
    race("bare SQL", CHUNKS, &through_the_adapter, &bare_loop);
}

async fn connect(folder: &Path) -> EmbeddedBroker {
    let config = EmbeddedConfig {
        dir: folder.to_owned(),
        worker: worker("bench"),
        lease: Duration::from_secs(10),
        clock: Arc::new(SystemClock),
    };
    EmbeddedBroker::connect(config).await.expect("connect")
}

async fn through_the_adapter(job: &JobRecord) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = connect(folder.path()).await;
    through(&broker, job, || {}).await
}

async fn bare_loop(job: &JobRecord) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    // The adapter makes the tables and the job.
    let broker = connect(folder.path()).await;
    broker.register(job).await.expect("register");
    drop(broker);
    let connection = Connection::open(folder.path().join("ttg.db")).expect("open");
    let pragmas = connection.execute_batch(sql::WRITER_PRAGMAS);
    pragmas.expect("pragmas");
    connection.set_prepared_statement_cache_capacity(64);
    let record = wire::encode(&outcome(&cut(job)[0], &worker("bench"), &[]));
    let mut total = Duration::ZERO;
    let lives = async { live(&connection, &record) };
    timed(&mut total, lives).await.expect("bare SQL");
    total
}

/// Row id of the job.
const JOB: i64 = 1;

/// What the adapter asks of `SQLite` for the same chunks, and no more.
fn live(connection: &Connection, record: &[u8]) -> rusqlite::Result<()> {
    let now = 1_i64 << 50;
    let batch = i64::try_from(PUBLISH_BATCH).expect("small");
    for first in (0..CHUNKS.cast_signed()).step_by(PUBLISH_BATCH) {
        let transaction = begin(connection)?;
        find_job(&transaction)?;
        let stop = first + batch;
        let run = (JOB, first, stop, now, None::<Vec<u8>>);
        execute(&transaction, sql::INSERT_RUN, run)?;
        execute(&transaction, sql::COUNT_PUBLISHED, (JOB, stop, batch))?;
        transaction.commit()?;
    }
    let mut outcomes = 0;
    loop {
        let taken = lease(connection, now)?;
        if taken.is_empty() {
            return Ok(());
        }
        let transaction = begin(connection)?;
        find_job(&transaction)?;
        for chunk in &taken {
            outcomes += 1;
            let row = params![(JOB << 36) | outcomes, JOB, chunk, 0, 0, record];
            execute(&transaction, sql::INSERT_OUTCOME, row)?;
            execute(&transaction, sql::REMOVE_TASK, (JOB, chunk, 0))?;
        }
        let done = i64::try_from(taken.len()).expect("small");
        let count = (JOB, outcomes, done, done, 0, done, 0, 0, now);
        execute(&transaction, sql::COUNT_COMMITTED, count)?;
        transaction.commit()?;
    }
}

fn lease(connection: &Connection, now: i64) -> rusqlite::Result<Vec<i64>> {
    let (owner, until) = (1, now + 10_000_000_000);
    let transaction = begin(connection)?;
    let mut taken = Vec::new();
    let mut left = i64::from(CREDIT.get());
    while left > 0 {
        let mut oldest = transaction.prepare_cached(sql::OLDEST_RUN)?;
        let mut runs = oldest.query([])?;
        let Some(run) = runs.next()? else { break };
        let (id, next, end): (i64, i64, i64) = (run.get(0)?, run.get(2)?, run.get(3)?);
        drop(runs);
        let stop = end.min(next + left);
        if stop == end {
            execute(&transaction, sql::REMOVE_RUN, [id])?;
        } else {
            execute(&transaction, sql::SHORTEN_RUN, (id, stop))?;
        }
        let mut settled = transaction.prepare_cached(sql::SETTLED_WITHIN)?;
        assert!(!settled.exists((JOB, next, stop))?, "none is settled yet");
        let leases = (JOB, next, stop, until, owner, None::<Vec<u8>>);
        execute(&transaction, sql::LEASE_FRESH, leases)?;
        taken.extend(next..stop);
        left -= stop - next;
    }
    transaction.commit()?;
    Ok(taken)
}

fn find_job(connection: &Connection) -> rusqlite::Result<bool> {
    let mut find = connection.prepare_cached(sql::RUNNING_JOB)?;
    find.exists([[0_u8; 16]])
}

fn execute(
    connection: &Connection,
    statement: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute(values)?;
    Ok(())
}

fn begin(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
}
