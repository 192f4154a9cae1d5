//! How much of a chunk's life is the adapter, and how much is the server? Lives of one-parameter
//! chunks (published, delivered, committed) through the RabbitMQ broker beside a bare client that
//! publishes with confirmation, consumes, publishes a result with confirmation, and acknowledges.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use ttg_runtime::broker::conformance::{cut, outcome, worker};
use ttg_runtime::broker::{RabbitBroker, RabbitConfig, RabbitServer};
use ttg_runtime::{JobRecord, wire};

#[path = "lives/race.rs"]
mod race;

use race::{CHUNKS, CREDIT, PUBLISH_BATCH, race, through, timed};

/// As many as a few seconds take.
const LIVES: u64 = CHUNKS / 2;

fn main() {
    race("bare client", LIVES, &through_the_adapter, &bare_client);
}

async fn through_the_adapter(job: &JobRecord) -> Duration {
    let server = RabbitServer::start();
    let config = RabbitConfig {
        url: server.url(),
        namespace: "ttg".to_owned(),
        authority: None,
        identity: None,
        worker: worker("bench"),
        lease: Duration::from_secs(10),
    };
    let broker = RabbitBroker::connect(config).await.expect("connect");
    through(&broker, job, || {}).await
}

async fn bare_client(job: &JobRecord) -> Duration {
    let server = RabbitServer::start();
    let connection = Connection::connect(&server.url(), ConnectionProperties::default()).await;
    let connection = connection.expect("connect");
    let channel = connection.create_channel().await.expect("a channel");
    for (name, kind) in [("tasks", "quorum"), ("results", "stream")] {
        let mut arguments = FieldTable::default();
        let kind = AMQPValue::LongString(LongString::from(kind));
        arguments.insert("x-queue-type".into(), kind);
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.into(), options, arguments).await.expect("a queue");
    }
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    let message = wire::encode(&cut(job)[0]);
    let record = wire::encode(&outcome(&cut(job)[0], &worker("bench"), &[]));
    let mut total = Duration::ZERO;
    timed(&mut total, live(&channel, &message, &record)).await.expect("bare");
    total
}

async fn live(channel: &Channel, message: &[u8], record: &[u8]) -> lapin::Result<()> {
    for _ in (0..LIVES).step_by(PUBLISH_BATCH) {
        publish(channel, "tasks", message, PUBLISH_BATCH).await?;
    }
    let credit = u16::try_from(CREDIT.get()).expect("a prefetch");
    channel.basic_qos(credit, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let consuming =
        channel.basic_consume("tasks".into(), "".into(), options, FieldTable::default());
    let mut consumer = consuming.await?;
    let mut lived = 0;
    while lived < LIVES {
        let mut tags = Vec::new();
        // What has arrived, and one at least.
        loop {
            let arrived = poll_fn(|context| match Pin::new(&mut consumer).poll_next(context) {
                std::task::Poll::Pending if !tags.is_empty() => std::task::Poll::Ready(None),
                polled => polled,
            });
            let Some(delivery) = arrived.await else { break };
            tags.push(delivery?.delivery_tag);
            if tags.len() == usize::from(credit) {
                break;
            }
        }
        publish(channel, "results", record, tags.len()).await?;
        let acknowledge = |tag: &u64| channel.basic_ack(*tag, BasicAckOptions::default());
        all(tags.iter().map(acknowledge)).await?;
        lived += tags.len() as u64;
    }
    Ok(())
}

/// Publishes `count` of the same, and waits until all are confirmed.
async fn publish(channel: &Channel, queue: &str, body: &[u8], count: usize) -> lapin::Result<()> {
    let publish = |_| {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        channel.basic_publish("".into(), queue.into(), options, body, properties)
    };
    for confirm in all((0..count).map(publish)).await? {
        assert!(confirm.await?.is_ack(), "not confirmed");
    }
    Ok(())
}

/// Starts all at once, and waits for all.
async fn all<T>(
    words: impl Iterator<Item = impl Future<Output = lapin::Result<T>>>,
) -> lapin::Result<Vec<T>> {
    let mut started = Vec::new();
    for word in words {
        let mut word = Box::pin(word);
        let polled = poll_fn(|context| std::task::Poll::Ready(word.as_mut().poll(context))).await;
        started.push((word, polled));
    }
    let mut done = Vec::new();
    for (word, polled) in started {
        done.push(match polled {
            std::task::Poll::Ready(answer) => answer?,
            std::task::Poll::Pending => word.await?,
        });
    }
    Ok(done)
}
