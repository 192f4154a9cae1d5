//! A crash between every two steps of what a worker or a submitter does: nothing is lost, and nothing
//! counts twice.

use std::time::Duration;

use super::{PATIENCE, complete, connect, finish, one};
use crate::broker::conformance::{cut, failure, job, outcome, worker};
use crate::broker::rabbitmq::{RabbitBroker, RabbitSpace};
use crate::broker::{Broker, GiveBack, Nack, Registered};
use crate::delivery::Delivery;
use crate::error::BrokerError;
use crate::job::JobRecord;

const LEASE: Duration = Duration::from_secs(4);

/// More steps than anything has.
const STEPS_MAX: u32 = 12;

#[derive(Debug, Clone, Copy)]
enum Deed {
    Register,
    Publish,
    Receive,
    Commit,
    CommitOfASuspect,
    DeadLetter,
    Nack { delay: Duration },
    GiveBack,
    GiveBackOfASuspect,
}

const DEEDS: [Deed; 10] = [
    Deed::Register,
    Deed::Publish,
    Deed::Receive,
    Deed::Commit,
    Deed::CommitOfASuspect,
    Deed::DeadLetter,
    Deed::Nack { delay: Duration::ZERO },
    Deed::Nack { delay: Duration::from_millis(300) },
    Deed::GiveBack,
    Deed::GiveBackOfASuspect,
];

#[tokio::test]
async fn a_crash_between_any_two_steps_loses_and_doubles_nothing() {
    // Side by side, each in a namespace of its own.
    let deeds = DEEDS.map(|deed| {
        tokio::spawn(async move {
            let mut steps = 0;
            while crashes_after(steps, deed).await {
                steps += 1;
                assert!(steps < STEPS_MAX, "{deed:?} never ends");
            }
            assert!(steps >= 1, "{deed:?} has no step");
        })
    });
    for deed in deeds {
        deed.await.expect("a deed");
    }
}

/// Whether the deed was cut short when `steps` of it were done.
async fn crashes_after(steps: u32, deed: Deed) -> bool {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let place = (url.as_str(), namespace.as_str());
    let victim = connect(place, "victim", LEASE).await;
    let job = job("crash", 3, 4);
    if !matches!(deed, Deed::Register) {
        assert_eq!(victim.register(&job).await.expect("register"), Registered::New);
    }
    let needs_chunks = !matches!(deed, Deed::Register | Deed::Publish);
    if needs_chunks {
        victim.publish(&cut(&job)).await.expect("publish");
    }
    let delivery = match deed {
        Deed::CommitOfASuspect | Deed::GiveBackOfASuspect => {
            one(&victim).await;
            victim.consumer.link.cut().await;
            Some(one(&victim).await)
        }
        _ if needs_chunks && !matches!(deed, Deed::Receive) => Some(one(&victim).await),
        _ => None,
    };
    victim.consumer.link.fuse.burn(steps);
    let done = perform(&victim, deed, &job, delivery.as_ref()).await;
    let crashed = victim.consumer.link.fuse.blows();
    drop(victim);

    let heir = connect(place, "heir", LEASE).await;
    // A submitter that is started again goes on where it was; one that is not told so is the same.
    let known = heir.register(&job).await.expect("register");
    assert!(done.is_err() || known != Registered::New, "{deed:?}, {steps} steps");
    heir.publish(&cut(&job)).await.expect("publish");
    tokio::time::timeout(PATIENCE, finish(&heir, &job)).await.expect("the job ends");
    crashed
}

async fn perform(
    victim: &RabbitBroker,
    deed: Deed,
    job: &JobRecord,
    delivery: Option<&Delivery>,
) -> Result<(), BrokerError> {
    let delivery = || delivery.expect("a delivery");
    match deed {
        Deed::Register => victim.register(job).await.map(drop),
        Deed::Publish => victim.publish(&cut(job)).await.map(drop),
        Deed::Receive => victim.receive(std::num::NonZeroU32::MIN, PATIENCE).await.map(drop),
        Deed::Commit | Deed::CommitOfASuspect | Deed::DeadLetter => {
            let chunk = &delivery().chunk;
            let dead: Vec<u64> = match deed {
                Deed::DeadLetter => chunk.range.into_iter().collect(),
                _ => Vec::new(),
            };
            let outcome = outcome(chunk, &worker("victim"), &dead);
            victim.commit(&[(delivery().receipt, outcome)]).await.map(drop)
        }
        Deed::Nack { delay } => {
            let failure = failure("crash");
            let nack = Nack { receipt: delivery().receipt, retry_in: delay, failure };
            victim.nack(&[nack]).await.map(drop)
        }
        Deed::GiveBack | Deed::GiveBackOfASuspect => {
            let (receipt, retry_in) = (delivery().receipt, Duration::ZERO);
            victim.give_back(&[GiveBack { receipt, retry_in }]).await.map(drop)
        }
    }
}

/// A commit whose answer was lost is made again: the chunk counts once.
#[tokio::test]
async fn a_commit_that_is_repeated_counts_once() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let broker = connect((&url, &namespace), "a", LEASE).await;
    let job = super::submit(&broker, "again", 2).await;
    let delivery = one(&broker).await;
    // The outcome is written, the delivery is not acknowledged.
    broker.consumer.link.fuse.burn(1);
    complete(&broker, &delivery).await;
    broker.consumer.link.fuse.burn(u32::MAX);
    assert_eq!(complete(&broker, &delivery).await, crate::broker::Committed::Duplicate);
    finish(&broker, &job).await;
    let progress = broker.progress(job.uid).await.expect("progress").expect("a job");
    assert_eq!(progress.chunks.duplicates_dropped, 1);
}
