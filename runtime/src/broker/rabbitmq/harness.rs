//! The RabbitMQ adapter under the laws: a namespace of its own for each, by real time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::adapter::Consumer;
use super::shared::RabbitSpace;
use super::{RabbitBroker, RabbitConfig};
use crate::broker::Broker;
use crate::broker::conformance::Harness;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::ids::WorkerId;

/// A namespace on a server that the tests of a run share: a server takes long to start.
pub struct RabbitHarness {
    space: RabbitSpace,
    consumers: Mutex<HashMap<WorkerId, Weak<Consumer>>>,
}

#[async_trait]
impl Harness for RabbitHarness {
    async fn start() -> Self {
        Self { space: RabbitSpace::fresh(), consumers: Mutex::default() }
    }

    async fn connect(&self, worker: WorkerId, lease: Duration) -> Arc<dyn Broker> {
        let config = RabbitConfig {
            url: self.space.url(),
            namespace: self.space.namespace().to_owned(),
            authority: None,
            identity: None,
            worker: worker.clone(),
            lease,
        };
        let broker = RabbitBroker::connect(config).await.expect("connect");
        let mut consumers = self.consumers.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is dropped is dead.
        consumers.insert(worker, Arc::downgrade(&broker.consumer));
        Arc::new(broker)
    }

    fn lease() -> Duration {
        Duration::from_secs(1)
    }

    /// What returns is delivered by the server when it gets round to it.
    fn moment() -> Duration {
        Duration::from_millis(500)
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn elapse(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    async fn expire(&self, worker: &WorkerId) {
        let consumer = {
            let consumers = self.consumers.lock().unwrap_or_else(PoisonError::into_inner);
            consumers.get(worker).and_then(Weak::upgrade)
        };
        if let Some(consumer) = consumer {
            consumer.link.cut().await;
        }
    }
}
