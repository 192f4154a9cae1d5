//! A store that is opened alone: nobody else gets in, and nothing but the file is needed.

use super::*;
use crate::broker::OutcomeCursor;
use crate::broker::conformance::{cut, outcome};
use crate::error::BrokerError;

async fn alone(machine: &Machine, name: &str) -> Result<EmbeddedBroker, BrokerError> {
    EmbeddedBroker::connect_alone(config(machine.folder.path(), name, &machine.clock)).await
}

#[track_caller]
fn refused(opened: Result<EmbeddedBroker, BrokerError>, why: &str) {
    let error = opened.err().unwrap();
    assert!(matches!(error, BrokerError::Unavailable { .. }), "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains(why), "{cause}");
}

#[tokio::test]
async fn it_is_had_by_one_and_refused_to_all_others_until_that_one_goes() {
    let machine = Machine::new();
    let holder = alone(&machine, "a").await.unwrap();
    Machine::job(&holder, 3).await;
    let config = || config(machine.folder.path(), "b", &machine.clock);
    let (another, shared, looking) = tokio::join!(
        alone(&machine, "b"),
        EmbeddedBroker::connect(config()),
        EmbeddedBroker::open_existing(config()),
    );
    refused(another, "another process uses this store");
    refused(shared, "another process has this store for itself");
    refused(looking, "another process has this store for itself");
    drop(holder);
    let shared = EmbeddedBroker::connect(config()).await.unwrap();
    assert_eq!(shared.jobs().await.unwrap().len(), 1);
    refused(alone(&machine, "a").await, "another process uses this store");
    drop(shared);
    alone(&machine, "a").await.unwrap();
}

#[tokio::test]
async fn it_needs_no_shared_memory_and_reads_what_it_wrote() {
    let machine = Machine::new();
    let broker = alone(&machine, "a").await.unwrap();
    let job = Machine::job(&broker, 3).await;
    broker.publish(&cut(&job)).await.unwrap();
    for delivery in receive(&broker, 2).await {
        let settled = outcome(&delivery.chunk, &worker("a"), &[]);
        broker.commit(&[(delivery.receipt, settled)]).await.unwrap();
    }
    broker.flush().await.unwrap();
    let progress = broker.progress(job.uid).await.unwrap().unwrap();
    assert_eq!((progress.chunks.completed, progress.chunks.ready), (2, 1));
    let page = broker.outcomes(job.uid, OutcomeCursor::START, 10).await.unwrap();
    assert_eq!(page.outcomes.len(), 2);
    let entries = std::fs::read_dir(machine.folder.path()).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["ttg.db", "ttg.db-wal"]);
}

#[tokio::test]
async fn whoever_gets_it_next_has_what_was_leased_at_once() {
    let machine = Machine::new();
    let broker = alone(&machine, "a").await.unwrap();
    let job = Machine::job(&broker, 3).await;
    broker.publish(&cut(&job)).await.unwrap();
    assert_eq!(receive(&broker, 2).await.len(), 2);
    drop(broker);
    let next = alone(&machine, "b").await.unwrap();
    let again = receive(&next, 5).await;
    let silent = |delivery: &Delivery| delivery.chunk.counters.silent_deliveries;
    assert_eq!((again.len(), again.iter().map(silent).sum::<u32>()), (3, 2));
}
