//! What is left of values.

use super::*;
use crate::randomness::SystemRandomness;
use crate::values::{KeptValues, Values, ValuesId, ValuesRecord};

const LEASE: Duration = Duration::from_secs(30);

/// Two records, as a chunk of two parts would have.
fn evaluation(delivery: &Delivery) -> Vec<ValuesRecord> {
    let chunk = &delivery.chunk;
    let mut values = Values::new();
    values.put(0, &[vec![0.5; usize::try_from(chunk.range.len()).unwrap()]]);
    let id = ValuesId::fresh(&SystemRandomness);
    let mut records = values.records(chunk.key, id, chunk.range);
    let mut second = records[0].clone();
    second.at.part = 1;
    records.push(second);
    records
}

#[tokio::test]
async fn of_a_settled_chunk_only_the_values_of_its_outcome_are_kept() {
    let server = RedisServer::start();
    let broker = connect(&server, "a", LEASE).await;
    let job = submit(&broker, "kept", 2).await;
    let fields =
        |kind: &str| server.ask(&["HLEN", &format!("ttg:{kind}:{}", job.uid)]).parse().unwrap();
    let deliveries = receive(&broker, 2, Duration::ZERO).await;
    let [lost, won, other] = [0, 0, 1].map(|at: usize| evaluation(&deliveries[at]));
    for records in [&lost, &won, &other, &won] {
        broker.store_values(records).await.unwrap();
    }
    assert_eq!((fields("values"), fields("evaluations")), (6, 2));
    let mut of_it = outcome(&deliveries[0].chunk, &broker.worker, &[]);
    of_it.values = Some(KeptValues { id: won[0].at.id, records: 2 });
    broker.commit(&[(deliveries[0].receipt, of_it)]).await.unwrap();
    assert_eq!((fields("values"), fields("evaluations")), (4, 1));
    let places: Vec<_> = [lost, won.clone(), other].concat().iter().map(|r| r.at).collect();
    let found: Vec<_> = broker.values(&places).await.unwrap();
    let there: Vec<_> = found.iter().map(Option::is_some).collect();
    assert_eq!(there, [false, false, true, true, true, true]);
    // What comes late, and what another outcome does not name.
    broker.store_values(&won).await.unwrap();
    broker.store_values(&evaluation(&deliveries[0])).await.unwrap();
    assert_eq!(fields("values"), 4);
    assert_eq!(complete(&broker, &deliveries[1]).await, Committed::First);
    assert_eq!((fields("values"), fields("evaluations")), (2, 0));
    assert!(broker.purge(job.uid).await.unwrap());
    broker.purge_all().await.unwrap();
    assert_eq!(server.ask(&["DBSIZE"]), "0");
}
