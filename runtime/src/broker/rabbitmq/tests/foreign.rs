//! Messages that are none of TTG's, and queues that are another's.

use std::num::NonZeroU32;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use super::{complete, connect, finish, one, submit};
use crate::broker::Broker;
use crate::broker::conformance::worker;
use crate::broker::rabbitmq::letters::Letter;
use crate::broker::rabbitmq::{RabbitBroker, RabbitConfig, RabbitSpace};
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
    let garbage = [vec![], b"garbage".to_vec(), vec![1; 100_000]];
    let letters = garbage.map(|body| Letter::to_queue(tasks, "task", body));
    session.tell(&letters).await.expect("tell");
    let job = submit(&broker, "clean", 2).await;
    let delivery = one(&broker).await;
    complete(&broker, &delivery).await;
    finish(&broker, &job).await;
    let nothing = broker.receive(NonZeroU32::MIN, Duration::from_millis(200)).await;
    assert_eq!(nothing.expect("receive"), []);
    assert_eq!(count(&broker, &broker.consumer.link.names.dead).await, 3);
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
