//! A worker that keeps its connection and does nothing, and chunks that a loss of power took.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{PATIENCE, complete, connect, finish, one, submit};
use crate::broker::conformance::{cut, failure, job, outcome, replay, worker};
use crate::broker::rabbitmq::RabbitSpace;
use crate::broker::{Broker, Committed, JobState, Nack, Registered, Settled};
use crate::chunk::ParameterRange;

const LEASE: Duration = Duration::from_secs(1);

/// Asks until something comes, as a dispatcher does.
async fn insist(broker: &crate::broker::RabbitBroker) -> crate::delivery::Delivery {
    let asked = async {
        loop {
            let wait = Duration::from_millis(500);
            let mut due = broker.receive(NonZeroU32::MIN, wait).await.expect("receive");
            if let Some(delivery) = due.pop() {
                return delivery;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("somebody is given the chunk")
}

#[tokio::test]
async fn a_chunk_of_a_worker_that_does_nothing_is_given_to_another() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let place = (url.as_str(), namespace.as_str());
    let (wedged, idle) =
        (connect(place, "wedged", LEASE).await, connect(place, "idle", LEASE).await);
    let mut job = job("wedged", 1, 4);
    job.spec.policy.timeout = Duration::from_millis(100);
    assert_eq!(wedged.register(&job).await.expect("register"), Registered::New);
    wedged.publish(&cut(&job)).await.expect("publish");
    let held = one(&wedged).await;
    let copy = insist(&idle).await;
    assert_eq!(copy.chunk.key, held.chunk.key);
    assert!(copy.suspect);
    assert_eq!(complete(&idle, &copy).await, Committed::First);
    finish(&idle, &job).await;
}

#[tokio::test]
async fn chunks_that_the_server_lost_are_published_again_with_what_was_known_of_them() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let broker = connect((&url, &namespace), "a", LEASE).await;
    let job = submit(&broker, "lost", 3).await;
    let unlucky = one(&broker).await;
    let why = failure("unlucky");
    let nack = Nack { receipt: unlucky.receipt, retry_in: Duration::ZERO, failure: why.clone() };
    assert_eq!(broker.nack(&[nack]).await.expect("nack"), [Settled::Applied]);
    broker.consumer.empty_queues().await.expect("they can be emptied");
    for _ in 0..3 {
        let delivery = insist(&broker).await;
        let chunk = &delivery.chunk;
        let is_unlucky = chunk.key == unlucky.chunk.key;
        assert_eq!(chunk.counters.failures, u32::from(is_unlucky));
        assert_eq!(chunk.last_failure.as_ref(), is_unlucky.then_some(&why));
        assert_eq!(complete(&broker, &delivery).await, Committed::First);
    }
    finish(&broker, &job).await;
}

#[tokio::test]
async fn a_replay_that_the_server_lost_is_published_again() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let broker = connect((&url, &namespace), "a", LEASE).await;
    let job = submit(&broker, "lost", 1).await;
    let delivery = one(&broker).await;
    let dead = outcome(&delivery.chunk, &worker("a"), &[1, 2]);
    broker.commit(&[(delivery.receipt, dead)]).await.expect("commit");
    let range = ParameterRange::new(1, 3).expect("two parameters");
    // Or it brings the replay, ahead of being asked, before the queue is emptied.
    let session = broker.consumer.link.session().await.expect("a session");
    broker.consumer.source.lock().await.close_and_return(&session).await.expect("it is closed");
    broker.publish(&[replay(&delivery.chunk, 1, range)]).await.expect("publish");
    broker.consumer.empty_queues().await.expect("they can be emptied");
    let again = insist(&broker).await;
    assert_eq!((again.chunk.key.generation.0, again.chunk.range), (1, range));
    assert_eq!(complete(&broker, &again).await, Committed::First);
    let progress = broker.progress(job.uid).await.expect("progress").expect("a job");
    assert_eq!((progress.state, progress.parameters.dead), (JobState::Complete, 0));
}
