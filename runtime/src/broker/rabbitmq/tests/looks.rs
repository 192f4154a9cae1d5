//! Readers of streams: what they leave behind, and what they know after all.

use super::super::shared::RabbitSpace;
use super::super::tail::{Next, Start, Tail};
use super::*;
use crate::randomness::SystemRandomness;
use crate::values::{Values, ValuesId, ValuesRecord};

const LEASE: Duration = Duration::from_secs(1);

/// How many messages were ever written into a stream.
async fn length(broker: &RabbitBroker, stream: String) -> u64 {
    let link = &broker.consumer.link;
    let mut tail = Tail::new(stream, Start::At(0));
    let mark = tail.mark(link).await.expect("a mark").expect("a stream");
    while matches!(tail.next(&mark).await.expect("a message"), Next::Entry(_)) {}
    tail.position() - 1
}

#[tokio::test]
async fn who_looks_again_writes_nothing_and_sees_all_in_the_end() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let [looker, other] = [
        connect((&url, &namespace), "looker", LEASE).await,
        connect((&url, &namespace), "other", LEASE).await,
    ];
    let job = submit(&other, "seen", 2).await;
    let seen = looker.overview().await.expect("an overview");
    assert_eq!(seen.len(), 1, "a first look misses nothing");
    assert_eq!((&seen[0].0, seen[0].1.chunks.completed), (&job, 0));
    let names = &other.consumer.link.names;
    let lengths = async || {
        [length(&other, names.jobs.clone()).await, length(&other, names.journal(job.uid)).await]
    };
    let before = lengths().await;
    for _ in 0..5 {
        assert_eq!(looker.overview().await.expect("an overview"), seen);
    }
    assert_eq!(lengths().await, before.map(|length| length + 1), "but for the marks of this test");

    let delivery = one(&other).await;
    complete(&other, &delivery).await;
    submit(&other, "seen-too", 1).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = looker.overview().await.expect("an overview");
        let completed: u64 = seen.iter().map(|(_, progress)| progress.chunks.completed).sum();
        if seen.len() == 2 && completed == 1 {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{seen:?}");
    }
}

#[tokio::test]
async fn values_are_read_on_in_another_session() {
    let space = RabbitSpace::fresh();
    let (url, namespace) = (space.url(), space.namespace().to_owned());
    let broker = connect((&url, &namespace), "a", LEASE).await;
    let job = job("kept", 3, 4);
    broker.register(&job).await.expect("register");
    let evaluation = |chunk: &crate::chunk::Chunk| -> Vec<ValuesRecord> {
        let mut values = Values::new();
        values.put(0, &[vec![chunk.key.chunk.0 as f64; 4]]);
        values.records(chunk.key, ValuesId::fresh(&SystemRandomness), chunk.range)
    };
    let records: Vec<_> = cut(&job).iter().flat_map(evaluation).collect();
    let places: Vec<_> = records.iter().map(|record| record.at).collect();
    broker.store_values(&records[..2]).await.expect("store");
    let first = broker.values(&places[..1]).await.expect("values");
    assert_eq!(first, [Some(records[0].clone())]);
    broker.consumer.link.cut().await;
    broker.store_values(&records[2..]).await.expect("store");
    let all: Vec<_> = records.into_iter().map(Some).collect();
    assert_eq!(broker.values(&places).await.expect("values"), all);
    assert!(broker.purge(job.uid).await.expect("purge"));
    assert_eq!(broker.values(&places).await.expect("values"), [None, None, None]);
}
