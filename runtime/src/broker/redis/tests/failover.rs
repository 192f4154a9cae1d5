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

/// A cluster of two nodes, each with half of the slots.
fn cluster() -> [RedisServer; 2] {
    let nodes = [(), ()].map(|()| RedisServer::start_with(&["--cluster-enabled", "yes"]));
    let halves = [("0", "8191"), ("8192", "16383")];
    for (node, (first, last)) in nodes.iter().zip(halves) {
        assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]), "OK");
    }
    nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &nodes[1].port().to_string()]);
    while !nodes.iter().all(|node| node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")) {}
    nodes
}

#[tokio::test]
async fn on_a_cluster_all_is_in_one_slot_and_its_node_is_found() {
    let nodes = cluster();
    let slot: u16 = nodes[0].ask(&["CLUSTER", "KEYSLOT", "{ttg}"]).parse().unwrap();
    let [home, other] = if slot < 8_192 { [0, 1] } else { [1, 0] };
    let broker = insist(|| RedisBroker::connect(config(&nodes[other], "a", LEASE))).await;
    let job = submit(&broker, "sweep", 3).await;
    let deliveries = receive(&broker, 2, Duration::ZERO).await;
    for delivery in &deliveries {
        assert_eq!(complete(&broker, delivery).await, Committed::First);
    }
    let near = connect(&nodes[home], "b", LEASE).await;
    // What is there wakes one that waits.
    let last = receive(&near, 1, PATIENCE).await;
    assert_eq!(complete(&near, &last[0]).await, Committed::First);
    let progress = broker.progress(job.uid).await.unwrap().unwrap();
    assert_eq!(progress.parameters.completed, 12);
    assert_eq!(nodes[home].ask(&["EXISTS", "{ttg}:tasks"]), "1");
    assert_eq!(nodes[other].ask(&["DBSIZE"]), "0");
    assert!(broker.purge(job.uid).await.unwrap());
    broker.purge_all().await.unwrap();
    assert_eq!(nodes[home].ask(&["DBSIZE"]), "0");
}
