use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::broker::conformance::{Harness, cut, failure, job, worker};
use crate::broker::{Broker, GiveBack, Nack, Renewed};
use crate::delivery::Credit;

crate::broker_conformance!(MemoryHarness);

const LEASE: Duration = Duration::from_secs(8);
const ONE: Credit = Credit::MIN;

/// A broker with one job of `chunks` published chunks.
async fn published(chunks: u64) -> (MemoryHarness, Arc<dyn Broker>) {
    let harness = MemoryHarness::start().await;
    let broker = harness.connect(worker("a"), LEASE).await;
    let job = job("memory", chunks, 1);
    broker.register(&job).await.unwrap();
    broker.publish(&cut(&job)).await.unwrap();
    (harness, broker)
}

#[tokio::test]
async fn a_waiting_receive_takes_over_a_lease_the_moment_it_ends() {
    let (harness, a) = published(1).await;
    let b = harness.connect(worker("b"), LEASE).await;
    a.receive(ONE, Duration::ZERO).await.unwrap();
    let moment = LEASE / 1_000;
    harness.elapse(moment * 999).await;
    assert_eq!(b.receive(ONE, Duration::ZERO).await.unwrap(), []);
    let (taken, ()) = tokio::join!(b.receive(ONE, LEASE * 100), harness.elapse(moment));
    assert!(taken.unwrap()[0].suspect);
    assert_eq!(harness.now().since(crate::Timestamp::default()), LEASE);
}

#[tokio::test]
async fn the_longest_due_is_delivered_first_and_says_how_long_it_waited() {
    let (harness, broker) = published(4).await;
    let credit = Credit::new(4).unwrap();
    let deliveries = broker.receive(credit, Duration::ZERO).await.unwrap();
    let second = Duration::from_secs(1);
    for (delivery, retry_in) in deliveries.iter().zip([3, 1, 2]) {
        let nack =
            Nack { receipt: delivery.receipt, retry_in: second * retry_in, failure: failure("no") };
        broker.nack(&[nack]).await.unwrap();
    }
    let give_back = GiveBack { receipt: deliveries[3].receipt, retry_in: Duration::ZERO };
    broker.give_back(&[give_back]).await.unwrap();
    harness.elapse(second * 4).await;
    let again = broker.receive(credit, Duration::ZERO).await.unwrap();
    let order: Vec<_> = again
        .iter()
        .map(|delivery| (delivery.chunk.key.chunk.0, delivery.waited.as_secs()))
        .collect();
    assert_eq!(order, [(3, 4), (1, 3), (2, 2), (0, 1)]);
}

#[tokio::test]
async fn a_worker_that_reconnects_holds_what_it_held() {
    let (harness, before) = published(1).await;
    let delivery = before.receive(ONE, Duration::ZERO).await.unwrap().remove(0);
    drop(before);
    let after = harness.connect(worker("a"), LEASE).await;
    let renewed = after.renew(&[delivery.receipt]).await.unwrap();
    assert_eq!(renewed, [Renewed::Held]);
    assert_eq!(after.give_back_strays(&[]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_restored_store_forgets_deliveries_but_not_their_numbers() {
    let (harness, a) = published(1).await;
    let before = harness.store().snapshot();
    let forgotten = a.receive(ONE, Duration::ZERO).await.unwrap().remove(0);
    harness.store().restore(&before);
    let delivery = a.receive(ONE, Duration::ZERO).await.unwrap().remove(0);
    assert!(!delivery.suspect);
    assert_ne!(delivery.receipt, forgotten.receipt);
    let renewed = a.renew(&[forgotten.receipt, delivery.receipt]).await.unwrap();
    assert_eq!(renewed, [Renewed::Lost, Renewed::Held]);
}
