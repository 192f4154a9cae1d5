//! Laws of publishing and receiving.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Harness;
use super::builders::{cut, failure, replay};
use super::world::{PATIENCE, World};
use crate::broker::port::{Committed, Published, Settled};
use crate::chunk::Counters;
use crate::delivery::Delivery;

fn keys(deliveries: &[Delivery]) -> BTreeSet<u64> {
    deliveries.iter().map(|d| d.chunk.key.chunk.0).collect()
}

/// Every published chunk is delivered, once while its lease holds, and unblemished.
pub async fn published_is_delivered_once<H: Harness>() {
    let world = World::<H>::new(7).await;
    let consumer = world.consumer("a").await;
    let deliveries = consumer.drain(3).await;
    assert_eq!(deliveries.len(), 7);
    assert_eq!(keys(&deliveries), (0..7).collect());
    for delivery in deliveries {
        assert_eq!(delivery.chunk.counters, Counters::default());
        assert_eq!(delivery.chunk.last_failure, None);
        assert_eq!(delivery.receipt.key, delivery.chunk.key);
        assert!(!delivery.suspect);
    }
}

/// Chunks that became due together come in the order of their cut.
pub async fn waiting_chunks_are_delivered_in_the_order_of_their_cut<H: Harness>() {
    let world = World::<H>::new(12).await;
    let deliveries = world.consumer("a").await.take(12).await;
    let order: Vec<u64> = deliveries.iter().map(|d| d.chunk.key.chunk.0).collect();
    assert_eq!(order, (0..12).collect::<Vec<_>>());
}

/// What became due earlier comes earlier, wherever it is in the cut: nothing starves.
pub async fn the_longest_due_is_delivered_first<H: Harness>() {
    let world = World::<H>::new(3).await;
    let consumer = world.consumer("a").await;
    let deliveries = consumer.take(3).await;
    let order = [2, 0, 1].map(|at| &deliveries[at]);
    for delivery in order {
        consumer.give_back(delivery, Duration::ZERO).await;
        world.harness.elapse(H::lease() / 10).await;
    }
    let again = consumer.take(3).await;
    let keys: Vec<_> = again.iter().map(|delivery| delivery.chunk.key).collect();
    assert_eq!(keys, order.map(|delivery| delivery.chunk.key));
}

/// A publish that is repeated, whole or in part, adds what is missing and nothing else: not what
/// waits, not what is leased, not what is settled, not itself twice.
pub async fn publishing_again_adds_exactly_what_is_missing<H: Harness>() {
    let world = World::<H>::unpublished(5, H::lease() * 100).await;
    let chunks = cut(&world.job);
    let submitter = &world.submitter;
    let twice = [&chunks[..3], &chunks[..1]].concat();
    let published = submitter.publish(&twice).await;
    assert_eq!(published, Published { added: 3, present: 1 });
    let consumer = world.consumer("a").await;
    let settled = consumer.one().await;
    assert_eq!(consumer.complete(&settled).await, Committed::First);
    let leased = consumer.one().await;

    let published = submitter.publish(&chunks).await;
    assert_eq!(published, Published { added: 2, present: 3 });
    let rest = consumer.drain(10).await;
    assert_eq!(rest.len(), 3);
    assert_eq!(keys(&rest), (2..5).collect());

    for delivery in rest.iter().chain([&leased]) {
        assert_eq!(consumer.complete(delivery).await, Committed::First);
    }
    let published = submitter.publish(&chunks).await;
    assert_eq!(published, Published { added: 0, present: 5 });
    consumer.none().await;
}

/// A consumer is handed at most what it has room for, however much waits, also of what returns.
pub async fn credit_is_never_exceeded<H: Harness>() {
    let world = World::<H>::new(9).await;
    let consumer = world.consumer("a").await;
    // `receive` asserts it of every call.
    let held = consumer.drain(4).await;
    assert_eq!(held.len(), 9);
    for delivery in &held {
        let settled = consumer.give_back(delivery, Duration::ZERO).await;
        assert_eq!(settled, Settled::Applied);
    }
    assert_eq!(consumer.drain(3).await.len(), 9);
}

/// However many consumers ask at once, each chunk is leased to one of them.
pub async fn no_two_consumers_hold_one_lease<H: Harness>() {
    let world = World::<H>::new(60).await;
    let mut takers = tokio::task::JoinSet::new();
    for name in ["a", "b", "c", "d"] {
        let consumer = world.consumer(name).await;
        takers.spawn(async move { (consumer.drain(3).await, consumer) });
    }
    // A consumer that is dropped is dead, and its chunks are anyone's: all live until the count.
    let (deliveries, _consumers): (Vec<_>, Vec<_>) = takers.join_all().await.into_iter().unzip();
    let deliveries = deliveries.concat();
    assert_eq!(keys(&deliveries), (0..60).collect());
    assert_eq!(deliveries.len(), 60, "a chunk was leased twice");
}

/// With nothing to deliver, a receive ends when its wait does.
pub async fn an_empty_receive_ends_in_time<H: Harness>() {
    let world = World::<H>::unpublished(1, H::lease() * 100).await;
    let consumer = world.consumer("a").await;
    for wait in [Duration::ZERO, Duration::from_millis(30)] {
        let received = tokio::time::timeout(PATIENCE, consumer.receive(1, wait)).await;
        assert_eq!(received.expect("the receive ends"), []);
    }
}

/// A receive that waits hands over what is published meanwhile, at once.
pub async fn a_waiting_receive_is_woken_by_a_publish<H: Harness>() {
    let world = World::<H>::unpublished(1, H::lease() * 100).await;
    let consumer = world.consumer("a").await;
    let started = tokio::time::Instant::now();
    let (deliveries, ()) = tokio::join!(consumer.receive(4, PATIENCE * 2), async {
        world.harness.elapse(H::lease() / 10).await;
        world.submitter.publish(&cut(&world.job)).await;
    });
    assert_eq!(deliveries.len(), 1);
    assert!(started.elapsed() < PATIENCE, "the publish woke nobody");
}

/// A receive that waits hands over a delayed chunk when it comes due.
pub async fn a_waiting_receive_takes_a_chunk_when_it_comes_due<H: Harness>() {
    let world = World::<H>::new(1).await;
    let consumer = world.consumer("a").await;
    let delay = H::lease() / 2;
    let delivery = consumer.one().await;
    let due = world.harness.now().after(delay);
    consumer.give_back(&delivery, delay).await;
    let wait = delay + PATIENCE;
    let (deliveries, ()) = tokio::join!(consumer.receive(1, wait), world.harness.elapse(delay));
    assert_eq!(deliveries.len(), 1);
    assert!(world.harness.now() >= due, "came early");
}

/// A chunk is delivered as it was published, field by field, counters that it brings included.
pub async fn counters_and_trace_context_and_spec_survive_the_round_trip<H: Harness>() {
    let world = World::<H>::unpublished(2, H::lease() * 100).await;
    let mut chunks = cut(&world.job);
    let mut worn = replay(&chunks[1], 7, chunks[1].range);
    worn.last_failure = Some(failure("it has no half"));
    worn.counters = Counters { failures: 1, silent_deliveries: 2, give_backs: 3 };
    chunks.push(worn);
    world.submitter.publish(&chunks).await;
    let consumer = world.consumer("a").await;
    let mut delivered = consumer.drain(10).await;
    delivered.sort_by_key(|delivery| delivery.chunk.key);
    let delivered: Vec<_> = delivered.into_iter().map(|d| d.chunk).collect();
    assert_eq!(delivered, chunks);
}
