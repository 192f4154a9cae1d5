//! Values of single parameters: one hash a job, from which a settled chunk keeps what its outcome
//! names.

use super::adapter::{BATCH, BATCH_BYTES, RedisBroker};
use super::scripts;
use super::wire::evaluation;
use crate::broker::port::VALUES_PAGE_BYTES_MAX;
use crate::error::BrokerError;
use crate::values::{ValuesAt, ValuesRecord};
use crate::wire::{decode, encode};

impl RedisBroker {
    pub(super) async fn store_records(&self, records: &[ValuesRecord]) -> Result<(), BrokerError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for record in records {
            let encoded = encode(record);
            if batch.len() >= BATCH || (bytes + encoded.len() > BATCH_BYTES && bytes > 0) {
                self.store_batch(&batch).await?;
                batch.clear();
                bytes = 0;
            }
            bytes += encoded.len();
            batch.push((record.at, encoded));
        }
        self.store_batch(&batch).await
    }

    async fn store_batch(&self, records: &[(ValuesAt, Vec<u8>)]) -> Result<(), BrokerError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut call = self.link.call(&scripts::STORE_VALUES);
        for (at, record) in records {
            let key = &at.key;
            call.arg(key.job.to_string()).arg(key.chunk.0).arg(key.generation.0);
            call.arg(evaluation(at.id)).arg(at.part).arg(record.as_slice());
        }
        self.link.run::<i64>(&call).await.map(drop)
    }

    pub(super) async fn read_records(
        &self,
        places: &[ValuesAt],
    ) -> Result<Vec<Option<ValuesRecord>>, BrokerError> {
        let page = &places[..places.len().min(BATCH)];
        if page.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = self.link.call(&scripts::VALUES);
        call.arg(VALUES_PAGE_BYTES_MAX);
        for at in page {
            let ValuesAt { key, id, part } = at;
            let (chunk, generation) = (key.chunk.0, key.generation.0);
            call.arg(key.job.to_string());
            call.arg(format!("{chunk}/{generation}/{}/{part}", evaluation(*id)));
        }
        let found: Vec<Option<Vec<u8>>> = self.link.run(&call).await?;
        let record = |(record, at): (Option<Vec<u8>>, &ValuesAt)| {
            let of = |cause| BrokerError::Record { job: at.key.job, cause };
            record.map(|record| decode(&record).map_err(of)).transpose()
        };
        found.into_iter().zip(page).map(record).collect()
    }
}
