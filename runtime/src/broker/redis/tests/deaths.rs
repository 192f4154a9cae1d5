//! Consumers that die, of which the server knows before their leases end.

use super::*;

const LEASE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn the_chunks_of_a_dead_consumer_are_taken_over_before_their_lease_ends() {
    let server = RedisServer::start();
    let (a, b) = (connect(&server, "a", LEASE).await, connect(&server, "b", LEASE).await);
    submit(&a, "sweep", 3).await;
    let held = receive(&a, 2, Duration::ZERO).await;
    let kept = receive(&b, 1, Duration::ZERO).await;
    assert_eq!((held.len(), kept.len()), (2, 1));
    drop(a);
    let taken = receive(&b, 9, PATIENCE).await;
    let keys = |deliveries: &[Delivery]| -> Vec<_> {
        deliveries.iter().map(|delivery| delivery.chunk.key).collect()
    };
    assert_eq!(keys(&taken), keys(&held));
    for delivery in &taken {
        assert!(delivery.suspect);
        assert_eq!(delivery.chunk.counters.silent_deliveries, 1);
    }
    assert_eq!(complete(&b, &kept[0]).await, Committed::First);
}

#[tokio::test]
async fn a_consumer_whose_connections_break_keeps_what_it_holds() {
    let server = RedisServer::start();
    let (a, b) = (connect(&server, "a", LEASE).await, connect(&server, "b", LEASE).await);
    submit(&a, "sweep", 1).await;
    let held = receive(&a, 1, Duration::ZERO).await;
    assert_eq!(held.len(), 1);
    server.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    // It lives, so that it asks again and again, as beats do.
    let renewed = insist(async || a.renew(&[held[0].receipt]).await);
    assert_eq!(renewed.await, [crate::broker::Renewed::Held]);
    let credit = NonZeroU32::MIN;
    // As long as it takes to notice a death.
    let taken = insist(async || b.receive(credit, Duration::from_secs(9)).await).await;
    assert_eq!(taken, []);
    assert_eq!(complete(&a, &held[0]).await, Committed::First);
}

#[tokio::test]
async fn consumers_are_forgotten_only_if_they_hold_nothing() {
    let server = RedisServer::start();
    let [spent, holder, watcher] =
        ["spent", "holder", "watcher"].map(|name| config(&server, name, LEASE));
    let spent = RedisBroker::connect(spent).await.unwrap();
    let holder = RedisBroker::connect(holder).await.unwrap();
    let watcher = RedisBroker::connect(watcher).await.unwrap();
    submit(&spent, "sweep", 2).await;
    let settled = receive(&spent, 1, Duration::ZERO).await;
    assert_eq!(complete(&spent, &settled[0]).await, Committed::First);
    let held = receive(&holder, 1, Duration::ZERO).await;
    assert_eq!(receive(&watcher, 1, Duration::ZERO).await, []);
    watcher.miss_dead(Duration::ZERO, Duration::ZERO).await.unwrap();
    let consumers = server.ask(&["--raw", "XINFO", "CONSUMERS", "ttg:tasks", "workers"]);
    let is_there = |name: &str| consumers.lines().any(|line| line == name);
    assert_eq!(["spent", "holder"].map(is_there), [false, true], "{consumers}");
    assert_eq!(complete(&holder, &held[0]).await, Committed::First);
    assert_eq!(receive(&spent, 1, Duration::ZERO).await, []);
}
