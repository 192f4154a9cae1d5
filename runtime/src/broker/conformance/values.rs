//! Laws about the values of single parameters.

use super::Harness;
use super::builders::{cut, job, outcome};
use super::world::{Consumer, World, skip};
use crate::broker::port::{Committed, VALUES_PAGE_BYTES_MAX};
use crate::chunk::Chunk;
use crate::outcome::Outcome;
use crate::randomness::SystemRandomness;
use crate::values::{KeptValues, Values, ValuesAt, ValuesId, ValuesRecord};

/// Values are read as they were stored, to the last bit, in answers of bounded size and as often as
/// wanted, however often they were stored. What was not stored is not there.
pub async fn values_are_read_as_they_were_stored<H: Harness>() {
    let world = World::<H>::unpublished(1, H::lease() * 100).await;
    if !world.capabilities().values {
        return skip("values_are_read_as_they_were_stored", world.capabilities());
    }
    let wide = job("wide", 2, 600_000);
    world.submitter.broker.register(&wide).await.expect("register");
    let chunks = cut(&wide);
    let records: Vec<_> = chunks.iter().flat_map(|chunk| evaluation(chunk, 0.1)).collect();
    world.submitter.store(&records).await;
    world.submitter.store(&records[1..2]).await;
    let bytes: usize = records.iter().map(ValuesRecord::payload_bytes).sum();
    assert!(bytes > VALUES_PAGE_BYTES_MAX, "{bytes}");
    let places: Vec<_> = records.iter().map(|record| record.at).collect();
    let all: Vec<_> = records.into_iter().map(Some).collect();
    for reader in [&world.submitter, &world.consumer("a").await] {
        assert!(reader.values(&places).await == all);
        assert!(reader.values(&places[1..2]).await == all[1..2]);
        assert!(reader.values(&places[..1]).await == all[..1]);
    }
    let id = ValuesId::fresh(&SystemRandomness);
    let absent = [ValuesAt { id, ..places[0] }, ValuesAt { part: 99, ..places[0] }];
    assert_eq!(world.submitter.values(&absent).await, [None, None]);
}

/// The values that an outcome names are there when it is, whatever other evaluations of its chunk
/// stored before and after it.
pub async fn the_values_that_an_outcome_names_stay<H: Harness>() {
    let world = World::<H>::new(2).await;
    if !world.capabilities().values {
        return skip("the_values_that_an_outcome_names_stay", world.capabilities());
    }
    let (a, b) = (world.consumer("a").await, world.consumer("b").await);
    let deliveries = a.take(2).await;
    let chunk = &deliveries[0].chunk;
    let [lost, won, late] = [0.1, 0.2, 0.3].map(|value| evaluation(chunk, value));
    let neighbour = evaluation(&deliveries[1].chunk, 0.4);
    a.store(&[lost, neighbour.clone()].concat()).await;
    b.store(&won).await;
    let by_b = naming(&won, outcome(chunk, &b.worker, &[]));
    assert_eq!(b.commit(deliveries[0].receipt, by_b).await, Committed::First);
    a.store(&late).await;
    let by_a = naming(&late, outcome(chunk, &a.worker, &[]));
    let late = a.commit(deliveries[0].receipt, by_a).await;
    assert!(late == Committed::Duplicate || !world.capabilities().exact_commits);
    let outcomes = world.submitter.outcomes(&world.job, 10).await;
    assert_eq!(outcomes[0].values, Some(KeptValues { id: won[0].at.id, records: 1 }));
    for records in [won, neighbour] {
        let places: Vec<_> = records.iter().map(|record| record.at).collect();
        let stored: Vec<_> = records.into_iter().map(Some).collect();
        assert_eq!(world.submitter.values(&places).await, stored);
    }
}

/// A purge takes the values of its job along; what comes for it later is dropped without a word.
pub async fn values_go_with_their_job<H: Harness>() {
    let world = World::<H>::new(1).await;
    if !world.capabilities().values {
        return skip("values_go_with_their_job", world.capabilities());
    }
    let delivery = world.consumer("a").await.one().await;
    let records = evaluation(&delivery.chunk, 0.5);
    let places: Vec<_> = records.iter().map(|record| record.at).collect();
    world.submitter.store(&records).await;
    assert!(world.submitter.broker.purge(world.job.uid).await.expect("purge"));
    assert_eq!(world.submitter.values(&places).await, [None]);
    world.submitter.store(&records).await;
    assert_eq!(world.submitter.values(&places).await, [None]);
}

/// One evaluation of `chunk`, in which parameter `p` has the values `p * value` and `value`.
fn evaluation(chunk: &Chunk, value: f64) -> Vec<ValuesRecord> {
    let first = chunk.range.into_iter().map(|parameter| parameter as f64 * value).collect();
    let second = chunk.range.into_iter().map(|_| value).collect();
    let mut values = Values::new();
    values.put(0, &[first, second]);
    values.records(chunk.key, ValuesId::fresh(&SystemRandomness), chunk.range)
}

fn naming(records: &[ValuesRecord], outcome: Outcome) -> Outcome {
    let count = u32::try_from(records.len()).expect("few");
    Outcome { values: Some(KeptValues { id: records[0].at.id, records: count }), ..outcome }
}

impl Consumer {
    async fn store(&self, records: &[ValuesRecord]) {
        self.broker.store_values(records).await.expect("store values");
    }

    /// What is at `places`, read on until there is an answer to each.
    async fn values(&self, places: &[ValuesAt]) -> Vec<Option<ValuesRecord>> {
        let mut found = Vec::new();
        while found.len() < places.len() {
            let some = self.broker.values(&places[found.len()..]).await.expect("values");
            assert!(!some.is_empty(), "one answer at least");
            let bytes = some.iter().flatten().map(ValuesRecord::payload_bytes).sum::<usize>();
            assert!(bytes <= VALUES_PAGE_BYTES_MAX || some.len() == 1, "{bytes} bytes");
            found.extend(some);
        }
        assert_eq!(found.len(), places.len());
        found
    }
}
