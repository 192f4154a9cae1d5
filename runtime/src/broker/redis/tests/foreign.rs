//! What is not TTG's, in its keys and beside them.

use super::*;
use crate::broker::JobState;
use crate::error::BrokerError;
use crate::wire;

const LEASE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_is_no_message_is_set_aside_with_its_bytes() {
    let server = RedisServer::start();
    let broker = connect(&server, "a", LEASE).await;
    let other = connect(&server, "b", LEASE).await;
    let garbage = [
        &["any", "thing"][..],
        &["j", "short", "c", "0", "g", "0", "m", "x"],
        &["j", "0123456789abcdef0123456789abcdef", "c", "1e9", "g", "0", "m", "x"],
    ];
    for fields in garbage {
        server.ask(&[&["XADD", "ttg:tasks", "*"], fields].concat());
    }
    let job = submit(&broker, "sweep", 2).await;
    let uid = job.uid.to_string();
    // Of a real job, and not what a chunk is; of another chunk.
    let message = String::from_utf8_lossy(b"\x01junk").into_owned();
    server.ask(&["XADD", "ttg:tasks", "*", "j", &uid, "c", "0", "g", "7", "m", &message]);
    server.ask(&["XADD", "ttg:tasks", "*", "j", &uid, "c", "0", "g", "8", "m", ""]);
    let deliveries = receive(&broker, 9, Duration::ZERO).await;
    assert_eq!(deliveries.len(), 2);
    assert_eq!(server.ask(&["XLEN", "ttg:tasks"]), "2");
    assert_eq!(server.ask(&["XLEN", "ttg:tasks:dlq"]), "5");
    let kept = server.ask(&["XRANGE", "ttg:tasks:dlq", "-", "+"]);
    assert!(kept.contains("junk") && kept.contains("thing"), "{kept}");
    for delivery in &deliveries {
        assert_eq!(complete(&broker, delivery).await, Committed::First);
    }
    assert_eq!(receive(&other, 9, Duration::ZERO).await, []);
    let progress = broker.progress(job.uid).await.unwrap().unwrap();
    assert_eq!(progress.state, JobState::Complete);
}

#[tokio::test]
async fn a_chunk_whose_message_was_spoilt_comes_back_with_the_next_submission() {
    let server = RedisServer::start();
    let broker = connect(&server, "a", LEASE).await;
    let job = job("sweep", 3, 4);
    broker.register(&job).await.unwrap();
    broker.publish(&cut(&job)[..1]).await.unwrap();
    let uid = job.uid.to_string();
    let entry = server.ask(&["--raw", "XRANGE", "ttg:tasks", "-", "+"]);
    let id = entry.lines().next().unwrap();
    server.ask(&["XDEL", "ttg:tasks", id]);
    server.ask(&["XADD", "ttg:tasks", "*", "j", &uid, "c", "0", "g", "0", "m", "spoilt"]);
    broker.publish(&cut(&job)[1..]).await.unwrap();
    assert_eq!(receive(&broker, 9, Duration::ZERO).await.len(), 2);
    let progress = broker.progress(job.uid).await.unwrap().unwrap();
    assert_eq!(progress.published, 0);
    assert_eq!((progress.chunks.ready, progress.chunks.in_flight), (0, 2));
    let published = broker.publish(&cut(&job)).await.unwrap();
    assert_eq!((published.added, published.present), (1, 2));
    assert_eq!(receive(&broker, 9, Duration::ZERO).await.len(), 1);
    assert_eq!(broker.progress(job.uid).await.unwrap().unwrap().published, 3);
}

/// As it is when the server has lost that the chunk was taken off the stream, and not its outcome.
#[tokio::test]
async fn an_entry_of_a_settled_chunk_is_dropped_and_not_delivered() {
    let server = RedisServer::start();
    let broker = connect(&server, "a", LEASE).await;
    let job = submit(&broker, "sweep", 2).await;
    let copy = "local entry = redis.call('XRANGE', KEYS[1], '-', '+')[1]
                redis.call('XADD', KEYS[1], '*', unpack(entry[2]))";
    server.ask(&["EVAL", copy, "1", "ttg:tasks"]);
    let first = receive(&broker, 1, Duration::ZERO).await;
    assert_eq!(complete(&broker, &first[0]).await, Committed::First);
    let rest = receive(&broker, 9, Duration::ZERO).await;
    let numbers: Vec<_> = rest.iter().map(|delivery| delivery.chunk.key.chunk.0).collect();
    assert_eq!(numbers, [1]);
    assert_eq!(complete(&broker, &rest[0]).await, Committed::First);
    assert_eq!(server.ask(&["XLEN", "ttg:tasks"]), "0");
    let progress = broker.progress(job.uid).await.unwrap().unwrap();
    assert_eq!((progress.state, progress.chunks.in_flight), (JobState::Complete, 0));
}

#[tokio::test]
async fn a_key_of_another_type_is_told_before_anything_is_written() {
    let server = RedisServer::start();
    server.ask(&["SET", "ttg:tasks", "mine"]);
    let refused = RedisBroker::connect(config(&server, "a", LEASE)).await;
    assert!(matches!(refused, Err(BrokerError::Foreign { .. })));
    assert_eq!(server.ask(&["KEYS", "*"]), "ttg:tasks");
}

#[tokio::test]
async fn a_purge_removes_its_own_keys_and_a_finished_job_has_few() {
    let server = RedisServer::start();
    let keys = || {
        let keys = server.ask(&["--raw", "KEYS", "*"]);
        let mut keys: Vec<_> = keys.lines().map(str::to_owned).collect();
        keys.sort();
        keys
    };
    for foreign in ["ttg:mine", "other", "ttg2:tasks"] {
        server.ask(&["SET", foreign, "1"]);
    }
    let foreign = keys();
    let broker = connect(&server, "a", LEASE).await;
    let job = submit(&broker, "sweep", 4).await;
    let deliveries = receive(&broker, 4, Duration::ZERO).await;
    let dead = outcome(&deliveries[0].chunk, &broker.worker, &[1_000]);
    broker.commit(&[(deliveries[0].receipt, dead)]).await.unwrap();
    for delivery in &deliveries[1..] {
        assert_eq!(complete(&broker, delivery).await, Committed::First);
    }
    assert_eq!(server.ask(&["XLEN", "ttg:tasks"]), "0");
    assert!(server.ask(&["XRANGE", "ttg:tasks:dlq", "-", "+"]).contains("it has no half"));
    let of_job: Vec<_> =
        keys().into_iter().filter(|key| key.contains(&job.uid.to_string())).collect();
    assert_eq!(of_job.len(), 2, "{of_job:?}");

    assert_eq!(broker.purge_all().await.unwrap(), 1);
    assert_eq!(keys(), foreign);
}

#[tokio::test]
async fn a_job_whose_record_is_damaged_is_told_and_can_be_purged() {
    let server = RedisServer::start();
    let broker = connect(&server, "a", LEASE).await;
    let (damaged, well) = (submit(&broker, "damaged", 1).await, submit(&broker, "well", 1).await);
    server.ask(&["HSET", &format!("ttg:job:{}", damaged.uid), "record", "junk"]);
    assert_eq!(broker.jobs().await.unwrap(), [well]);
    let told = broker.job(&damaged.name).await;
    assert!(matches!(told, Err(BrokerError::Record { job, .. }) if job == damaged.uid));
    assert_eq!(broker.purge_all().await.unwrap(), 2);
}

#[test]
fn the_longest_message_is_what_a_record_may_have() {
    // `receive.lua` says it in a number of its own.
    let script = include_str!("../lua/receive.lua");
    assert!(script.contains(&format!("> {}", wire::RECORD_BYTES_MAX)));
}
