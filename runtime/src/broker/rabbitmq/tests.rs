//! The laws of all adapters, then what only this one promises.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{RabbitBroker, RabbitConfig};
use crate::broker::conformance::{cut, job, outcome, worker};
use crate::broker::{Broker, Committed, JobState, OutcomeCursor, Registered};
use crate::delivery::Delivery;
use crate::job::JobRecord;

mod access;
mod clocks;
mod crashes;
mod foreign;
mod looks;
mod outages;
mod rescues;

crate::broker_conformance!(super::RabbitHarness);

/// What a law may wait for.
const PATIENCE: Duration = Duration::from_secs(20);

async fn connect((url, namespace): (&str, &str), name: &str, lease: Duration) -> RabbitBroker {
    let config = RabbitConfig {
        url: url.to_owned(),
        namespace: namespace.to_owned(),
        authority: None,
        identity: None,
        worker: worker(name),
        lease,
    };
    RabbitBroker::connect(config).await.expect("connect")
}

/// A job of `chunks` chunks, registered and published.
async fn submit(broker: &RabbitBroker, name: &str, chunks: u64) -> JobRecord {
    let job = job(name, chunks, 4);
    assert_eq!(broker.register(&job).await.expect("register"), Registered::New);
    broker.publish(&cut(&job)).await.expect("publish");
    job
}

async fn one(broker: &RabbitBroker) -> Delivery {
    let deliveries = broker.receive(NonZeroU32::MIN, PATIENCE).await.expect("receive");
    deliveries.into_iter().next().expect("a chunk is due")
}

async fn complete(broker: &RabbitBroker, delivery: &Delivery) -> Committed {
    let outcome = outcome(&delivery.chunk, &worker("finisher"), &[]);
    broker.commit(&[(delivery.receipt, outcome)]).await.expect("commit")[0]
}

/// Computes all that comes until the job is complete, and asserts that each chunk counts once.
async fn finish(broker: &RabbitBroker, job: &JobRecord) {
    loop {
        let progress = broker.progress(job.uid).await.expect("progress").expect("a job");
        if progress.state == JobState::Complete {
            let total = progress.parameters.total;
            assert_eq!(progress.parameters.completed + progress.parameters.dead, total);
            let page = broker.outcomes(job.uid, OutcomeCursor::START, 1_000).await;
            let mut chunks: Vec<u64> = page
                .expect("outcomes")
                .outcomes
                .iter()
                .map(|outcome| outcome.key.chunk.0)
                .collect();
            chunks.sort_unstable();
            assert_eq!(chunks, (0..job.spec.chunks_total()).collect::<Vec<_>>());
            return;
        }
        let due = broker.receive(NonZeroU32::MIN, Duration::from_millis(200)).await;
        for delivery in due.expect("receive") {
            complete(broker, &delivery).await;
        }
    }
}
