//! A job that cannot be read costs that job, and no other.

use super::*;
use crate::broker::conformance::{cut, failure, outcome, replay};
use crate::broker::embedded::wire::nanos;
use crate::broker::{Committed, GiveBack, JobState, Nack, Settled};
use crate::chunk::ParameterRange;
use crate::error::BrokerError;
use crate::ids::JobUid;
use crate::wire;

/// Two jobs, both published, and the older one with chunks in every place that one can be in.
async fn two_jobs(broker: &EmbeddedBroker) -> [JobRecord; 2] {
    let [bad, good] = ["bad", "good"].map(|name| job(name, 20, 4));
    for job in [&bad, &good] {
        assert_eq!(broker.register(job).await.unwrap(), Registered::New);
    }
    let chunks = cut(&bad);
    broker.publish(&chunks).await.unwrap();
    let replays: Vec<_> = chunks.iter().map(|chunk| replay(chunk, 1, chunk.range)).collect();
    broker.publish(&replays).await.unwrap();
    let held = receive(broker, 3).await;
    let nack = Nack {
        receipt: held[0].receipt,
        retry_in: Duration::ZERO,
        failure: failure("it has no half"),
    };
    assert_eq!(broker.nack(&[nack]).await.unwrap(), [Settled::Applied]);
    let give_back = GiveBack { receipt: held[1].receipt, retry_in: Duration::ZERO };
    assert_eq!(broker.give_back(&[give_back]).await.unwrap(), [Settled::Applied]);
    broker.publish(&cut(&good)).await.unwrap();
    [bad, good]
}

/// Writes `record` where the record of `job` was.
async fn overwrite(broker: &EmbeddedBroker, job: JobUid, record: Vec<u8>) {
    let changed = broker.on_writer(move |store| {
        let sql = "UPDATE jobs SET record = ?2 WHERE uid = ?1";
        Ok(store.connection.execute(sql, (job.as_bytes(), record))?)
    });
    assert_eq!(changed.await.unwrap(), 1);
}

/// What the job's chunks are, byte for byte.
async fn chunks_of(broker: &EmbeddedBroker, job: &JobRecord) -> Vec<String> {
    let uid = job.uid;
    let rows = broker.on_writer(move |store| {
        let mut rows = Vec::new();
        for table in ["runs", "tasks"] {
            let sql =
                format!("SELECT * FROM {table} WHERE job = (SELECT id FROM jobs WHERE uid = ?1)");
            let mut find = store.connection.prepare(&sql)?;
            let columns = find.column_count();
            let mut found = find.query([uid.as_bytes()])?;
            while let Some(row) = found.next()? {
                let values = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at));
                rows.push(format!("{table} {:?}", values.collect::<Vec<_>>()));
            }
        }
        Ok(rows)
    });
    rows.await.unwrap()
}

#[tokio::test]
async fn a_job_whose_record_does_not_decode_costs_that_job_only() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let [bad, good] = two_jobs(&broker).await;
    drop(broker);
    // Knows no job yet.
    let broker = machine.connect("b").await;
    let mut record = wire::encode(&bad);
    record[0] = 9;
    overwrite(&broker, bad.uid, record).await;
    // With the leases of the consumer that is gone, all of it is due.
    machine.clock.advance(LEASE);
    let before = chunks_of(&broker, &bad).await;
    assert!(before.len() > 20, "{before:?}");

    let mut settled = 0;
    loop {
        let deliveries = receive(&broker, 7).await;
        for delivery in &deliveries {
            assert_eq!(delivery.chunk.key.job, good.uid);
            let done = (delivery.receipt, outcome(&delivery.chunk, &worker("b"), &[]));
            assert_eq!(broker.commit(&[done]).await.unwrap(), [Committed::First]);
        }
        settled += deliveries.len();
        if deliveries.is_empty() {
            break;
        }
    }
    assert_eq!(settled, 20);
    let progress = broker.progress(good.uid).await.unwrap().unwrap();
    assert_eq!(progress.state, JobState::Complete);
    assert_eq!(chunks_of(&broker, &bad).await, before, "its chunks stay where they are");

    assert_eq!(broker.jobs().await.unwrap(), std::slice::from_ref(&good));
    assert_eq!(broker.job(&good.name).await.unwrap(), Some(good));
    let told = |error| match error {
        BrokerError::Record { job, .. } => job,
        other => panic!("{other}"),
    };
    assert_eq!(told(broker.job(&bad.name).await.unwrap_err()), bad.uid);
    // Another submission of that name.
    let again = job("bad", 20, 4);
    assert_eq!(told(broker.register(&again).await.unwrap_err()), bad.uid);

    assert_eq!(broker.purge_all().await.unwrap(), 2);
    assert_eq!(broker.job(&bad.name).await.unwrap(), None);
    assert_eq!(chunks_of(&broker, &bad).await, [""; 0]);
}

#[tokio::test]
async fn a_job_that_is_passed_over_keeps_nobody_busy() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let [bad, good] = two_jobs(&broker).await;
    overwrite(&broker, bad.uid, Vec::new()).await;
    drop(broker);
    let broker = machine.connect("b").await;
    assert_eq!(receive(&broker, 20).await.len(), 20);
    // What the dead consumer held of the bad job becomes due, and all that is due is of that job.
    assert_eq!(receive(&broker, 20).await, []);
    assert!(due_rows(&broker).await > 20);

    // To lease something takes the lock that somebody holds here.
    let blocker = rusqlite::Connection::open(machine.folder.path().join("ttg.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..3 {
        assert_eq!(receive(&broker, 20).await, []);
    }
    drop(blocker);
    let progress = broker.progress(good.uid).await.unwrap().unwrap();
    assert_eq!(progress.chunks.in_flight, 20);
}

/// Chunks with a row of their own that may be delivered now.
async fn due_rows(broker: &EmbeddedBroker) -> i64 {
    let due = broker.on_writer(|store| {
        let sql = "SELECT count(*) FROM tasks WHERE due <= ?1";
        let now = nanos(store.clock.now());
        Ok(store.connection.query_row(sql, [now], |row| row.get(0))?)
    });
    due.await.unwrap()
}

#[tokio::test]
async fn a_job_is_worked_on_again_by_whoever_can_read_it() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let [bad, _] = two_jobs(&broker).await;
    drop(broker);
    let old = machine.connect("old").await;
    let mut newer = wire::encode(&bad);
    newer[0] = 2;
    overwrite(&old, bad.uid, newer).await;
    assert_eq!(receive(&old, 99).await.len(), 20);
    assert_eq!(receive(&old, 99).await, []);
    overwrite(&old, bad.uid, wire::encode(&bad)).await;

    let new = machine.connect("new").await;
    let deliveries = receive(&new, 99).await;
    assert!(deliveries.iter().all(|delivery| delivery.chunk.key.job == bad.uid));
    assert_eq!(deliveries.len(), 40);
}

#[tokio::test]
async fn a_job_that_its_chunks_do_not_fit_is_passed_over_too() {
    for keeps_runs in [true, false] {
        let machine = Machine::new();
        let broker = machine.connect("a").await;
        let [bad, good] = two_jobs(&broker).await;
        drop(broker);
        let broker = machine.connect("b").await;
        let mut other = bad.clone();
        other.spec.parameters = ParameterRange::new(1_000, 1_001).unwrap();
        overwrite(&broker, bad.uid, wire::encode(&other)).await;
        if !keeps_runs {
            let remove = "DELETE FROM runs WHERE job = 1";
            broker.on_writer(|store| Ok(store.connection.execute(remove, [])?)).await.unwrap();
            machine.clock.advance(LEASE);
        }
        let deliveries = receive(&broker, 99).await;
        assert_eq!(deliveries.len(), 20);
        assert!(deliveries.iter().all(|delivery| delivery.chunk.key.job == good.uid));
    }
}
