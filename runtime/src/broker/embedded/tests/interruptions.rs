//! Submissions, removals and receives that were cut short, and a store that somebody blocks.

use std::task::{Context, Waker};

use super::*;
use crate::broker::conformance::{chunk_of, cut, outcome, replay};
use crate::broker::{Committed, JobState, OutcomeCursor, Published};
use crate::delivery::Receipt;
use crate::error::BrokerError;

#[tokio::test]
async fn a_submission_that_was_cut_short_goes_on_exactly_where_it_ended() {
    let machine = Machine::new();
    let first = machine.connect("first").await;
    let job = Machine::job(&first, 20).await;
    let chunks = cut(&job);
    for batch in chunks[..9].chunks(3) {
        first.publish(batch).await.unwrap();
    }
    // Some were settled meanwhile, some are held, one was published ahead of the gap.
    let held = receive(&first, 5).await;
    let done = (held[0].receipt, outcome(&held[0].chunk, &worker("first"), &[]));
    first.commit(&[done]).await.unwrap();
    first.publish(&chunks[12..13]).await.unwrap();
    drop(first);

    let second = machine.connect("second").await;
    let progress = second.progress(job.uid).await.unwrap().unwrap();
    assert_eq!(progress.published, 9);
    let published = second.publish(&chunks).await.unwrap();
    let (added, present) = (10, 10);
    assert_eq!(published, Published { added, present });
    let mut indices: Vec<_> = receive(&second, 99).await.iter().map(index).collect();
    indices.extend(receive(&second, 99).await.iter().map(index));
    indices.sort_unstable();
    assert_eq!(indices, (1..20).collect::<Vec<_>>());
}

fn index(delivery: &Delivery) -> u64 {
    delivery.chunk.key.chunk.0
}

#[tokio::test]
async fn a_chunk_that_was_settled_before_its_first_lease_is_not_leased() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let job = Machine::job(&broker, 5).await;
    broker.publish(&cut(&job)).await.unwrap();
    let early = chunk_of(&job, 2);
    let receipt = Receipt { key: early.key, token: [0, 0] };
    let settled = (receipt, outcome(&early, &worker("b"), &[]));
    assert_eq!(broker.commit(&[settled]).await.unwrap(), [Committed::First]);
    let ready = async || broker.progress(job.uid).await.unwrap().unwrap().chunks.ready;
    assert_eq!(ready().await, 4);
    let deliveries = receive(&broker, 9).await;
    let indices: Vec<_> = deliveries.iter().map(index).collect();
    assert_eq!(indices, [0, 1, 3, 4]);
    for delivery in &deliveries {
        let done = (delivery.receipt, outcome(&delivery.chunk, &worker("a"), &[]));
        broker.commit(&[done]).await.unwrap();
    }
    let progress = broker.progress(job.uid).await.unwrap().unwrap();
    assert_eq!(progress.state, JobState::Complete);
}

#[tokio::test]
async fn what_a_cut_short_cancel_left_is_dropped_and_not_delivered() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let job = Machine::job(&broker, 3).await;
    let origin = chunk_of(&job, 0);
    // Rows of their own, which the first transaction of a cancel leaves.
    let replays: Vec<_> = (1..9).map(|n| replay(&origin, n, origin.range)).collect();
    broker.publish(&replays).await.unwrap();
    let uid = job.uid;
    broker.on_writer(move |store| store.cancel(uid)).await.unwrap();
    assert_eq!(receive(&broker, 9).await, []);
    let rows = broker.on_writer(|store| {
        let count = "SELECT count(*) FROM tasks";
        Ok(store.connection.query_row(count, [], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(rows.await.unwrap(), 0);
}

#[tokio::test]
async fn a_cut_short_purge_is_over_for_all_and_finished_by_those_who_come() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let job = Machine::job(&broker, 3).await;
    broker.publish(&cut(&job)).await.unwrap();
    let held = receive(&broker, 3).await;
    let done = (held[0].receipt, outcome(&held[0].chunk, &worker("a"), &[]));
    broker.commit(&[done]).await.unwrap();
    let uid = job.uid;
    broker.on_writer(move |store| store.purge(uid)).await.unwrap();
    assert_eq!(broker.jobs().await.unwrap(), []);
    assert_eq!(broker.progress(uid).await.unwrap(), None);
    let page = broker.outcomes(uid, OutcomeCursor::START, 9).await.unwrap();
    assert_eq!(page.outcomes, []);
    drop(broker);

    for n in 0..3 {
        machine.connect(&format!("comer-{n}")).await;
    }
    let broker = machine.connect("last").await;
    let rows = broker.on_writer(|store| {
        let count = "SELECT (SELECT count(*) FROM tasks) + (SELECT count(*) FROM outcomes)
             + (SELECT count(*) FROM jobs)";
        Ok(store.connection.query_row(count, [], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(rows.await.unwrap(), 0);
}

#[tokio::test]
async fn a_receive_that_nobody_waits_for_leaves_strays_that_can_be_given_back() {
    let machine = Machine::new();
    let (a, b) = (machine.connect("a").await, machine.connect("b").await);
    let job = Machine::job(&a, 2).await;
    a.publish(&cut(&job)).await.unwrap();
    let receive_nine = a.receive(NonZeroU32::new(9).unwrap(), Duration::ZERO);
    // Polled once, then dropped: the command is on its way.
    let mut context = Context::from_waker(Waker::noop());
    drop(Box::pin(receive_nine).as_mut().poll(&mut context));
    assert_eq!(a.give_back_strays(&[]).await.unwrap(), 2);
    assert_eq!(receive(&b, 9).await.len(), 2);
}

#[tokio::test]
async fn a_process_that_stopped_while_writing_holds_up_writers_and_no_reader() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let job = Machine::job(&broker, 2).await;
    let short = Duration::from_millis(50);
    let patience = broker.on_writer(move |store| Ok(store.connection.busy_timeout(short)?));
    patience.await.unwrap();
    let stopped = rusqlite::Connection::open(machine.folder.path().join("ttg.db")).unwrap();
    stopped.execute_batch("BEGIN IMMEDIATE").unwrap();

    let refused = broker.publish(&cut(&job)).await.unwrap_err();
    assert!(matches!(refused, BrokerError::Unavailable { .. }), "{refused}");
    let progress = broker.progress(job.uid).await.unwrap().unwrap();
    assert_eq!(progress.published, 0);

    stopped.execute_batch("ROLLBACK").unwrap();
    assert_eq!(broker.publish(&cut(&job)).await.unwrap().added, 2);
}
