//! The laws of all adapters, then what only this one promises.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{RedisBroker, RedisConfig, RedisServer};
use crate::broker::Broker;
use crate::broker::conformance::{cut, job, outcome, worker};
use crate::broker::{Committed, Registered};
use crate::delivery::Delivery;
use crate::job::JobRecord;

mod access;
mod clocks;
mod deaths;
mod failover;
mod foreign;
mod outages;
mod values;

crate::broker_conformance!(super::RedisHarness);

/// What a law may wait for.
const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(server: &RedisServer, name: &str, lease: Duration) -> RedisBroker {
    RedisBroker::connect(config(server, name, lease)).await.unwrap()
}

fn config(server: &RedisServer, name: &str, lease: Duration) -> RedisConfig {
    RedisConfig {
        url: server.url(),
        namespace: "ttg".to_owned(),
        authority: None,
        worker: worker(name),
        lease,
    }
}

/// A job of `chunks` chunks, registered and published.
async fn submit(broker: &RedisBroker, name: &str, chunks: u64) -> JobRecord {
    let job = job(name, chunks, 4);
    assert_eq!(broker.register(&job).await.unwrap(), Registered::New);
    assert_eq!(broker.publish(&cut(&job)).await.unwrap().added, chunks);
    job
}

async fn receive(broker: &RedisBroker, credit: u32, wait: Duration) -> Vec<Delivery> {
    broker.receive(NonZeroU32::new(credit).unwrap(), wait).await.unwrap()
}

async fn complete(broker: &RedisBroker, delivery: &Delivery) -> Committed {
    let outcome = outcome(&delivery.chunk, &broker.worker, &[]);
    broker.commit(&[(delivery.receipt, outcome)]).await.unwrap()[0]
}

/// Asks again until the server is back.
async fn insist<T>(mut call: impl AsyncFnMut() -> Result<T, crate::error::BrokerError>) -> T {
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
}
