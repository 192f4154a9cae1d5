//! A server whose wall clock is stepped. While it runs it keeps its own time, and nothing comes of it;
//! when it starts again it has the machine's.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{complete, connect, finish, one, submit};
use crate::broker::conformance::{SteppedClock, failure};
use crate::broker::rabbitmq::RabbitServer;
use crate::broker::{Broker, Committed, Nack, RabbitBroker, Settled};
use crate::delivery::Delivery;

/// What is late by three of them is given out a second time, which no retry is to be here that comes by
/// itself, on a slow machine either.
const LEASE: Duration = Duration::from_secs(5);

/// What that takes, and a server that starts.
const PATIENCE: Duration = Duration::from_mins(1);
const STEP: Duration = Duration::from_hours(1);

/// In the shortest queue of retries, which all of them share.
const RETRY_IN: Duration = Duration::from_secs(2);

async fn fail(broker: &RabbitBroker, delivery: &Delivery) {
    let failure = failure("it failed");
    let nack = Nack { receipt: delivery.receipt, retry_in: RETRY_IN, failure };
    assert_eq!(broker.nack(&[nack]).await.expect("nack"), [Settled::Applied]);
}

/// Asks until it comes again, uncharged.
async fn expect_retry(broker: &RabbitBroker, failed: &Delivery) -> Delivery {
    let asked = async {
        loop {
            match broker.receive(NonZeroU32::MIN, LEASE / 2).await {
                Ok(mut due) => {
                    if let Some(delivery) = due.pop() {
                        return delivery;
                    }
                }
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
    };
    let again = tokio::time::timeout(PATIENCE, asked).await.expect("it is tried again");
    assert_eq!(again.chunk.key, failed.chunk.key);
    let counters = again.chunk.counters;
    assert_eq!(counters.silent_deliveries, failed.chunk.counters.silent_deliveries);
    assert_eq!(counters.failures, failed.chunk.counters.failures + 1);
    again
}

#[tokio::test]
async fn what_waits_to_be_tried_again_does_not_wait_for_the_clock() {
    let mut server = RabbitServer::start_by(SteppedClock::new());
    let broker = connect((&server.url(), "ttg"), "a", LEASE).await;
    let job = submit(&broker, "stepped", 1).await;
    let first = one(&broker).await;
    fail(&broker, &first).await;
    server.clock().back(STEP);
    let second = expect_retry(&broker, &first).await;
    fail(&broker, &second).await;
    server.clock().forward(STEP * 2);
    let third = expect_retry(&broker, &second).await;
    fail(&broker, &third).await;
    // The acknowledgement of what failed is not confirmed: it has until the retry is due, or a server that
    // is killed before it is written brings that again.
    assert_eq!(broker.receive(NonZeroU32::MIN, RETRY_IN / 3).await.expect("receive"), []);
    // Its message has the time before, and is due in an hour.
    server.kill();
    server.clock().back(STEP);
    server.launch();
    let fourth = expect_retry(&broker, &third).await;
    assert_eq!(complete(&broker, &fourth).await, Committed::First);
    finish(&broker, &job).await;
}
