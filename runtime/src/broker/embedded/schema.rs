//! The tables, and whose file it is.

use super::fault::Fault;

/// Marks our files (`PRAGMA application_id`): "TTG" and the kind of store.
pub(super) const APPLICATION_ID: i32 = 0x5454_4701;

/// The version of [`TABLES`] (`PRAGMA user_version`). A store of a newer one is refused.
pub(super) const VERSION: i32 = 2;

/// Whether the first bytes of a file are those of a store that this build reads: the header of the
/// [SQLite file format](https://www.sqlite.org/fileformat.html#the_database_header).
pub(super) fn check_header(header: &[u8]) -> Result<(), Fault> {
    let number = |at: usize| -> Option<i32> {
        let bytes = header.get(at..at + 4)?.try_into().ok()?;
        Some(i32::from_be_bytes(bytes))
    };
    let (Some(version), Some(application)) = (number(60), number(68)) else {
        return Err(Fault::Foreign("ttg.db there is no database".to_owned()));
    };
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(Fault::Foreign("ttg.db there is no database".to_owned()));
    }
    if application != APPLICATION_ID {
        return Err(Fault::Foreign(
            "ttg.db there is the database of another application".to_owned(),
        ));
    }
    check_version(version)
}

/// Whether this build reads this version.
pub(super) fn check_version(version: i32) -> Result<(), Fault> {
    if version == VERSION {
        return Ok(());
    }
    Err(Fault::Foreign(format!(
        "ttg.db there has version {version}, this build reads version {VERSION}"
    )))
}

/// A chunk that was never leased is no row of its own: the original cut is published in runs, and
/// a million fresh chunks are one row of `runs` for each batch that published them. A chunk becomes
/// a row of `tasks` when it is leased, and loses it when it is settled, so that `tasks` stays as
/// small as what is in flight or waits for another attempt. What is no such stretch of the cut
/// (replays, chunks published ahead of a gap) is a row of `tasks` from the start.
///
/// - `open` counts a job's unsettled chunks, in runs and in `tasks`.
/// - `due` is boot time in nanoseconds: when a waiting chunk may be delivered, when a lease ends.
///   Runs are due in the order of their ids.
/// - `owner` is who leased a chunk; null while it waits. `fence` counts its deliveries.
/// - `nacked` is 1 if the last delivery ended with a failure. `suspect` is 1 if a delivery before the
///   present one ended without a word, and none since with a failure.
/// - `first` and `stop` are null where the job's cut tells them.
/// - `id` of an outcome is its job's id and its number within the job
///   ([`outcome_id`](super::wire::outcome_id)), so that a job's outcomes are read and removed as
///   one stretch.
/// - Of a chunk in `parameter_values` those rows count whose `evaluation` its outcome names; once there
///   is one, there are no others.
/// - `dead` of an outcome of the original cut is 1 while no parameter of it completed, here or in
///   a replay.
pub(super) const TABLES: &str = "
    CREATE TABLE machine (boot TEXT NOT NULL) STRICT;

    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        uid BLOB UNIQUE,
        name TEXT UNIQUE,
        state INTEGER NOT NULL DEFAULT 0,
        chunks INTEGER NOT NULL,
        parameters INTEGER NOT NULL,
        published INTEGER NOT NULL DEFAULT 0,
        open INTEGER NOT NULL DEFAULT 0,
        outcomes INTEGER NOT NULL DEFAULT 0,
        chunks_completed INTEGER NOT NULL DEFAULT 0,
        chunks_dead INTEGER NOT NULL DEFAULT 0,
        parameters_completed INTEGER NOT NULL DEFAULT 0,
        parameters_dead INTEGER NOT NULL DEFAULT 0,
        redelivered INTEGER NOT NULL DEFAULT 0,
        duplicates_dropped INTEGER NOT NULL DEFAULT 0,
        last_commit INTEGER,
        record BLOB NOT NULL
    ) STRICT;
    CREATE INDEX purged ON jobs (id) WHERE state = 2;

    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        job INTEGER NOT NULL,
        next INTEGER NOT NULL,
        stop INTEGER NOT NULL,
        due INTEGER NOT NULL,
        trace BLOB
    ) STRICT;
    CREATE INDEX runs_of ON runs (job);

    CREATE TABLE tasks (
        job INTEGER NOT NULL,
        chunk INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        due INTEGER NOT NULL,
        owner INTEGER,
        fence INTEGER NOT NULL DEFAULT 0,
        nacked INTEGER NOT NULL DEFAULT 0,
        suspect INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        silent_deliveries INTEGER NOT NULL DEFAULT 0,
        give_backs INTEGER NOT NULL DEFAULT 0,
        first INTEGER,
        stop INTEGER,
        failure BLOB,
        trace BLOB,
        PRIMARY KEY (job, chunk, generation)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX waiting ON tasks (due, job, chunk, generation) WHERE owner IS NULL;
    CREATE INDEX leased ON tasks (due, job, chunk, generation, owner) WHERE owner IS NOT NULL;

    CREATE TABLE outcomes (
        id INTEGER PRIMARY KEY,
        job INTEGER NOT NULL,
        chunk INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        dead INTEGER NOT NULL,
        record BLOB NOT NULL,
        UNIQUE (job, chunk, generation)
    ) STRICT;

    CREATE TABLE parameter_values (
        id INTEGER PRIMARY KEY,
        job INTEGER NOT NULL,
        chunk INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        evaluation BLOB NOT NULL,
        part INTEGER NOT NULL,
        record BLOB NOT NULL,
        UNIQUE (job, chunk, generation, evaluation, part)
    ) STRICT;

    CREATE TABLE workers (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        seen INTEGER NOT NULL,
        beat BLOB
    ) STRICT;
";

/// `jobs.state`: parameters may be unsettled. The statements of [`super::sql`] say 0.
pub(super) const RUNNING: i64 = 0;
/// `jobs.state`: stopped by a user.
pub(super) const CANCELLED: i64 = 1;
/// `jobs.state`: nameless, being removed.
pub(super) const PURGED: i64 = 2;
