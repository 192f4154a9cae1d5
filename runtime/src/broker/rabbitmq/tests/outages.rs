//! The server cuts connections.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{complete, connect, finish, one, submit};
use crate::broker::Broker;
use crate::broker::rabbitmq::RabbitServer;

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
