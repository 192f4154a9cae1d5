//! The Redis adapter under the laws: a server of its own for each, by real time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{RedisBroker, RedisConfig, RedisServer};
use crate::broker::Broker;
use crate::broker::conformance::Harness;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::ids::WorkerId;

/// A server that ends with this.
pub struct RedisHarness {
    server: RedisServer,
}

#[async_trait]
impl Harness for RedisHarness {
    async fn start() -> Self {
        Self { server: RedisServer::start() }
    }

    async fn connect(&self, worker: WorkerId, lease: Duration) -> Arc<dyn Broker> {
        let config = RedisConfig {
            url: self.server.url(),
            namespace: "ttg".to_owned(),
            authority: None,
            worker,
            lease,
        };
        Arc::new(RedisBroker::connect(config).await.expect("connect"))
    }

    fn lease() -> Duration {
        Duration::from_millis(400)
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn elapse(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}
