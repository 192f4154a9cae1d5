//! Messages that are none of TTG's, and queues that are another's.

use std::num::NonZeroU32;
use std::time::Duration;

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;

use super::{complete, connect, finish, one, submit};
use crate::broker::conformance::{failure, worker};
use crate::broker::rabbitmq::letters::Letter;
use crate::broker::rabbitmq::topology::Level;
use crate::broker::rabbitmq::{RabbitBroker, RabbitConfig, RabbitSpace};
use crate::broker::{Broker, Nack, Settled};
use crate::error::BrokerError;

const LEASE: Duration = Duration::from_secs(4);

async fn count(broker: &RabbitBroker, queue: &str) -> u32 {
    let session = broker.consumer.link.session().await.expect("a session");
    let channel = session.question().await.expect("a channel");
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let asked = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
    asked.expect("a queue").message_count()
}

#[tokio::test]
async fn what_is_no_chunk_is_set_aside_with_its_bytes_and_harms_nobody() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let broker = connect((&url, &namespace), "a", LEASE).await;
    let session = broker.consumer.link.session().await.expect("a session");
    let tasks = &broker.consumer.link.names.tasks;
    // The last is a text where a chunk should be, and an error about it would repeat the text.
    let text = [vec![1, 0xdb], 300_000_u32.to_be_bytes().to_vec(), vec![b'x'; 300_000]].concat();
    let garbage = [vec![], b"garbage".to_vec(), vec![1; 100_000], text];
    let letters = garbage.map(|body| Letter::to_queue(tasks, "task", body));
    session.tell(&letters).await.expect("tell");
    let job = submit(&broker, "clean", 2).await;
    let delivery = one(&broker).await;
    complete(&broker, &delivery).await;
    finish(&broker, &job).await;
    let nothing = broker.receive(NonZeroU32::MIN, Duration::from_millis(200)).await;
    assert_eq!(nothing.expect("receive"), []);
    assert_eq!(count(&broker, &broker.consumer.link.names.dead).await, 4);
}

#[tokio::test]
async fn a_queue_that_somebody_deleted_is_made_again_and_nothing_is_lost() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let broker = connect((&url, &namespace), "a", LEASE).await;
    let job = submit(&broker, "deleted", 1).await;
    let delivery = one(&broker).await;
    let session = broker.consumer.link.session().await.expect("a session");
    let channel = session.question().await.expect("a channel");
    let queue = broker.consumer.link.names.retry(Level::SHORT);
    let deleted = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
    deleted.await.expect("it was there");
    let retry_in = Duration::from_millis(100);
    let nacks = [Nack { receipt: delivery.receipt, retry_in, failure: failure("unlucky") }];
    assert_eq!(broker.nack(&nacks).await.expect("nack"), [Settled::Applied]);
    let again = one(&broker).await;
    assert_eq!(again.chunk.counters.failures, 1);
    complete(&broker, &again).await;
    finish(&broker, &job).await;
}

#[tokio::test]
async fn a_queue_of_another_kind_is_told_with_what_to_do() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let broker = connect((&url, &namespace), "a", LEASE).await;
    let session = broker.consumer.link.session().await.expect("a session");
    let channel = session.question().await.expect("a channel");
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let other = format!("{namespace}-other");
    let tasks = format!("{other}.tasks");
    let declared = channel.queue_declare(tasks.as_str().into(), options, FieldTable::default());
    declared.await.expect("a classic queue");
    let config = RabbitConfig {
        url,
        namespace: other,
        authority: None,
        identity: None,
        worker: worker("a"),
        lease: LEASE,
    };
    let Err(BrokerError::Foreign { detail, .. }) = RabbitBroker::connect(config).await else {
        panic!("it is not TTG's")
    };
    assert!(detail.contains(&tasks) && detail.contains("--namespace"), "{detail}");
}
