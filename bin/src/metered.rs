//! A broker whose calls are counted and timed, whoever makes them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ttg_observability::metrics::{BrokerOperation, Metrics};
use ttg_runtime::broker::{
    Beat, Capabilities, Committed, GiveBack, JobProgress, Nack, OutcomeCursor, OutcomePage,
    Published, Registered, Renewed, Settled,
};
use ttg_runtime::{
    Broker, BrokerError, Chunk, Clock, Credit, Delivery, JobName, JobRecord, JobUid, Outcome,
    Receipt, SystemClock, ValuesAt, ValuesRecord,
};

/// Forwards every call.
pub(crate) struct Metered {
    broker: Arc<dyn Broker>,
    metrics: Metrics,
}

impl Metered {
    /// `broker`, counted by `metrics`.
    pub(crate) fn around(broker: Arc<dyn Broker>, metrics: &Metrics) -> Arc<dyn Broker> {
        Arc::new(Self { broker, metrics: metrics.clone() })
    }

    async fn call<T>(
        &self,
        operation: BrokerOperation,
        call: impl Future<Output = Result<T, BrokerError>>,
    ) -> Result<T, BrokerError> {
        let began = SystemClock.now();
        let answer = call.await;
        self.metrics.broker_operation(operation).observe(SystemClock.now().since(began));
        self.count(operation, answer.as_ref().err());
        answer
    }

    fn count(&self, operation: BrokerOperation, error: Option<&BrokerError>) {
        if error.is_some() {
            self.metrics.broker_errors(operation).add(1);
        }
        // What it refuses, it has answered.
        let is_away = error.is_some_and(BrokerError::is_transient);
        self.metrics.broker_up().set(u64::from(!is_away));
    }
}

#[async_trait]
impl Broker for Metered {
    fn capabilities(&self) -> Capabilities {
        self.broker.capabilities()
    }

    async fn register(&self, job: &JobRecord) -> Result<Registered, BrokerError> {
        self.call(BrokerOperation::Jobs, self.broker.register(job)).await
    }

    async fn job(&self, name: &JobName) -> Result<Option<JobRecord>, BrokerError> {
        self.call(BrokerOperation::Jobs, self.broker.job(name)).await
    }

    async fn jobs(&self) -> Result<Vec<JobRecord>, BrokerError> {
        self.call(BrokerOperation::Jobs, self.broker.jobs()).await
    }

    async fn overview(&self) -> Result<Vec<(JobRecord, JobProgress)>, BrokerError> {
        self.call(BrokerOperation::Jobs, self.broker.overview()).await
    }

    async fn publish(&self, chunks: &[Chunk]) -> Result<Published, BrokerError> {
        self.call(BrokerOperation::Publish, self.broker.publish(chunks)).await
    }

    /// One that waits in vain is not timed: it would hide what those take that bring something.
    async fn receive(&self, credit: Credit, wait: Duration) -> Result<Vec<Delivery>, BrokerError> {
        let began = SystemClock.now();
        let answer = self.broker.receive(credit, wait).await;
        if !answer.as_ref().is_ok_and(Vec::is_empty) {
            let took = SystemClock.now().since(began);
            self.metrics.broker_operation(BrokerOperation::Receive).observe(took);
        }
        self.count(BrokerOperation::Receive, answer.as_ref().err());
        answer
    }

    async fn renew(&self, receipts: &[Receipt]) -> Result<Vec<Renewed>, BrokerError> {
        self.call(BrokerOperation::Renew, self.broker.renew(receipts)).await
    }

    async fn store_values(&self, records: &[ValuesRecord]) -> Result<(), BrokerError> {
        self.call(BrokerOperation::Values, self.broker.store_values(records)).await
    }

    async fn values(&self, places: &[ValuesAt]) -> Result<Vec<Option<ValuesRecord>>, BrokerError> {
        self.call(BrokerOperation::Values, self.broker.values(places)).await
    }

    async fn commit(&self, outcomes: &[(Receipt, Outcome)]) -> Result<Vec<Committed>, BrokerError> {
        self.call(BrokerOperation::Commit, self.broker.commit(outcomes)).await
    }

    async fn nack(&self, nacks: &[Nack]) -> Result<Vec<Settled>, BrokerError> {
        self.call(BrokerOperation::Nack, self.broker.nack(nacks)).await
    }

    async fn give_back(&self, returns: &[GiveBack]) -> Result<Vec<Settled>, BrokerError> {
        self.call(BrokerOperation::GiveBack, self.broker.give_back(returns)).await
    }

    async fn give_back_strays(&self, held: &[Receipt]) -> Result<u64, BrokerError> {
        self.call(BrokerOperation::GiveBack, self.broker.give_back_strays(held)).await
    }

    async fn progress(&self, job: JobUid) -> Result<Option<JobProgress>, BrokerError> {
        self.call(BrokerOperation::Progress, self.broker.progress(job)).await
    }

    async fn outcomes(
        &self,
        job: JobUid,
        cursor: OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, BrokerError> {
        self.call(BrokerOperation::Outcomes, self.broker.outcomes(job, cursor, limit)).await
    }

    async fn cancel(&self, job: JobUid) -> Result<bool, BrokerError> {
        self.call(BrokerOperation::Remove, self.broker.cancel(job)).await
    }

    async fn purge(&self, job: JobUid) -> Result<bool, BrokerError> {
        self.call(BrokerOperation::Remove, self.broker.purge(job)).await
    }

    async fn purge_all(&self) -> Result<u64, BrokerError> {
        self.call(BrokerOperation::Remove, self.broker.purge_all()).await
    }

    async fn beat(&self, beat: &Beat) -> Result<(), BrokerError> {
        self.call(BrokerOperation::Beat, self.broker.beat(beat)).await
    }

    async fn beats(&self, within: Duration) -> Result<Vec<Beat>, BrokerError> {
        self.call(BrokerOperation::Beat, self.broker.beats(within)).await
    }

    async fn flush(&self) -> Result<(), BrokerError> {
        self.call(BrokerOperation::Flush, self.broker.flush()).await
    }
}

#[cfg(test)]
mod tests {
    use ttg_runtime::Timestamp;
    use ttg_runtime::WorkerId;
    use ttg_runtime::broker::MemoryHarness;
    use ttg_runtime::broker::conformance::{Harness, cut, job, worker};

    use super::*;

    /// A broker behind the counting one, which must add nothing and forget nothing.
    struct MeteredHarness(MemoryHarness);

    #[async_trait]
    impl Harness for MeteredHarness {
        async fn start() -> Self {
            Self(MemoryHarness::start().await)
        }

        async fn connect(&self, worker: WorkerId, lease: Duration) -> Arc<dyn Broker> {
            let broker = self.0.connect(worker, lease).await;
            Metered::around(broker, &Metrics::new("1.0.0", "abc"))
        }

        fn lease() -> Duration {
            MemoryHarness::lease()
        }

        fn now(&self) -> Timestamp {
            self.0.now()
        }

        async fn elapse(&self, by: Duration) {
            self.0.elapse(by).await;
        }
    }

    ttg_runtime::broker_conformance!(MeteredHarness);

    #[tokio::test]
    async fn calls_are_counted_and_a_receive_in_vain_is_not() {
        let harness = MemoryHarness::start().await;
        let metrics = Metrics::new("1.0.0", "abc");
        let lease = MemoryHarness::lease();
        let broker = Metered::around(harness.connect(worker("a"), lease).await, &metrics);
        let count = |operation: &str, of: &str| {
            let series = format!(r#"ttg_broker_{of}{{operation="{operation}"}} "#);
            let rendered = metrics.render();
            let value = rendered.lines().find_map(|line| line.strip_prefix(&series)).unwrap();
            value.parse::<u64>().unwrap()
        };
        assert_eq!(broker.receive(Credit::MIN, Duration::ZERO).await.unwrap(), []);
        assert_eq!(count("receive", "operation_seconds_count"), 0);
        assert!(metrics.render().contains("\nttg_broker_up 1\n"), "it has answered");

        let job = job("metered", 1, 1);
        assert!(broker.publish(&cut(&job)).await.is_err(), "it is not registered");
        assert_eq!((count("publish", "errors_total"), count("jobs", "errors_total")), (1, 0));
        broker.register(&job).await.unwrap();
        broker.publish(&cut(&job)).await.unwrap();
        assert_eq!(broker.receive(Credit::MIN, Duration::ZERO).await.unwrap().len(), 1);
        assert_eq!(count("publish", "operation_seconds_count"), 2);
        assert_eq!(count("receive", "operation_seconds_count"), 1);
        assert!(metrics.render().contains("\nttg_broker_up 1\n"), "a refusal is an answer");
    }
}
