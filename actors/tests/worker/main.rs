//! Whole workers on the memory broker, with kernels and brokers that fail on order.

#![expect(clippy::unwrap_used, reason = "a test says by a panic what is wrong")]

mod faulty;
mod workbench;

use ttg_actors::WorkerError;
use ttg_observability::metrics::{ActorKind, RestartReason};

use faulty::{Fault, Order};
use workbench::Workbench;

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_of_a_job_is_in_one_outcome() {
    let bench = Workbench::with_job("collatz", 50_000, 77).await;
    let worker = bench.worker(Order::none(), Order::none(), Order::none()).await;
    let progress = bench.finish(worker).await.unwrap();
    assert_eq!((progress.chunks.redelivered, progress.chunks.duplicates_dropped), (0, 0));
    bench.check(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters_die_alone_and_never_trip_the_restart_limit() {
    let bench = Workbench::with_job("moody", 10_000, 100).await;
    let worker = bench.worker(Order::none(), Order::none(), Order::none()).await;
    let progress = bench.finish(worker).await.unwrap();
    let panics = (1..=20).map(|n| n * 500);
    let errors = (0..20).map(|n| n * 500 + 7);
    let mut dead: Vec<u64> = panics.chain(errors).collect();
    dead.sort_unstable();
    bench.check(&dead).await;
    assert_eq!((progress.chunks.completed, progress.chunks.dead), (100, 0));
    let restarts = bench.metrics.actor_restarts(ActorKind::Compute, RestartReason::KernelPanic);
    assert_eq!(restarts.get(), 40, "twenty chunks, two attempts before the last");
    for outcome in bench.outcomes().await {
        let charged = if outcome.dead.is_empty() { 1 } else { 3 };
        assert_eq!(outcome.attempt, charged, "chunk {}", outcome.key.chunk);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_broker_loses_and_doubles_nothing() {
    let bench = Workbench::with_job("moody", 2_000, 10).await;
    let lost = |times| Order::times(Fault::Unavailable, times);
    let worker = bench.worker(lost(2), lost(3), lost(2)).await;
    bench.finish(worker).await.unwrap();
    bench.check(&[7, 500, 507, 1_000, 1_007, 1_500, 1_507, 2_000]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_reply_was_lost_counts_once() {
    let bench = Workbench::with_job("collatz", 1_000, 10).await;
    let commit = Order::times(Fault::ReplyLost, 3);
    let worker = bench.worker(Order::none(), commit, Order::none()).await;
    let progress = bench.finish(worker).await.unwrap();
    assert!(progress.chunks.duplicates_dropped > 0);
    bench.check(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_or_sink_that_panics_is_restarted_and_nothing_is_lost() {
    let bench = Workbench::with_job("collatz", 2_000, 10).await;
    let panic = |times| Order::times(Fault::Panic, times);
    let worker = bench.worker(panic(2), panic(2), Order::none()).await;
    bench.finish(worker).await.unwrap();
    bench.check(&[]).await;
    let restarts = |actor| bench.metrics.actor_restarts(actor, RestartReason::Panic).get();
    assert_eq!(restarts(ActorKind::Dispatcher), 2);
    assert_eq!(restarts(ActorKind::ResultSink), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_keeps_failing_gives_up_and_says_why() {
    let bench = Workbench::with_job("collatz", 1_000, 10).await;
    let receive = Order::times(Fault::Panic, i64::MAX);
    let worker = bench.worker(receive, Order::none(), Order::none()).await;
    match bench.finish(worker).await.unwrap_err() {
        WorkerError::GaveUp { actor: "dispatcher", restarts: 5, reason, .. } => {
            assert_eq!(reason, "a receive ended without an answer");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.progress().await.chunks.ready, 100, "its chunks are there for others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_refuses_for_good_ends_the_worker_at_once() {
    let bench = Workbench::with_job("collatz", 1_000, 10).await;
    let commit = Order::times(Fault::Refused, i64::MAX);
    let worker = bench.worker(Order::none(), commit, Order::none()).await;
    assert!(matches!(bench.finish(worker).await, Err(WorkerError::Broker(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_gives_back_what_is_unfinished_uncharged() {
    let bench = Workbench::with_job("collatz", 10_000_000, 2_500_000).await;
    let mut worker = bench.worker(Order::none(), Order::none(), Order::none()).await;
    // Both slots are in a chunk, and nobody has begun the others.
    while worker.observe().await.unwrap().dispatcher.unwrap().idle_slots > 0 {
        tokio::task::yield_now().await;
    }
    worker.stop();
    worker.ended().await.unwrap();
    let progress = bench.progress().await;
    assert_eq!(progress.chunks.ready + progress.chunks.completed, 4);
    assert!(progress.chunks.ready > 0, "the job had seconds to go");
    let worker = bench.worker(Order::none(), Order::none(), Order::none()).await;
    let progress = bench.finish(worker).await.unwrap();
    assert_eq!(progress.chunks.redelivered, 0, "a give-back is not a redelivery");
    assert!(bench.outcomes().await.iter().all(|outcome| outcome.attempt == 1));
    bench.check(&[]).await;
}
