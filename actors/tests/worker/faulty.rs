//! A broker whose calls fail on order, in front of a real one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ttg_runtime::broker::{
    Beat, Capabilities, Committed, GiveBack, JobProgress, Nack, OutcomeCursor, OutcomePage,
    Published, Registered, Renewed, Settled,
};
use ttg_runtime::{
    Broker, BrokerError, Chunk, Credit, Delivery, JobName, JobRecord, JobUid, Outcome, Receipt,
    ValuesAt, ValuesRecord,
};

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// As if the connection were lost before the call arrived.
    Unavailable,
    /// As if the connection were lost after the call was carried out.
    ReplyLost,
    /// As if a person had to act.
    Refused,
    /// As if the adapter had a bug.
    Panic,
}

/// Some calls of one kind that fail in one way.
pub(crate) struct Order {
    fault: Fault,
    left: AtomicI64,
}

impl Order {
    pub(crate) fn none() -> Self {
        Self::times(Fault::Panic, 0)
    }

    pub(crate) fn times(fault: Fault, times: i64) -> Self {
        Self { fault, left: AtomicI64::new(times) }
    }

    async fn carry<T>(
        &self,
        call: impl Future<Output = Result<T, BrokerError>> + Send,
    ) -> Result<T, BrokerError> {
        if self.left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return call.await;
        }
        let broker = "faulty".to_owned();
        match self.fault {
            Fault::Unavailable => Err(BrokerError::Unavailable { broker, cause: "cut".into() }),
            Fault::ReplyLost => {
                call.await?;
                Err(BrokerError::Unavailable { broker, cause: "cut".into() })
            }
            Fault::Refused => Err(BrokerError::Refused { broker, detail: "on order".into() }),
            Fault::Panic => panic!("a bug on order"),
        }
    }
}

/// The broker, and what is ordered.
pub(crate) struct FaultyBroker {
    pub(crate) inner: Arc<dyn Broker>,
    pub(crate) receive: Order,
    pub(crate) commit: Order,
    pub(crate) nack: Order,
}

#[async_trait]
impl Broker for FaultyBroker {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    async fn register(&self, job: &JobRecord) -> Result<Registered, BrokerError> {
        self.inner.register(job).await
    }
    async fn job(&self, name: &JobName) -> Result<Option<JobRecord>, BrokerError> {
        self.inner.job(name).await
    }
    async fn jobs(&self) -> Result<Vec<JobRecord>, BrokerError> {
        self.inner.jobs().await
    }
    async fn publish(&self, chunks: &[Chunk]) -> Result<Published, BrokerError> {
        self.inner.publish(chunks).await
    }
    async fn receive(&self, credit: Credit, wait: Duration) -> Result<Vec<Delivery>, BrokerError> {
        self.receive.carry(self.inner.receive(credit, wait)).await
    }
    async fn renew(&self, receipts: &[Receipt]) -> Result<Vec<Renewed>, BrokerError> {
        self.inner.renew(receipts).await
    }
    async fn store_values(&self, records: &[ValuesRecord]) -> Result<(), BrokerError> {
        self.inner.store_values(records).await
    }
    async fn values(&self, places: &[ValuesAt]) -> Result<Vec<Option<ValuesRecord>>, BrokerError> {
        self.inner.values(places).await
    }
    async fn commit(&self, outcomes: &[(Receipt, Outcome)]) -> Result<Vec<Committed>, BrokerError> {
        self.commit.carry(self.inner.commit(outcomes)).await
    }
    async fn nack(&self, nacks: &[Nack]) -> Result<Vec<Settled>, BrokerError> {
        self.nack.carry(self.inner.nack(nacks)).await
    }
    async fn give_back(&self, returns: &[GiveBack]) -> Result<Vec<Settled>, BrokerError> {
        self.inner.give_back(returns).await
    }
    async fn give_back_strays(&self, held: &[Receipt]) -> Result<u64, BrokerError> {
        self.inner.give_back_strays(held).await
    }
    async fn progress(&self, job: JobUid) -> Result<Option<JobProgress>, BrokerError> {
        self.inner.progress(job).await
    }
    async fn outcomes(
        &self,
        job: JobUid,
        cursor: OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, BrokerError> {
        self.inner.outcomes(job, cursor, limit).await
    }
    async fn cancel(&self, job: JobUid) -> Result<bool, BrokerError> {
        self.inner.cancel(job).await
    }
    async fn purge(&self, job: JobUid) -> Result<bool, BrokerError> {
        self.inner.purge(job).await
    }
    async fn beat(&self, beat: &Beat) -> Result<(), BrokerError> {
        self.inner.beat(beat).await
    }
    async fn beats(&self, within: Duration) -> Result<Vec<Beat>, BrokerError> {
        self.inner.beats(within).await
    }
    async fn flush(&self) -> Result<(), BrokerError> {
        self.inner.flush().await
    }
}
