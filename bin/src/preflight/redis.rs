//! Whether the Redis server is there, lets TTG do its work, and keeps what it is given.

use ttg_runtime::broker::RedisHealth;
use ttg_runtime::{Broker, JobUid, SystemRandomness, WorkerId};

use super::store::failed;
use crate::broker::ServerPlace;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::Finding;
use crate::settings::{ChunkSize, JobSettings, LEASE_UNUSED};

const MIB: u64 = 1 << 20;

/// Bytes of the server's memory that a chunk takes, as it waits and as its outcome is kept:
/// measured, and rounded up.
const BYTES_PER_CHUNK: u64 = 1_024;

/// What a value takes of it, of a kernel with one column.
const BYTES_PER_VALUE: u64 = 8;

/// The most chunks of a job whose chunk size is left to TTG.
const CHUNKS_AUTO: u64 = 100_000;

pub(crate) async fn redis(place: &ServerPlace, job: Option<&JobSettings>) -> Vec<Finding> {
    match look(place).await {
        Ok(health) => {
            let version = &health.version;
            let reached =
                Finding::ok("broker", format!("the server (version {version}) can be used"));
            vec![reached, eviction(&health), log(&health), memory(&health, job)]
        }
        Err(error) => vec![failed("broker", &error)],
    }
}

/// Connects as a worker does, and calls a script that would write.
async fn look(place: &ServerPlace) -> Result<RedisHealth, CommandError> {
    let checker = WorkerId::fresh("check", &SystemRandomness);
    let broker = place.redis(checker, LEASE_UNUSED).await?;
    let doing = "the broker could not be used";
    // There is no such job, so that nothing is changed.
    let nobody = JobUid::fresh(&SystemRandomness);
    broker.cancel(nobody).await.map_err(CommandError::broker(doing))?;
    broker.health().await.map_err(CommandError::broker(doing))
}

fn eviction(health: &RedisHealth) -> Finding {
    const CHECK: &str = "eviction";
    let policy = &health.eviction;
    match (policy.as_str(), health.memory_max) {
        ("noeviction", _) => Finding::ok(CHECK, "nothing is removed for want of memory".to_owned()),
        // With a limit, such a server is refused when it is connected to.
        (_, 0) => {
            let found =
                format!("maxmemory-policy is {policy}, which removes nothing without a limit");
            Finding::warning(
                CHECK,
                found,
                "set `maxmemory-policy noeviction` before a limit is set",
            )
        }
        _ => {
            let found = format!("maxmemory-policy is {policy}: it removes keys that are to expire");
            Finding::warning(CHECK, found, "set `maxmemory-policy noeviction`; TTG's do not expire")
        }
    }
}

fn log(health: &RedisHealth) -> Finding {
    const CHECK: &str = "durability";
    if !health.has_log {
        let found = "the server keeps no log of writes (appendonly no)".to_owned();
        let remedy = "set `appendonly yes`, or a restart of the server loses jobs";
        return Finding::warning(CHECK, found, remedy);
    }
    if !health.log_is_well {
        let found = "the server could not write its log".to_owned();
        let remedy = "look at its disk, and at its own log".to_owned();
        return Finding::error(CHECK, found, Some(remedy), Exit::Unavailable);
    }
    Finding::ok(CHECK, "the server keeps a log of writes".to_owned())
}

fn memory(health: &RedisHealth, job: Option<&JobSettings>) -> Finding {
    const CHECK: &str = "memory";
    let chunks = job.map(|job| match job.chunk_size {
        ChunkSize::Fixed(size) => job.parameters.len().div_ceil(size.get()),
        ChunkSize::Auto => job.parameters.len().min(CHUNKS_AUTO),
    });
    let values = job.map_or(0, |job| if job.values { job.parameters.len() } else { 0 });
    let bytes = |chunks: u64| {
        chunks
            .saturating_mul(BYTES_PER_CHUNK)
            .saturating_add(values.saturating_mul(BYTES_PER_VALUE))
    };
    let wanted = chunks.map(|chunks| bytes(chunks) / MIB);
    let takes = wanted.map_or_else(String::new, |mib| format!("; this job takes up to {mib} MiB"));
    if health.memory_max == 0 {
        return Finding::ok(CHECK, format!("the server has no limit{takes}"));
    }
    let free = health.memory_max.saturating_sub(health.memory_used) / MIB;
    let found = format!("{free} MiB are free{takes}");
    if wanted.unwrap_or_default() >= free {
        let remedy = "raise `maxmemory`, purge jobs, or submit with a larger --chunk-size";
        return Finding::error(CHECK, found, Some(remedy.to_owned()), Exit::Unavailable);
    }
    Finding::ok(CHECK, found)
}
