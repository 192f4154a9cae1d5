//! How much of a chunk's life is the adapter, and how much is the server? Lives of one-parameter
//! chunks (published, leased, committed) through the Redis broker beside a bare client that does
//! the same operations in the same batches, in turns; and what a chunk takes of the server's memory.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use ttg_runtime::broker::conformance::{cut, job, outcome, worker};
use ttg_runtime::broker::{RedisBroker, RedisConfig, RedisServer};
use ttg_runtime::{Broker, Delivery, JobRecord, wire};

const CHUNKS: u64 = 100_000;
const PUBLISH_BATCH: usize = 1_000;
const CREDIT: NonZeroU32 = NonZeroU32::new(1_000).expect("not zero");
const ROUNDS: u32 = 5;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let job = job("bench", CHUNKS, 1);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let (adapter, client) =
            runtime.block_on(async { (through_the_adapter(&job).await, bare_client(&job).await) });
        report(&format!("round {round}"), adapter, client);
        ours.push(adapter);
        bare.push(client);
    }
    report("median", median(ours), median(bare));
}

#[expect(clippy::print_stdout, reason = "a bench tells its figures")]
fn report(what: &str, adapter: Duration, client: Duration) {
    let [adapter, client] = [adapter, client].map(|time| CHUNKS as f64 / time.as_secs_f64());
    let ratio = adapter / client;
    println!(
        "{what}: adapter {adapter:.0} lives/s, bare client {client:.0} lives/s, ratio {ratio:.2}"
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Adds how long `work` takes to `total`.
async fn timed<T>(total: &mut Duration, work: impl Future<Output = T>) -> T {
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    let started = Instant::now();
    let done = work.await;
    *total += started.elapsed();
    done
}

/// As users should have it: with a log of writes.
fn server() -> RedisServer {
    RedisServer::start_with(&["--appendonly", "yes"])
}

/// The time inside the broker's calls: making chunks and outcomes is not counted, encoding is.
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
    broker.register(job).await.expect("register");
    let mut total = Duration::ZERO;
    for batch in cut(job).chunks(PUBLISH_BATCH) {
        let publish = broker.publish(batch);
        timed(&mut total, publish).await.expect("publish");
    }
    tell_memory("waits", &server);
    loop {
        let receive = broker.receive(CREDIT, Duration::ZERO);
        let deliveries = timed(&mut total, receive).await.expect("receive");
        if deliveries.is_empty() {
            tell_memory("is settled", &server);
            return total;
        }
        let settle = |delivery: &Delivery| {
            let outcome = outcome(&delivery.chunk, &worker("bench"), &[]);
            (delivery.receipt, outcome)
        };
        let outcomes: Vec<_> = deliveries.iter().map(settle).collect();
        let commit = broker.commit(&outcomes);
        timed(&mut total, commit).await.expect("commit");
    }
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
