//! The statements that the life of every chunk runs, and how a connection is set up. The bench
//! compiles this file too, so that its bare loop runs the same statements as the adapter.

/// How every connection that writes is set up.
///
/// `synchronous = NORMAL`: a commit is in the operating system's hands when it returns, so that
/// `kill -9` loses nothing; a loss of power may take back the newest transactions, but each takes
/// its outcome and its settlement together, so that the chunk is computed again. What must outlive
/// a loss of power is flushed.
///
/// The page cache (8 MiB) is most of what a connection holds in memory. The log is copied into the
/// file every 4 MiB and cut back to 16 MiB after a peak.
pub(super) const WRITER_PRAGMAS: &str = "
    PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -8192;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;
    PRAGMA wal_autocheckpoint = 1000;
    PRAGMA journal_size_limit = 16777216;
";

/// A running job by its uid.
pub(super) const RUNNING_JOB: &str =
    "SELECT id, published, outcomes FROM jobs WHERE uid = ?1 AND state = 0";

/// Adds a run of fresh chunks.
pub(super) const INSERT_RUN: &str =
    "INSERT INTO runs (job, next, stop, due, trace) VALUES (?1, ?2, ?3, ?4, ?5)";

/// Counts what a publish added.
pub(super) const COUNT_PUBLISHED: &str =
    "UPDATE jobs SET published = ?2, open = open + ?3 WHERE id = ?1";

/// The run that is due the longest. The empty list is for jobs that are passed over.
pub(super) const OLDEST_RUN: &str = "SELECT id, job, next, stop, due, trace FROM runs
     WHERE job NOT IN () ORDER BY id LIMIT 1";

/// Takes chunks off the start of a run.
pub(super) const SHORTEN_RUN: &str = "UPDATE runs SET next = ?2 WHERE id = ?1";

/// Removes a run whose last chunk is leased.
pub(super) const REMOVE_RUN: &str = "DELETE FROM runs WHERE id = ?1";

/// Chunks of a stretch of a job's original cut that have an outcome.
pub(super) const SETTLED_WITHIN: &str = "
    SELECT chunk FROM outcomes
    WHERE job = ?1 AND chunk >= ?2 AND chunk < ?3 AND generation = 0 ORDER BY chunk";

/// Leases a stretch of fresh chunks, all for the first time.
pub(super) const LEASE_FRESH: &str = "
    WITH RECURSIVE stretch (chunk) AS (
        SELECT ?2 UNION ALL SELECT chunk + 1 FROM stretch WHERE chunk + 1 < ?3
    )
    INSERT INTO tasks (job, chunk, generation, due, owner, fence, trace)
    SELECT ?1, chunk, 0, ?4, ?5, 1, ?6 FROM stretch";

/// Stores an outcome, unless its key has one.
pub(super) const INSERT_OUTCOME: &str = "
    INSERT OR IGNORE INTO outcomes (id, job, chunk, generation, dead, record)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// Removes a settled chunk.
pub(super) const REMOVE_TASK: &str =
    "DELETE FROM tasks WHERE job = ?1 AND chunk = ?2 AND generation = ?3";

/// Adds a batch of outcomes to the books of its job.
pub(super) const COUNT_COMMITTED: &str = "
    UPDATE jobs SET
        outcomes = ?2,
        open = open - ?3,
        chunks_completed = chunks_completed + ?4,
        chunks_dead = chunks_dead + ?5,
        parameters_completed = parameters_completed + ?6,
        parameters_dead = max(0, parameters_dead + ?7),
        duplicates_dropped = duplicates_dropped + ?8,
        last_commit = max(ifnull(last_commit, 0), ifnull(?9, 0))
    WHERE id = ?1";
