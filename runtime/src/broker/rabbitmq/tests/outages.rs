//! The server cuts connections, or takes no messages.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{complete, connect, finish, one, submit};
use crate::broker::Broker;
use crate::broker::conformance::{outcome, worker};
use crate::broker::rabbitmq::RabbitServer;
use crate::error::BrokerError;

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
