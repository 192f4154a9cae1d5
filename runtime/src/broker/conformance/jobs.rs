//! Laws of the registry, of cancel and purge, and of beats.

use std::time::Duration;

use super::Harness;
use super::builders::{chunk_of, cut, failure, job, outcome, worker};
use super::world::{Consumer, World};
use crate::broker::port::{Committed, Published, Registered, Renewed, Settled};
use crate::broker::views::{Beat, JobState, OutcomeCursor};
use crate::clock::WallTime;
use crate::delivery::{Delivery, Receipt};
use crate::error::BrokerError;
use crate::job::JobRecord;

async fn register(consumer: &Consumer, job: &JobRecord) -> Registered {
    consumer.broker.register(job).await.expect("register")
}

async fn assert_job_gone(consumer: &Consumer, job: &JobRecord) {
    let refused = consumer.broker.publish(&cut(job)).await;
    assert!(
        matches!(refused, Err(BrokerError::JobGone { job: gone }) if gone == job.uid),
        "{refused:?}"
    );
}

/// Of two submissions of one name the second learns of the first, and changes nothing.
pub async fn a_name_is_taken_once<H: Harness>() {
    let world = World::<H>::new(2).await;
    let other = job(world.job.name.as_str(), 9, 3);
    let consumer = world.consumer("a").await;
    let existing = Registered::Existing(Box::new(world.job.clone()));
    assert_eq!(register(&consumer, &other).await, existing);
    // A submitter that lost the reply to its own registration finds itself.
    assert_eq!(register(&consumer, &world.job).await, existing);
    let jobs = consumer.broker.jobs().await.expect("jobs");
    assert_eq!(jobs, std::slice::from_ref(&world.job));
    let found = consumer.broker.job(&other.name).await.expect("job");
    assert_eq!(found, Some(world.job.clone()));
    assert_job_gone(&consumer, &other).await;
    assert_eq!(world.progress().await.chunks.total, 2);
}

/// Jobs are listed by the time of their submission, not by name.
pub async fn jobs_are_listed_oldest_first<H: Harness>() {
    let world = World::<H>::unpublished(1, H::lease() * 100).await;
    let mut submitted = vec![world.job.clone()];
    for (age, name) in ["m", "z", "a", "k"].into_iter().enumerate() {
        let mut job = job(name, 1, 1);
        job.submitted_at = WallTime(world.job.submitted_at.0 + 1 + age as u64);
        assert_eq!(register(&world.submitter, &job).await, Registered::New);
        submitted.push(job);
    }
    let listed = world.submitter.broker.jobs().await.expect("jobs");
    assert_eq!(listed, submitted);
}

/// What concerns a job that never was is answered so, and leaves nothing behind.
pub async fn an_unknown_job_is_told_so<H: Harness>() {
    let world = World::<H>::new(1).await;
    let consumer = world.consumer("a").await;
    let unknown = job("unknown", 1, 4);
    assert_job_gone(&consumer, &unknown).await;
    // Nothing of a batch is added if one of its jobs is unknown.
    let mixed = [chunk_of(&world.job, 0), chunk_of(&unknown, 0)];
    assert!(consumer.broker.publish(&mixed).await.is_err());
    assert_eq!(consumer.progress(&unknown).await, None);
    let found = consumer.broker.job(&unknown.name).await.expect("job");
    assert_eq!(found, None);
    assert!(!consumer.broker.cancel(unknown.uid).await.expect("cancel"));
    assert!(!consumer.broker.purge(unknown.uid).await.expect("purge"));
    let delivery = consumer.one().await;
    let outcome = outcome(&chunk_of(&unknown, 0), &consumer.worker, &[]);
    let receipt = Receipt { key: outcome.key, ..delivery.receipt };
    assert_eq!(consumer.commit(receipt, outcome).await, Committed::Dropped);
    assert_eq!(consumer.complete(&delivery).await, Committed::First);
    consumer.none().await;
}

/// A cancelled job hands out nothing and takes nothing; what it had stays to be read.
pub async fn a_cancelled_job_delivers_nothing_and_drops_outcomes<H: Harness>() {
    let world = World::<H>::with_short_leases(5).await;
    let consumer = world.consumer("a").await;
    let deliveries = consumer.take(4).await;
    let kept = outcome(&deliveries[0].chunk, &consumer.worker, &[]);
    consumer.commit(deliveries[0].receipt, kept.clone()).await;
    let cancelled = world.submitter.broker.cancel(world.job.uid).await;
    assert!(cancelled.expect("cancel"));
    if world.capabilities().renewable_leases {
        assert_eq!(consumer.renew(&deliveries[1]).await, Renewed::Lost);
    }
    assert_eq!(consumer.complete(&deliveries[1]).await, Committed::Dropped);
    consumer.nack(&deliveries[2], Duration::ZERO, &failure("no")).await;
    consumer.give_back(&deliveries[3], Duration::ZERO).await;
    world.harness.elapse(H::lease()).await;
    consumer.none().await;

    assert_job_gone(&consumer, &world.job).await;
    let progress = world.progress().await;
    assert_eq!(progress.state, JobState::Cancelled);
    assert_eq!(progress.chunks.completed, 1);
    assert_eq!((progress.chunks.ready, progress.chunks.delayed), (0, 0));
    assert_eq!(consumer.outcomes(&world.job, 10).await, [kept]);
    let found = consumer.broker.job(&world.job.name).await.expect("job");
    assert_eq!(found, Some(world.job.clone()));
    let existing = Registered::Existing(Box::new(world.job.clone()));
    assert_eq!(register(&consumer, &job("law", 1, 1)).await, existing);
}

/// A purge leaves nothing; a worker of the purged job changes nothing in a job of the same name.
pub async fn a_purged_job_is_gone_and_its_zombie_touches_nothing_new<H: Harness>() {
    let world = World::<H>::new(3).await;
    let consumer = world.consumer("a").await;
    let old = consumer.take(3).await;
    assert_eq!(consumer.complete(&old[0]).await, Committed::First);
    let purged = world.submitter.broker.purge(world.job.uid).await;
    assert!(purged.expect("purge"));
    assert_gone(&world, &consumer).await;

    let new = job(world.job.name.as_str(), 3, world.job.spec.chunk_size.get());
    assert_eq!(register(&consumer, &new).await, Registered::New);
    let published = world.submitter.publish(&cut(&new)).await;
    assert_eq!(published, Published { added: 3, present: 0 });
    let held = consumer.one().await;
    act_as_zombie(&world, &consumer, &old).await;

    let progress = world.progress_of(&new).await;
    let chunks = progress.chunks;
    assert_eq!((chunks.ready, chunks.in_flight, chunks.completed), (2, 1, 0));
    assert_eq!(chunks.duplicates_dropped, 0);
    assert_eq!(consumer.complete(&held).await, Committed::First);
    for delivery in consumer.take(2).await {
        assert_eq!(delivery.chunk.key.job, new.uid);
        assert_eq!(delivery.chunk.counters.give_backs, 0);
        assert_eq!(consumer.complete(&delivery).await, Committed::First);
    }
    consumer.none().await;
    assert_eq!(consumer.outcomes(&new, 10).await.len(), 3);
    assert_gone_by_uid(&world, &consumer).await;
}

/// A purge of all leaves no job, and the broker fit for new ones.
pub async fn a_purge_of_all_leaves_no_job<H: Harness>() {
    let world = World::<H>::new(3).await;
    let consumer = world.consumer("a").await;
    let other = job("other", 3, 4);
    assert_eq!(register(&world.submitter, &other).await, Registered::New);
    world.submitter.publish(&cut(&other)).await;
    let delivery = consumer.one().await;
    assert_eq!(world.submitter.broker.purge_all().await.expect("purge"), 2);
    assert_gone(&world, &consumer).await;
    assert_job_gone(&consumer, &other).await;
    assert_eq!(consumer.complete(&delivery).await, Committed::Dropped);
    assert_eq!(world.submitter.broker.purge_all().await.expect("purge"), 0);
    assert_eq!(register(&consumer, &job("other", 3, 4)).await, Registered::New);
}

/// All that a worker can say about deliveries of a purged job; it is told to drop them.
async fn act_as_zombie<H: Harness>(world: &World<H>, zombie: &Consumer, old: &[Delivery]) {
    if world.capabilities().renewable_leases {
        assert_eq!(zombie.renew(&old[1]).await, Renewed::Lost);
    }
    assert_eq!(zombie.complete(&old[1]).await, Committed::Dropped);
    assert_eq!(zombie.complete(&old[0]).await, Committed::Dropped);
    if world.capabilities().renewable_leases {
        let nacked = zombie.nack(&old[2], Duration::ZERO, &failure("no")).await;
        assert_eq!(nacked, Settled::Stale);
    }
    let given_back = zombie.give_back(&old[1], Duration::ZERO).await;
    assert_eq!(given_back, Settled::Stale);
}

async fn assert_gone<H: Harness>(world: &World<H>, consumer: &Consumer) {
    let found = consumer.broker.job(&world.job.name).await.expect("job");
    assert_eq!(found, None);
    assert_eq!(consumer.broker.jobs().await.expect("jobs"), []);
    assert_gone_by_uid(world, consumer).await;
}

async fn assert_gone_by_uid<H: Harness>(world: &World<H>, consumer: &Consumer) {
    assert_eq!(consumer.progress(&world.job).await, None);
    let uid = world.job.uid;
    match consumer.broker.outcomes(uid, OutcomeCursor::START, 9).await {
        Ok(page) => assert_eq!((page.outcomes, page.next), (vec![], None)),
        Err(error) => assert!(matches!(error, BrokerError::JobGone { .. }), "{error}"),
    }
    assert!(!consumer.broker.cancel(uid).await.expect("cancel"));
    assert!(!consumer.broker.purge(uid).await.expect("purge"));
    assert_job_gone(consumer, &world.job).await;
}

/// Two jobs whose chunks have the same numbers are settled, counted, cancelled and read apart.
pub async fn two_jobs_share_a_broker_and_do_not_mix<H: Harness>() {
    let world = World::<H>::new(2).await;
    let (consumer, submitter) = (world.consumer("a").await, &world.submitter);
    let (one, other) = (&world.job, job("other", 3, 4));
    assert_eq!(register(submitter, &other).await, Registered::New);
    submitter.publish(&cut(&other)).await;
    let deliveries = consumer.drain(2).await;
    assert_eq!(deliveries.len(), 5);
    let (ones, others): (Vec<_>, Vec<_>) =
        deliveries.into_iter().partition(|delivery| delivery.chunk.key.job == one.uid);
    assert_eq!((ones.len(), others.len()), (2, 3));
    for delivery in &ones {
        assert_eq!(delivery.chunk.spec.parameters, one.spec.parameters);
        assert_eq!(consumer.complete(delivery).await, Committed::First);
    }
    assert_eq!(world.progress().await.state, JobState::Complete);
    let progress = world.progress_of(&other).await;
    assert_eq!(progress.state, JobState::Running);
    assert_eq!((progress.chunks.completed, progress.chunks.in_flight), (0, 3));

    // What of the other job waits, and what is held, outlasts the end of this one.
    let (returned, delay) = (world.harness.now(), H::lease() / 2);
    assert_eq!(consumer.give_back(&others[2], delay).await, Settled::Applied);
    assert!(submitter.broker.cancel(one.uid).await.expect("cancel"));
    assert!(submitter.broker.purge(one.uid).await.expect("purge"));
    for delivery in &others[..2] {
        assert_eq!(consumer.renew(delivery).await, Renewed::Held);
        assert_eq!(consumer.complete(delivery).await, Committed::First);
    }
    let waited = world.delivered_not_before(returned.after(delay), &consumer).await;
    assert_eq!(consumer.complete(&waited).await, Committed::First);
    let keys: Vec<_> = others.iter().map(|delivery| delivery.chunk.key).collect();
    let read = consumer.outcomes(&other, 2).await;
    assert_eq!(read.iter().map(|outcome| outcome.key).collect::<Vec<_>>(), keys);
}

/// Monitors see the last beat of every worker that beats, and no more of one that stopped.
pub async fn beats_show_each_worker_once_and_age_out<H: Harness>() {
    let world = World::<H>::unpublished(1, H::lease() * 100).await;
    let beat = |name: &str, chunks| Beat {
        worker: worker(name),
        at: WallTime(1_800_000_000_000),
        build: "conformance".to_owned(),
        kernels: vec![world.job.spec.kernel.clone()],
        slots: 2,
        in_flight: 1,
        chunks,
        parameters: chunks * 4,
    };
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let seen = async |within| {
        let mut beats = world.submitter.broker.beats(within).await.expect("beats");
        beats.sort_by(|a, b| a.worker.cmp(&b.worker));
        beats
    };
    for chunks in [1, 2] {
        a.broker.beat(&beat("a", chunks)).await.expect("beat");
        b.broker.beat(&beat("b", chunks + 5)).await.expect("beat");
    }
    let within = H::lease() * 2;
    assert_eq!(seen(within).await, [beat("a", 2), beat("b", 7)]);
    world.harness.elapse(within).await;
    world.harness.elapse(H::lease()).await;
    b.broker.beat(&beat("b", 8)).await.expect("beat");
    assert_eq!(seen(within).await, [beat("b", 8)]);
}
