//! Laws of reading outcomes.

use super::Harness;
use super::builders::outcome;
use super::world::World;
use crate::broker::port::Committed;
use crate::broker::views::OutcomeCursor;
use crate::wire;

/// Reading outcomes consumes none: whoever starts again sees all, once a key, in the order of
/// their commits, in pages of any size.
pub async fn outcomes_are_read_from_the_start_as_often_as_wanted<H: Harness>() {
    let world = World::<H>::new(7).await;
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let mut committed = Vec::new();
    let deliveries = a.take(7).await;
    for (n, delivery) in deliveries.iter().rev().enumerate() {
        let by = if n % 2 == 0 { &a } else { &b };
        let outcome = outcome(&delivery.chunk, &by.worker, &[]);
        by.commit(delivery.receipt, outcome.clone()).await;
        by.commit(delivery.receipt, outcome.clone()).await;
        committed.push(outcome);
    }
    for limit in [1, 2, 3, 7, 100] {
        assert_eq!(a.outcomes(&world.job, limit).await, committed, "{limit} a page");
        assert_eq!(b.outcomes(&world.job, limit).await, committed, "{limit} a page");
    }
}

/// A reader that stopped at a page goes on there, also after more was committed.
pub async fn a_cursor_goes_on_where_its_page_ended<H: Harness>() {
    let world = World::<H>::new(3).await;
    let consumer = world.consumer("a").await;
    let deliveries = consumer.take(3).await;
    for delivery in &deliveries[..2] {
        assert_eq!(consumer.complete(delivery).await, Committed::First);
    }
    let page = consumer.broker.outcomes(world.job.uid, OutcomeCursor::START, 1);
    let page = page.await.expect("outcomes");
    let next = page.next.expect("another outcome follows");
    assert_eq!(consumer.complete(&deliveries[2]).await, Committed::First);
    let rest = consumer.broker.outcomes(world.job.uid, next, 10).await;
    let rest = rest.expect("outcomes");
    let keys: Vec<_> = rest.outcomes.iter().map(|outcome| outcome.key).collect();
    assert_eq!(keys, [deliveries[1].chunk.key, deliveries[2].chunk.key]);
    assert_eq!(rest.next, None);
}

/// An outcome is read as it was committed, to the last bit: every column, every dead parameter
/// and its reason.
pub async fn outcomes_survive_byte_for_byte<H: Harness>() {
    let world = World::<H>::new(3).await;
    let consumer = world.consumer("a").await;
    let mut committed = Vec::new();
    for (delivery, dead) in consumer.take(3).await.iter().zip([&[][..], &[0, 2], &[0, 1, 2, 3]]) {
        let start = delivery.chunk.range.start();
        let dead: Vec<u64> = dead.iter().map(|at| start + at).collect();
        let outcome = outcome(&delivery.chunk, &consumer.worker, &dead);
        consumer.commit(delivery.receipt, outcome.clone()).await;
        committed.push(outcome);
    }
    let bytes = |outcomes: &[_]| -> Vec<_> { outcomes.iter().map(wire::encode).collect() };
    let read = world.submitter.outcomes(&world.job, 2).await;
    assert_eq!(bytes(&read), bytes(&committed));
    assert_eq!(read, committed);
}
