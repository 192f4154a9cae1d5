//! Laws of counting: completion is a count of distinct outcomes, never a silence.

use std::time::Duration;

use super::Harness;
use super::builders::{cut, failure, outcome, replay};
use super::world::{CHUNK_SIZE, Consumer, World};
use crate::broker::port::Committed;
use crate::broker::views::{ChunkCounts, JobProgress, JobState, ParameterCounts};
use crate::chunk::{Chunk, ParameterRange};
use crate::delivery::Delivery;

/// Progress of a job of `total` chunks, all of them ready.
fn fresh(total: u64) -> JobProgress {
    JobProgress {
        state: JobState::Running,
        published: total,
        chunks: ChunkCounts { total, ready: total, ..ChunkCounts::default() },
        parameters: ParameterCounts { total: total * CHUNK_SIZE, ..ParameterCounts::default() },
        last_commit: None,
    }
}

/// The first `count` parameters of a chunk.
fn first(count: u64, chunk: &Chunk) -> ParameterRange {
    let start = chunk.range.start();
    ParameterRange::new(start, start + count).expect("a range")
}

/// Commits the outcome of a delivery whose first `dead` parameters died.
async fn commit(consumer: &Consumer, delivery: &Delivery, dead: u64) -> Committed {
    let start = delivery.chunk.range.start();
    let dead: Vec<u64> = (start..start + dead).collect();
    let outcome = outcome(&delivery.chunk, &consumer.worker, &dead);
    consumer.commit(delivery.receipt, outcome).await
}

/// Every chunk is in one of five states, every parameter in one of three, whatever happens.
pub async fn progress_counts_every_chunk_and_parameter<H: Harness>() {
    let world = World::<H>::unpublished(5, H::lease() * 100).await;
    let mut expected = fresh(5);
    (expected.published, expected.chunks.ready) = (0, 0);
    world.expect_progress(expected).await;
    world.submitter.publish(&cut(&world.job)).await;
    world.expect_progress(fresh(5)).await;

    let consumer = world.consumer("a").await;
    let deliveries = consumer.take(4).await;
    let mut expected = fresh(5);
    (expected.chunks.ready, expected.chunks.in_flight) = (1, 4);
    world.expect_progress(expected).await;

    commit(&consumer, &deliveries[0], 1).await;
    commit(&consumer, &deliveries[1], CHUNK_SIZE).await;
    consumer.nack(&deliveries[2], H::lease() * 50, &failure("no")).await;
    consumer.give_back(&deliveries[3], Duration::ZERO).await;
    expected.chunks =
        ChunkCounts { completed: 1, dead: 1, ready: 2, delayed: 1, ..fresh(5).chunks };
    expected.parameters.completed = CHUNK_SIZE - 1;
    expected.parameters.dead = 1 + CHUNK_SIZE;
    world.expect_progress(expected).await;
}

/// A delivery after a failure or a silence is a redelivery; one after a give-back is not.
pub async fn only_failed_and_silent_deliveries_are_counted_as_redelivered<H: Harness>() {
    let world = World::<H>::with_short_leases(1).await;
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let given_back = a.one().await;
    a.give_back(&given_back, Duration::ZERO).await;
    let failed = a.one().await;
    let redelivered = async || world.progress().await.chunks.redelivered;
    assert_eq!(redelivered().await, 0);
    a.nack(&failed, Duration::ZERO, &failure("no")).await;
    let _silent = a.one().await;
    assert_eq!(redelivered().await, 1);
    world.harness.expire(&a.worker).await;
    let held = b.one().await;
    assert_eq!(redelivered().await, 2);
    b.give_back(&held, Duration::ZERO).await;
    let held = b.one().await;
    assert_eq!(redelivered().await, 2);
    b.complete(&held).await;
    assert_eq!(redelivered().await, 2);
}

/// A job runs until the last of its chunks has its first outcome, however many outcomes came.
pub async fn a_job_is_complete_by_count_of_distinct_outcomes<H: Harness>() {
    let world = World::<H>::unpublished(3, H::lease() * 100).await;
    let chunks = cut(&world.job);
    let consumer = world.consumer("a").await;
    world.submitter.publish(&chunks[..2]).await;
    for delivery in consumer.take(2).await {
        consumer.complete(&delivery).await;
        consumer.complete(&delivery).await;
        consumer.complete(&delivery).await;
    }
    // Nothing waits and nothing is leased, but one chunk was never published.
    let state = async || world.progress().await.state;
    assert_eq!(state().await, JobState::Running);
    world.submitter.publish(&chunks).await;
    assert_eq!(state().await, JobState::Running);
    let last = consumer.one().await;
    assert_eq!(state().await, JobState::Running);
    assert_eq!(commit(&consumer, &last, CHUNK_SIZE).await, Committed::First);
    assert_eq!(state().await, JobState::Complete);
    let progress = world.progress().await;
    assert!(progress.last_commit.is_some());
    assert_eq!(progress.chunks.duplicates_dropped, 4);
    let counted = progress.parameters.completed + progress.parameters.dead;
    assert_eq!(counted, progress.parameters.total);
}

/// An interrupted submission learns where to go on, also after chunks were settled.
pub async fn published_is_the_unbroken_start_of_the_cut<H: Harness>() {
    let world = World::<H>::unpublished(6, H::lease() * 100).await;
    let chunks = cut(&world.job);
    let published = async || world.progress().await.published;
    assert_eq!(published().await, 0);
    world.submitter.publish(&chunks[..2]).await;
    assert_eq!(published().await, 2);
    let consumer = world.consumer("a").await;
    let delivery = consumer.one().await;
    consumer.complete(&delivery).await;
    assert_eq!(published().await, 2);
    world.submitter.publish(&chunks[3..5]).await;
    assert_eq!(published().await, 2, "chunk 2 is missing");
    world.submitter.publish(&chunks[1..4]).await;
    assert_eq!(published().await, 5);
    world.submitter.publish(&chunks).await;
    assert_eq!(published().await, 6);
}

/// A replay's completed parameters move from dead to completed, and its origin with them if it
/// had none; while a replay is open, the job runs.
pub async fn a_replay_moves_dead_parameters_to_completed<H: Harness>() {
    let world = World::<H>::new(2).await;
    let consumer = world.consumer("a").await;
    let origins = consumer.take(2).await;
    commit(&consumer, &origins[0], 2).await;
    commit(&consumer, &origins[1], CHUNK_SIZE).await;
    let mut expected = fresh(2);
    expected.state = JobState::Complete;
    expected.chunks = ChunkCounts { total: 2, completed: 1, dead: 1, ..ChunkCounts::default() };
    expected.parameters.completed = CHUNK_SIZE - 2;
    expected.parameters.dead = CHUNK_SIZE + 2;
    world.expect_progress(expected).await;

    let replays = [
        replay(&origins[0].chunk, 1, first(2, &origins[0].chunk)),
        replay(&origins[1].chunk, 1, origins[1].chunk.range),
    ];
    assert_eq!(world.submitter.publish(&replays).await.added, 2);
    expected.state = JobState::Running;
    expected.chunks.ready = 2;
    world.expect_progress(expected).await;
    let deliveries = consumer.take(2).await;
    (expected.chunks.ready, expected.chunks.in_flight) = (0, 2);
    world.expect_progress(expected).await;

    assert_eq!(commit(&consumer, &deliveries[0], 0).await, Committed::First);
    expected.chunks.in_flight = 1;
    expected.parameters.completed += 2;
    expected.parameters.dead -= 2;
    world.expect_progress(expected).await;

    assert_eq!(commit(&consumer, &deliveries[1], 1).await, Committed::First);
    assert_eq!(commit(&consumer, &deliveries[1], 0).await, Committed::Duplicate);
    expected.state = JobState::Complete;
    expected.chunks =
        ChunkCounts { total: 2, completed: 2, duplicates_dropped: 1, ..ChunkCounts::default() };
    expected.parameters.completed += CHUNK_SIZE - 1;
    expected.parameters.dead -= CHUNK_SIZE - 1;
    world.expect_progress(expected).await;
    assert_eq!(consumer.outcomes(&world.job, 3).await.len(), 4);
}

/// A replay in which nothing completes leaves all counts where they were.
pub async fn a_replay_that_dies_again_moves_nothing<H: Harness>() {
    let world = World::<H>::new(1).await;
    let consumer = world.consumer("a").await;
    let origin = consumer.one().await;
    commit(&consumer, &origin, CHUNK_SIZE).await;
    let mut expected = fresh(1);
    expected.state = JobState::Complete;
    (expected.chunks.ready, expected.chunks.dead) = (0, 1);
    expected.parameters.dead = CHUNK_SIZE;
    world.expect_progress(expected).await;
    for generation in 1..=2 {
        let replay = replay(&origin.chunk, generation, origin.chunk.range);
        world.submitter.publish(&[replay]).await;
        let delivery = consumer.one().await;
        commit(&consumer, &delivery, CHUNK_SIZE).await;
        world.expect_progress(expected).await;
    }
}
