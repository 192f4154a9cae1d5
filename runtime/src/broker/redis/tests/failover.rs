//! A master dies, its replica takes its place, and sentinels know.

use super::*;
use crate::broker::{JobState, Renewed};

const LEASE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn consumers_follow_the_sentinels_to_the_new_master() {
    let mut master = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
    let port = master.port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
    while !replica.ask(&["INFO", "replication"]).contains("master_link_status:up") {}
    let sentinel = RedisServer::sentinel_of(&master);
    let url = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port());
    let broker = RedisBroker::connect(RedisConfig { url, ..config(&master, "a", LEASE) });
    let broker = broker.await.unwrap();
    let job = submit(&broker, "sweep", 2).await;
    let held = receive(&broker, 1, PATIENCE).await;
    // Both know the replica, and it has everything.
    while !sentinel.ask(&["SENTINEL", "REPLICAS", "main"]).contains("slave") {}
    let mut wait = redis::cmd("WAIT");
    wait.arg(1).arg(3_000);
    assert_eq!(broker.link.query::<i64>(&wait).await.unwrap(), 1);
    master.kill();

    let renewed = insist(async || broker.renew(&[held[0].receipt]).await).await;
    assert_eq!(renewed, [Renewed::Held]);
    assert_eq!(complete(&broker, &held[0]).await, Committed::First);
    let rest = insist(async || broker.receive(NonZeroU32::MIN, PATIENCE).await).await;
    assert_eq!(complete(&broker, &rest[0]).await, Committed::First);
    let progress = broker.progress(job.uid).await.unwrap().unwrap();
    assert_eq!((progress.state, progress.chunks.redelivered), (JobState::Complete, 0));
    assert!(replica.ask(&["ROLE"]).starts_with("master"));
}
