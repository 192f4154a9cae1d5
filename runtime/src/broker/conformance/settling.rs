//! Laws of commit, nack and give-back.

use std::time::Duration;

use super::Harness;
use super::builders::{chunk_of, failure, outcome};
use super::world::World;
use crate::broker::port::Committed::{self, Duplicate, First};
use crate::broker::port::Settled;
use crate::chunk::Counters;

/// A settled chunk is not delivered again, neither when its lease would have ended nor when its
/// submission is repeated.
pub async fn a_committed_chunk_never_returns<H: Harness>() {
    let world = World::<H>::with_short_leases(2).await;
    let consumer = world.consumer("a").await;
    for delivery in consumer.take(2).await {
        assert_eq!(consumer.complete(&delivery).await, Committed::First);
    }
    let chunk = chunk_of(&world.job, 1);
    assert_eq!(world.submitter.publish(&[chunk]).await.added, 0);
    world.harness.elapse(H::lease() * 2).await;
    consumer.none().await;
}

/// A failed chunk returns when its wait is over and not before, with one failure more, which it
/// tells; it is no suspect.
pub async fn a_nacked_chunk_returns_not_early_with_one_failure_more_and_its_reason<H: Harness>() {
    let world = World::<H>::new(1).await;
    let consumer = world.consumer("a").await;
    let mut delivery = consumer.one().await;
    for failures in 1..=3 {
        let why = failure(&format!("failure {failures}"));
        let delay = H::lease() / 2;
        let due = world.harness.now().after(delay);
        let settled = consumer.nack(&delivery, delay, &why).await;
        assert_eq!(settled, Settled::Applied);
        let receipt = delivery.receipt;
        delivery = world.delivered_not_before(due, &consumer).await;
        let counters = Counters { failures, ..Counters::default() };
        assert_eq!(delivery.chunk.counters, counters);
        assert_eq!(delivery.chunk.last_failure, Some(why));
        assert!(!delivery.suspect);
        assert_ne!(delivery.receipt, receipt);
    }
}

/// An innocent chunk returns at once, also to others, and is charged nothing.
pub async fn a_given_back_chunk_returns_at_once_and_is_charged_nothing<H: Harness>() {
    let world = World::<H>::new(1).await;
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let mut holders = [&a, &b];
    for give_backs in 0..4 {
        let delivery = holders[0].one().await;
        let counters = Counters { give_backs, ..Counters::default() };
        assert_eq!(delivery.chunk.counters, counters);
        assert!(!delivery.suspect);
        let settled = holders[0].give_back(&delivery, Duration::ZERO).await;
        assert_eq!(settled, Settled::Applied);
        holders.swap(0, 1);
    }
}

/// A chunk that is given back for later, as by a worker without its kernel, does not return
/// before, and is charged nothing.
pub async fn a_chunk_given_back_for_later_does_not_return_early<H: Harness>() {
    let world = World::<H>::new(1).await;
    let consumer = world.consumer("a").await;
    let delay = H::lease() / 2;
    let delivery = consumer.one().await;
    let due = world.harness.now().after(delay);
    assert_eq!(consumer.give_back(&delivery, delay).await, Settled::Applied);
    let delivery = world.delivered_not_before(due, &consumer).await;
    let counters = Counters { give_backs: 1, ..Counters::default() };
    assert_eq!(delivery.chunk.counters, counters);
}

/// The first outcome of a key is its outcome, be it success or death; later ones, also in the
/// same batch, are told apart, counted and dropped.
pub async fn the_first_outcome_of_a_key_wins_and_later_ones_are_counted<H: Harness>() {
    let world = World::<H>::new(2).await;
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let deliveries = a.take(2).await;
    let [success, death] = [&deliveries[0], &deliveries[1]];
    let dead: Vec<u64> = (death.chunk.range.start()..death.chunk.range.end()).collect();
    let firsts = [
        (success.receipt, outcome(&success.chunk, &a.worker, &[])),
        (death.receipt, outcome(&death.chunk, &a.worker, &dead)),
    ];
    let others = [
        (success.receipt, outcome(&success.chunk, &b.worker, &[success.chunk.range.start()])),
        (death.receipt, outcome(&death.chunk, &b.worker, &[])),
    ];
    let [success_first, death_first] = firsts.clone();
    let [success_other, death_other] = others;
    let batch = [success_first, success_other.clone(), death_first];
    let answers = a.broker.commit(&batch).await.expect("commit");
    assert_eq!(answers, [First, Duplicate, First]);
    let answers = b.broker.commit(&[death_other, success_other]).await;
    assert_eq!(answers.expect("commit"), [Duplicate, Duplicate]);

    let kept = world.submitter.outcomes(&world.job, 10).await;
    assert_eq!(kept, firsts.map(|(_, outcome)| outcome));
    assert_eq!(world.progress().await.chunks.duplicates_dropped, 3);
}
