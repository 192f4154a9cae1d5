//! Laws of reading outcomes.

use super::Harness;
use super::builders::{cut, job, outcome};
use super::world::World;
use crate::broker::port::{Committed, OUTCOME_PAGE_BYTES_MAX};
use crate::broker::views::OutcomeCursor;
use crate::chunk::ParameterRange;
use crate::dead::DeadParameters;
use crate::delivery::{FailureKind, REASON_BYTES_MAX};
use crate::outcome::Outcome;
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

/// However many parameters are dead, a page is bounded by bytes, and where one outcome is larger
/// it is a page of its own.
pub async fn a_page_of_outcomes_is_bounded_by_bytes_and_holds_one_at_least<H: Harness>() {
    let world = World::<H>::unpublished(1, H::lease() * 100).await;
    let wide = job("wide", 6, 100_000);
    world.submitter.broker.register(&wide).await.expect("register");
    world.submitter.publish(&cut(&wide)).await;
    let consumer = world.consumer("a").await;
    let mut committed = Vec::new();
    for (delivery, runs) in consumer.take(6).await.iter().zip([0, 800, 800, 99_000, 0, 0]) {
        let outcome = Outcome {
            columns: Vec::new(),
            dead: dead_in_runs(delivery.chunk.range, runs),
            ..outcome(&delivery.chunk, &consumer.worker, &[])
        };
        assert_eq!(consumer.commit(delivery.receipt, outcome.clone()).await, Committed::First);
        committed.push(outcome);
    }
    let bytes = |outcomes: &[Outcome]| -> usize {
        outcomes.iter().map(|outcome| wire::encode(outcome).len()).sum()
    };
    assert!(bytes(&committed[..3]) < OUTCOME_PAGE_BYTES_MAX);
    assert!(bytes(&committed[3..4]) > OUTCOME_PAGE_BYTES_MAX);
    let (mut read, mut pages, mut next) = (Vec::new(), 0, Some(OutcomeCursor::START));
    while let Some(cursor) = next {
        let page = consumer.broker.outcomes(wide.uid, cursor, 100).await.expect("outcomes");
        let bounded = bytes(&page.outcomes) <= OUTCOME_PAGE_BYTES_MAX;
        assert!(bounded || page.outcomes.len() == 1, "{} outcomes", page.outcomes.len());
        assert!(!page.outcomes.is_empty());
        read.extend(page.outcomes);
        (pages, next) = (pages + 1, page.next);
    }
    assert!(read == committed);
    assert!(pages < 6, "small outcomes share a page");
}

/// All of `range` dead, of which the first `runs` parameters differ in their reason from the next.
fn dead_in_runs(range: ParameterRange, runs: u64) -> DeadParameters {
    let mut dead = DeadParameters::new();
    for parameter in range.start()..range.end() {
        let run = runs.min(parameter - range.start());
        // As many words as are kept, then two in turns.
        let reason = if run < 900 { run } else { 900 + run % 2 };
        dead.push(parameter, FailureKind::Error, &format!("{reason:<REASON_BYTES_MAX$}"));
    }
    dead
}
