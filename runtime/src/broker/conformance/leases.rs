//! Laws of leases, and of workers that lost them.

use std::time::Duration;

use super::Harness;
use super::builders::{failure, outcome};
use super::world::{Consumer, World, skip};
use crate::broker::port::{Committed, Renewed, Settled};
use crate::chunk::Counters;
use crate::delivery::Delivery;

/// Leases one chunk to `a`, lets the lease end, and leases it to `b`.
async fn taken_over<H: Harness>(world: &World<H>, a: &Consumer, b: &Consumer) -> [Delivery; 2] {
    let lost = a.one().await;
    world.harness.expire(&a.worker).await;
    [lost, b.one().await]
}

/// A lease that ends without a word charges one silent delivery, no failure, and makes the chunk
/// a suspect; nobody takes it over before.
pub async fn an_expired_lease_is_redelivered_with_one_silent_delivery_more<H: Harness>() {
    let world = World::<H>::with_short_leases(1).await;
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let mut holders = [&a, &b];
    let mut due = world.harness.now();
    for silent_deliveries in 0..3 {
        let delivery = world.delivered_not_before(due, holders[0]).await;
        let counters = Counters { silent_deliveries, ..Counters::default() };
        assert_eq!(delivery.chunk.counters, counters);
        assert_eq!(delivery.suspect, silent_deliveries > 0);
        if world.capabilities().renewable_leases {
            due = world.harness.now().after(H::lease() / 2);
        } else {
            world.harness.expire(&holders[0].worker).await;
        }
        holders.swap(0, 1);
    }
}

/// A suspect stays one until a delivery of it ends with a failure: that a worker gave it back says
/// nothing of it.
pub async fn a_suspect_stays_one_until_somebody_has_evaluated_it<H: Harness>() {
    let world = World::<H>::with_short_leases(1).await;
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let [_, suspect] = taken_over(&world, &a, &b).await;
    assert_eq!(b.give_back(&suspect, Duration::ZERO).await, Settled::Applied);
    let suspect = b.one().await;
    assert!(suspect.suspect);
    assert_eq!(b.nack(&suspect, Duration::ZERO, &failure("no root")).await, Settled::Applied);
    assert!(!b.one().await.suspect);
}

/// A lease that is renewed in time is kept for as long as that goes on, and no longer.
pub async fn a_renewed_lease_is_not_taken_over<H: Harness>() {
    let world = World::<H>::with_short_leases(1).await;
    if !world.capabilities().renewable_leases {
        return skip("a_renewed_lease_is_not_taken_over", world.capabilities());
    }
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let delivery = a.one().await;
    for _ in 0..6 {
        world.harness.elapse(H::lease() / 3).await;
        assert_eq!(a.renew(&delivery).await, Renewed::Held);
        assert_eq!(b.poll(1).await, []);
    }
    world.harness.expire(&a.worker).await;
    let taken = b.one().await;
    assert_eq!(a.renew(&delivery).await, Renewed::Lost);
    assert_eq!(b.renew(&taken).await, Renewed::Held);
}

/// A lease that ended, but that nobody took over, can be renewed: a broker's outage of more than
/// a lease costs no work.
pub async fn an_ended_lease_is_its_holders_until_it_is_taken_over<H: Harness>() {
    let world = World::<H>::with_short_leases(1).await;
    if !world.capabilities().renewable_leases {
        let law = "an_ended_lease_is_its_holders_until_it_is_taken_over";
        return skip(law, world.capabilities());
    }
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let delivery = a.one().await;
    world.harness.elapse(H::lease() * 2).await;
    assert_eq!(a.renew(&delivery).await, Renewed::Held);
    assert_eq!(b.poll(1).await, []);
    world.harness.elapse(H::lease() * 2).await;
    let settled = a.give_back(&delivery, Duration::ZERO).await;
    assert_eq!(settled, Settled::Applied);
    assert!(!b.one().await.suspect);
}

/// A worker that comes back after its lease was taken over can renew, return and fail nothing.
pub async fn a_stale_receipt_changes_nothing<H: Harness>() {
    let world = World::<H>::with_short_leases(1).await;
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let [lost, held] = taken_over(&world, &a, &b).await;
    assert_ne!(lost.receipt, held.receipt);
    assert_stale(&world, &a, &lost).await;
    assert_eq!(b.renew(&held).await, Renewed::Held);

    // Nor once its successor has returned the chunk: it waits, and stays as it was returned.
    assert_eq!(b.give_back(&held, Duration::ZERO).await, Settled::Applied);
    assert_stale(&world, &a, &lost).await;
    assert_stale(&world, &b, &held).await;
    let again = b.one().await;
    let counters = Counters { silent_deliveries: 1, give_backs: 1, failures: 0 };
    assert_eq!((again.chunk.counters, again.suspect), (counters, true));
    assert_eq!(again.chunk.last_failure, None);

    // Nor once it is settled.
    assert_eq!(b.complete(&again).await, Committed::First);
    assert_stale(&world, &a, &lost).await;
    assert_stale(&world, &b, &again).await;
    b.none().await;
}

/// A consumer that is handed a chunk again holds it by the new receipt alone: what it still says
/// about the delivery before comes from an actor that was restarted since.
pub async fn a_receipt_is_stale_once_its_chunk_is_delivered_again<H: Harness>() {
    let world = World::<H>::new(1).await;
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let before = a.one().await;
    let settled = a.give_back(&before, Duration::ZERO).await;
    assert_eq!(settled, Settled::Applied);
    let held = a.one().await;
    assert_ne!(before.receipt, held.receipt);
    assert_stale(&world, &a, &before).await;
    b.none().await;
    assert_eq!(a.renew(&held).await, Renewed::Held);
    assert_eq!(a.complete(&held).await, Committed::First);
}

async fn assert_stale<H: Harness>(world: &World<H>, consumer: &Consumer, delivery: &Delivery) {
    let why = failure("too late");
    if world.capabilities().renewable_leases {
        assert_eq!(consumer.renew(delivery).await, Renewed::Lost);
    }
    let nacked = consumer.nack(delivery, Duration::ZERO, &why).await;
    assert_eq!(nacked, Settled::Stale);
    let given_back = consumer.give_back(delivery, Duration::ZERO).await;
    assert_eq!(given_back, Settled::Stale);
}

/// What one consumer holds another can neither renew nor return, though it knows the receipt.
pub async fn a_receipt_serves_only_the_consumer_that_holds_it<H: Harness>() {
    let world = World::<H>::new(1).await;
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let delivery = a.one().await;
    assert_stale(&world, &b, &delivery).await;
    b.none().await;
    assert_eq!(a.give_back(&delivery, Duration::ZERO).await, Settled::Applied);
}

/// What a lost reply or a restarted actor left behind returns at once and is charged nothing;
/// what the consumer says it holds, and what others hold, stays where it is.
pub async fn strays_are_given_back_uncharged_and_held_ones_are_kept<H: Harness>() {
    let world = World::<H>::new(4).await;
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let mine = a.take(3).await;
    let other = b.one().await;
    let strays = a.broker.give_back_strays(&[mine[1].receipt]).await;
    assert_eq!(strays.expect("give back strays"), 2);

    let mut returned = b.take(2).await;
    b.none().await;
    returned.sort_by_key(|delivery| delivery.chunk.key);
    let keys: Vec<_> = returned.iter().map(|d| d.chunk.key).collect();
    assert_eq!(keys, [mine[0].chunk.key, mine[2].chunk.key]);
    for delivery in &returned {
        let counters = Counters { give_backs: 1, ..Counters::default() };
        assert_eq!(delivery.chunk.counters, counters);
        assert!(!delivery.suspect);
    }
    for stray in [&mine[0], &mine[2]] {
        assert_stale(&world, &a, stray).await;
    }
    assert_eq!(a.complete(&mine[1]).await, Committed::First);
    assert_eq!(b.complete(&other).await, Committed::First);
    let none = a.broker.give_back_strays(&[]).await;
    assert_eq!(none.expect("give back strays"), 0);
}

/// The outcome of a worker that lost its lease counts as any other: the chunk is settled for
/// its new holder, whose own outcome is the duplicate.
pub async fn the_outcome_of_a_lost_lease_settles_the_chunk_for_its_new_holder<H: Harness>() {
    let world = World::<H>::with_short_leases(1).await;
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let [lost, held] = taken_over(&world, &a, &b).await;
    let first = outcome(&lost.chunk, &a.worker, &[]);
    let committed = a.commit(lost.receipt, first.clone()).await;
    assert_eq!(committed, Committed::First);
    assert_stale(&world, &b, &held).await;
    assert_eq!(b.complete(&held).await, Committed::Duplicate);
    assert_eq!(world.submitter.outcomes(&world.job, 10).await, [first]);
    world.harness.expire(&b.worker).await;
    b.none().await;
}
