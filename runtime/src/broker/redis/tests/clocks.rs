//! A server whose wall clock is stepped, as an administrator or a failover does.

use super::*;
use crate::broker::conformance::{SteppedClock, failure};
use crate::broker::{Nack, Renewed, Settled};

const LEASE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_hours(1);

fn start() -> RedisServer {
    RedisServer::start_by(SteppedClock::new(), &["--appendonly", "no"])
}

/// Seconds, as the server tells them.
fn time_of(server: &RedisServer) -> u64 {
    server.ask(&["--raw", "TIME"]).lines().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn after_a_step_back_what_is_due_does_not_wait_for_the_clock() {
    let server = start();
    let (a, b) = (connect(&server, "a", LEASE).await, connect(&server, "b", LEASE).await);
    submit(&a, "sweep", 2).await;
    let held = receive(&a, 2, Duration::ZERO).await;
    let retry_in = Duration::from_millis(300);
    let nack = Nack { receipt: held[1].receipt, retry_in, failure: failure("it failed") };
    assert_eq!(a.nack(&[nack]).await.unwrap(), [Settled::Applied]);
    let before = time_of(&server);
    server.clock().back(STEP);
    assert!(time_of(&server) < before, "the clock is stepped");
    submit(&a, "later", 1).await;
    // What was never delivered, what was to be tried again, what nobody renews.
    for (chunk, failures, silent_deliveries) in [(0, 0, 0), (1, 1, 0), (0, 0, 1)] {
        let due = receive(&b, 1, PATIENCE).await.pop().expect("something is due");
        let counters = due.chunk.counters;
        let found = (due.chunk.key.chunk.0, counters.failures, counters.silent_deliveries);
        assert_eq!(found, (chunk, failures, silent_deliveries));
        assert_eq!(complete(&b, &due).await, Committed::First);
    }
}

#[tokio::test]
async fn a_clock_that_was_wrong_and_is_set_right_delays_nothing() {
    let server = start();
    let (a, b) = (connect(&server, "a", LEASE).await, connect(&server, "b", LEASE).await);
    submit(&a, "sweep", 1).await;
    let held = receive(&a, 1, Duration::ZERO).await;
    assert_eq!(receive(&b, 1, Duration::ZERO).await, []);
    server.clock().forward(STEP);
    assert_eq!(receive(&b, 1, Duration::ZERO).await, [], "it is patient for a lease");
    server.clock().back(STEP);
    let taken = receive(&b, 1, PATIENCE).await;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].chunk.key, held[0].chunk.key);
    assert_eq!(taken[0].chunk.counters.silent_deliveries, 1);
}

#[tokio::test]
async fn after_a_step_forward_everybody_has_what_he_held() {
    let server = start();
    let (a, b) = (connect(&server, "a", LEASE).await, connect(&server, "b", LEASE).await);
    submit(&a, "sweep", 2).await;
    let held = receive(&a, 1, Duration::ZERO).await;
    let other = receive(&b, 1, Duration::ZERO).await;
    assert_eq!((held.len(), other.len()), (1, 1));
    server.clock().forward(STEP);
    // One that comes first does not hide from the others what happened.
    assert_eq!(b.renew(&[other[0].receipt]).await.unwrap(), [Renewed::Held]);
    assert_eq!(receive(&b, 1, LEASE / 2).await, []);
    assert_eq!(a.renew(&[held[0].receipt]).await.unwrap(), [Renewed::Held]);
    for (broker, delivery) in [(&a, &held[0]), (&b, &other[0])] {
        assert_eq!(complete(broker, delivery).await, Committed::First);
    }
}

#[tokio::test]
async fn who_waits_while_the_clock_is_stepped_back_waits_no_hour() {
    let server = start();
    let broker = connect(&server, "a", LEASE).await;
    let waiting = tokio::spawn({
        let broker = broker.clone();
        async move { receive(&broker, 1, Duration::from_secs(1)).await }
    });
    while !server.ask(&["INFO", "clients"]).contains("blocked_clients:1") {
        tokio::task::yield_now().await;
    }
    server.clock().back(STEP);
    assert_eq!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap(), []);
}
