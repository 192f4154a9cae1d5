//! Values that no outcome names do not pile up.

use super::*;
use crate::broker::conformance::{cut, outcome};
use crate::outcome::Outcome;
use crate::randomness::SystemRandomness;
use crate::values::{KeptValues, Values, ValuesId, ValuesRecord};

fn evaluation(delivery: &Delivery) -> Vec<ValuesRecord> {
    let mut values = Values::new();
    values.put(0, &[vec![0.5; 4]]);
    let id = ValuesId::fresh(&SystemRandomness);
    values.records(delivery.chunk.key, id, delivery.chunk.range)
}

#[tokio::test]
async fn what_other_evaluations_of_a_chunk_stored_goes_when_its_outcome_comes() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let job = Machine::job(&broker, 2).await;
    broker.publish(&cut(&job)).await.unwrap();
    let deliveries = receive(&broker, 2).await;
    let [lost, won, late] = [(); 3].map(|()| evaluation(&deliveries[0]));
    let neighbour = evaluation(&deliveries[1]);
    for records in [&lost, &won, &neighbour] {
        broker.store_values(records).await.unwrap();
    }
    let kept = Some(KeptValues { id: won[0].at.id, records: 1 });
    let outcome = Outcome { values: kept, ..outcome(&deliveries[0].chunk, &worker("a"), &[]) };
    broker.commit(&[(deliveries[0].receipt, outcome)]).await.unwrap();
    broker.store_values(&late).await.unwrap();
    let places = [&lost, &won, &late, &neighbour].map(|records| records[0].at);
    let found = broker.values(&places).await.unwrap();
    let found: Vec<_> = found.iter().map(Option::is_some).collect();
    assert_eq!(found, [false, true, false, true]);

    assert!(broker.purge(job.uid).await.unwrap());
    let rows = broker.on_writer(|store| {
        let count = "SELECT count(*) FROM parameter_values";
        Ok(store.connection.query_row(count, [], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(rows.await.unwrap(), 0);
}
