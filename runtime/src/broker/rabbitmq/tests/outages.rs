//! The server cuts connections, or takes no messages.

use std::num::NonZeroU32;
use std::time::Duration;

use lapin::options::QueueDeleteOptions;

use super::{complete, connect, finish, one, submit};
use crate::broker::conformance::{outcome, worker};
use crate::broker::rabbitmq::letters::Letter;
use crate::broker::rabbitmq::topology::Declaring;
use crate::broker::rabbitmq::{RabbitServer, RabbitSpace};
use crate::broker::{Broker, Committed, OutcomeCursor, OutcomePage};
use crate::error::BrokerError;
use crate::wire::RECORD_BYTES_MAX;

const LEASE: Duration = Duration::from_secs(9);

#[tokio::test]
async fn a_consumer_whose_connections_are_closed_comes_back() {
    let server = RabbitServer::start();
    let broker = connect((&server.url(), "ttg"), "a", LEASE).await;
    let job = submit(&broker, "closed", 3).await;
    let held = one(&broker).await;
    server.ask(&["close_all_connections", "maintenance"]);
    let again = loop {
        match broker.receive(NonZeroU32::MIN, LEASE).await {
            Ok(mut deliveries) => break deliveries.pop().expect("a chunk is due"),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    };
    assert_eq!(again.chunk.key, held.chunk.key);
    assert_eq!(again.chunk.counters.silent_deliveries, 1);
    complete(&broker, &again).await;
    finish(&broker, &job).await;
}

#[tokio::test]
async fn an_outcome_is_kept_while_the_server_takes_none() {
    let server = RabbitServer::start();
    let broker = connect((&server.url(), "ttg"), "a", LEASE).await;
    let job = submit(&broker, "full", 2).await;
    let held = one(&broker).await;
    server.ask(&["set_vm_memory_high_watermark", "0"]);
    let commit = [(held.receipt, outcome(&held.chunk, &worker("a"), &[]))];
    // For longer than the server hears from a client that may write.
    for _ in 0..3 {
        let refused = broker.commit(&commit).await;
        assert!(matches!(refused, Err(BrokerError::Full { .. })), "{refused:?}");
    }
    server.ask(&["set_vm_memory_high_watermark", "0.6"]);
    loop {
        match broker.commit(&commit).await {
            Ok(_) => break,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    let progress = broker.progress(job.uid).await.expect("progress").expect("a job");
    assert_eq!((progress.chunks.completed, progress.chunks.redelivered), (1, 0));
    finish(&broker, &job).await;
}

#[tokio::test]
async fn a_chunk_that_could_not_be_handed_out_during_an_alarm_is_charged_with_nothing() {
    let server = RabbitServer::start();
    let broker = connect((&server.url(), "ttg"), "a", LEASE).await;
    let job = submit(&broker, "full", 1).await;
    let held = one(&broker).await;
    server.ask(&["close_all_connections", "maintenance"]);
    // The one delivery that ended without a word. All others end with an error.
    let other = connect((&server.url(), "ttg"), "b", LEASE).await;
    server.ask(&["set_vm_memory_high_watermark", "0"]);
    for _ in 0..3 {
        let refused = other.receive(NonZeroU32::MIN, LEASE).await;
        assert!(refused.as_ref().is_err_and(BrokerError::is_transient), "{refused:?}");
        // Nobody asks, so that it goes back to where it was.
        while !other.consumer.source.lock().await.waiting.is_empty() {
            tokio::task::yield_now().await;
        }
    }
    // An alarm may end when the journal was asked in vain, and before anything was handed out.
    let patience = other.consumer.patience + Duration::from_secs(1);
    let mut receiving = Box::pin(other.receive(NonZeroU32::MIN, LEASE));
    let received = tokio::time::timeout(patience, &mut receiving).await;
    server.ask(&["set_vm_memory_high_watermark", "0.6"]);
    let mut received = match received {
        Ok(received) => received,
        Err(_) => receiving.await,
    };
    let again = loop {
        match received {
            Ok(mut deliveries) => break deliveries.pop().expect("a chunk is due"),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        received = other.receive(NonZeroU32::MIN, LEASE).await;
    };
    assert_eq!(again.chunk.key, held.chunk.key);
    assert_eq!(again.chunk.counters.silent_deliveries, 1);
    complete(&other, &again).await;
    finish(&other, &job).await;
}

#[tokio::test]
async fn readers_go_on_where_they_were_in_another_session() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let broker = connect((&url, &namespace), "a", LEASE).await;
    let job = submit(&broker, "anew", 3).await;
    for _ in 0..2 {
        let delivery = one(&broker).await;
        assert_eq!(complete(&broker, &delivery).await, Committed::First);
    }
    let page = |cursor| broker.outcomes(job.uid, cursor, 1);
    let first = page(OutcomeCursor::START).await.expect("a page");
    let before = broker.progress(job.uid).await.expect("progress");
    broker.consumer.link.cut().await;
    assert_eq!(broker.progress(job.uid).await.expect("progress"), before);
    assert_eq!(broker.jobs().await.expect("jobs").len(), 1);
    let second = page(first.next.expect("a second")).await.expect("a page");
    let key = |page: &OutcomePage| page.outcomes[0].key;
    assert_eq!((key(&first).chunk.0, key(&second).chunk.0), (0, 1));
    finish(&broker, &job).await;
}

/// What a loss of power may do to a stream, whose end is not on the disk when it is confirmed.
#[tokio::test]
async fn what_the_server_lost_is_not_known_any_more_in_the_next_session() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let broker = connect((&url, &namespace), "a", LEASE).await;
    let job = submit(&broker, "lost", 2).await;
    let delivery = one(&broker).await;
    assert_eq!(complete(&broker, &delivery).await, Committed::First);
    let completed = async || {
        let progress = broker.progress(job.uid).await.expect("progress").expect("a job");
        progress.chunks.completed
    };
    assert_eq!(completed().await, 1);
    let link = &broker.consumer.link;
    let session = link.session().await.expect("a session");
    let channel = session.question().await.expect("a channel");
    let journal = link.names.journal(job.uid);
    let deleted = channel.queue_delete(journal.as_str().into(), QueueDeleteOptions::default());
    deleted.await.expect("it was there");
    let declare = async |declaring: Declaring<'_>| declaring.journal(job.uid).await;
    session.declare(&link.names, declare).await.expect("an empty one");
    link.cut().await;
    assert_eq!(completed().await, 0);
}

#[tokio::test]
async fn what_nobody_could_read_is_not_sent() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let broker = connect((&url, &namespace), "a", LEASE).await;
    let session = broker.consumer.link.session().await.expect("a session");
    let letter =
        |bytes| Letter::to_queue(&broker.consumer.link.names.dead, "message", vec![0; bytes]);
    let refused = session.tell(&[letter(RECORD_BYTES_MAX + 1)]).await;
    assert!(matches!(refused, Err(BrokerError::TooLarge { .. })), "{refused:?}");
    assert_eq!(session.tell(&[letter(1)]).await.expect("the session lives"), [true]);
}
