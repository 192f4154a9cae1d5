//! How much of a chunk's life is the adapter, and how much is the server? Lives of one-parameter
//! chunks (published, leased, committed) through the Redis broker beside a bare client that does
//! the same operations in the same batches, in turns; and what a chunk takes of the server's memory.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use ttg_runtime::broker::conformance::{cut, outcome, worker};
use ttg_runtime::broker::{RedisBroker, RedisConfig, RedisServer};
use ttg_runtime::{JobRecord, wire};

#[path = "lives/race.rs"]
mod race;

use race::{CHUNKS, CREDIT, PUBLISH_BATCH, race, through, timed};

fn main() {
    race("bare client", CHUNKS, &through_the_adapter, &bare_client);
}

/// As users should have it: with a log of writes.
fn server() -> RedisServer {
    RedisServer::start_with(&["--appendonly", "yes"])
}

async fn through_the_adapter(job: &JobRecord) -> Duration {
    let server = server();
    let config = RedisConfig {
        url: server.url(),
        namespace: "ttg".to_owned(),
        authority: None,
        worker: worker("bench"),
        lease: Duration::from_secs(10),
    };
    let broker = RedisBroker::connect(config).await.expect("connect");
    let time = through(&broker, job, || tell_memory("waits", &server)).await;
    tell_memory("is settled", &server);
    time
}

#[expect(clippy::print_stdout, reason = "a bench tells its figures")]
fn tell_memory(what: &str, server: &RedisServer) {
    let info = server.ask(&["INFO", "memory"]);
    let used = info.lines().find_map(|line| line.trim().strip_prefix("used_memory:"));
    let used: u64 = used.and_then(|used| used.parse().ok()).expect("the server tells");
    println!("  a chunk that {what} takes {} bytes of the server", used / CHUNKS);
}

type Entries = Vec<(String, Vec<(String, Vec<Vec<u8>>)>)>;

async fn bare_client(job: &JobRecord) -> Duration {
    let server = server();
    let client = redis::Client::open(server.url()).expect("a URL");
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connection.expect("connect");
    let made: redis::RedisResult<()> = redis::cmd("XGROUP")
        .arg(&["CREATE", "tasks", "workers", "0", "MKSTREAM"])
        .query_async(&mut connection)
        .await;
    made.expect("a group");
    let message = wire::encode(&cut(job)[0]);
    let record = wire::encode(&outcome(&cut(job)[0], &worker("bench"), &[]));
    let uid = job.uid.to_string();
    let mut total = Duration::ZERO;
    timed(&mut total, live(&mut connection, &uid, &message, &record)).await.expect("bare");
    total
}

/// What the adapter asks of the server for the same chunks, and no more.
async fn live(
    connection: &mut MultiplexedConnection,
    uid: &str,
    message: &[u8],
    record: &[u8],
) -> redis::RedisResult<()> {
    for first in (0..CHUNKS).step_by(PUBLISH_BATCH) {
        let mut batch = redis::pipe();
        for chunk in first..first + PUBLISH_BATCH as u64 {
            batch.cmd("SETBIT").arg("published").arg(chunk).arg(1).ignore();
            batch.cmd("XADD").arg(&["tasks", "*", "j", uid, "c"]).arg(chunk);
            batch.arg(&["g", "0", "m"]).arg(message).ignore();
        }
        batch.cmd("HINCRBY").arg("job").arg("open").arg(PUBLISH_BATCH).ignore();
        batch.query_async::<()>(connection).await?;
    }
    loop {
        let mut read = redis::cmd("XREADGROUP");
        read.arg(&["GROUP", "workers", "bench", "COUNT"]).arg(CREDIT.get());
        read.arg(&["STREAMS", "tasks", ">"]);
        let entries: Option<Entries> = read.query_async(connection).await?;
        let Some(entries) = entries.and_then(|mut streams| streams.pop()) else { return Ok(()) };
        let mut look = redis::pipe();
        for (_, fields) in &entries.1 {
            look.cmd("GETBIT").arg("done").arg(&fields[3]);
        }
        look.cmd("HINCRBY").arg("job").arg("in_flight").arg(entries.1.len());
        look.query_async::<Vec<u64>>(connection).await?;
        let mut commit = redis::pipe();
        for (_, fields) in &entries.1 {
            commit.cmd("SETBIT").arg("done").arg(&fields[3]).arg(1).ignore();
            commit.cmd("XADD").arg(&["outcomes", "*", "o"]).arg(record).ignore();
        }
        let ids: Vec<&str> = entries.1.iter().map(|(id, _)| id.as_str()).collect();
        commit.cmd("XACK").arg("tasks").arg("workers").arg(&ids).ignore();
        commit.cmd("XDEL").arg("tasks").arg(&ids).ignore();
        for counter in ["settled", "completed", "parameters", "open", "in_flight", "outcomes"] {
            commit.cmd("HINCRBY").arg("job").arg(counter).arg(ids.len()).ignore();
        }
        commit.query_async::<()>(connection).await?;
    }
}
