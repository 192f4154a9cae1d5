//! What a law starts from: a broker, one published job, consumers whose calls panic where the
//! broker fails, since no law expects that.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::Harness;
use super::builders::{cut, job, outcome, worker};
use crate::broker::Broker;
use crate::broker::port::{Capabilities, Committed, GiveBack, Nack, Published, Renewed, Settled};
use crate::broker::views::{JobProgress, OutcomeCursor};
use crate::chunk::Chunk;
use crate::clock::Timestamp;
use crate::delivery::{Delivery, Failure, Receipt};
use crate::ids::WorkerId;
use crate::job::JobRecord;
use crate::outcome::Outcome;

/// How long a law waits for what must come. A correct broker under load stays far below.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Parameters per chunk of the job of a [`World`].
pub(super) const CHUNK_SIZE: u64 = 4;

pub(super) struct World<H> {
    pub(super) harness: H,
    pub(super) job: JobRecord,
    pub(super) submitter: Consumer,
    lease: Duration,
}

impl<H: Harness> World<H> {
    /// A broker with one job of `chunks` chunks, all published. No lease ends during the law.
    pub(super) async fn new(chunks: u64) -> Self {
        let world = Self::unpublished(chunks, H::lease() * 100).await;
        world.submitter.publish(&cut(&world.job)).await;
        world
    }

    /// The same with leases that end after [`Harness::lease`].
    pub(super) async fn with_short_leases(chunks: u64) -> Self {
        let world = Self::unpublished(chunks, H::lease()).await;
        world.submitter.publish(&cut(&world.job)).await;
        world
    }

    /// A broker with one registered job, of which nothing is published.
    pub(super) async fn unpublished(chunks: u64, lease: Duration) -> Self {
        let harness = H::start().await;
        let submitter = Consumer::connect(&harness, "submitter", lease).await;
        let job = job("law", chunks, CHUNK_SIZE);
        submitter.broker.register(&job).await.expect("register");
        Self { harness, job, submitter, lease }
    }

    pub(super) async fn consumer(&self, name: &str) -> Consumer {
        Consumer::connect(&self.harness, name, self.lease).await
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.submitter.broker.capabilities()
    }

    /// The next delivery to `consumer`; it must not come before `due`.
    pub(super) async fn delivered_not_before(
        &self,
        due: Timestamp,
        consumer: &Consumer,
    ) -> Delivery {
        let limit = due.after(PATIENCE);
        loop {
            let mut deliveries = consumer.poll(1).await;
            let now = self.harness.now();
            if let Some(delivery) = deliveries.pop() {
                assert!(now >= due, "came {:?} early", due.since(now));
                return delivery;
            }
            assert!(now < limit, "did not come within {PATIENCE:?} of being due");
            self.harness.elapse(H::lease() / 8).await;
        }
    }

    /// The job's progress.
    pub(super) async fn progress(&self) -> JobProgress {
        self.progress_of(&self.job).await
    }

    /// Compares the job's progress, all but the time of its last commit.
    pub(super) async fn expect_progress(&self, expected: JobProgress) {
        let found = self.progress().await;
        let last_commit = None;
        assert_eq!(JobProgress { last_commit, ..found }, expected);
    }

    /// A job's progress; where counts lag, once they stand still.
    pub(super) async fn progress_of(&self, job: &JobRecord) -> JobProgress {
        let read = async || self.submitter.progress(job).await.expect("a job");
        if self.capabilities().immediate_progress {
            return read().await;
        }
        let mut last = read().await;
        loop {
            self.harness.elapse(H::lease() / 2).await;
            let next = read().await;
            if next == last {
                return next;
            }
            last = next;
        }
    }
}

/// Says that a law does not hold here, and that this is known.
#[expect(clippy::print_stderr, reason = "a skipped law is told to whoever runs the tests")]
pub(super) fn skip(law: &str, capabilities: Capabilities) {
    eprintln!("skipped: {law}: beyond {capabilities:?}");
}

pub(super) struct Consumer {
    pub(super) worker: WorkerId,
    pub(super) broker: Arc<dyn Broker>,
    /// Long enough for a broker to hand over what it should not.
    moment: Duration,
}

impl Consumer {
    async fn connect<H: Harness>(harness: &H, name: &str, lease: Duration) -> Self {
        Self {
            worker: worker(name),
            broker: harness.connect(worker(name), lease).await,
            moment: H::moment(),
        }
    }

    pub(super) async fn publish(&self, chunks: &[Chunk]) -> Published {
        self.broker.publish(chunks).await.expect("publish")
    }

    pub(super) async fn receive(&self, credit: u32, wait: Duration) -> Vec<Delivery> {
        let credit = NonZeroU32::new(credit).expect("credit");
        let deliveries = self.broker.receive(credit, wait).await.expect("receive");
        assert!(
            deliveries.len() <= credit.get() as usize,
            "{} deliveries for credit {credit}",
            deliveries.len()
        );
        deliveries
    }

    /// What is due now.
    pub(super) async fn poll(&self, credit: u32) -> Vec<Delivery> {
        self.receive(credit, Duration::ZERO).await
    }

    /// One delivery, which is due.
    pub(super) async fn one(&self) -> Delivery {
        let delivery = self.receive(1, PATIENCE).await.pop();
        delivery.expect("a chunk is due")
    }

    /// `count` deliveries, which are due.
    pub(super) async fn take(&self, count: usize) -> Vec<Delivery> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.one().await);
        }
        taken
    }

    /// Asserts that nothing is due.
    pub(super) async fn none(&self) {
        let deliveries = self.receive(10, self.moment).await;
        assert_eq!(deliveries, [], "nothing should be due");
    }

    /// All that is due, `credit` at a time.
    pub(super) async fn drain(&self, credit: u32) -> Vec<Delivery> {
        let mut all = Vec::new();
        loop {
            let some = self.receive(credit, self.moment).await;
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    pub(super) async fn renew(&self, delivery: &Delivery) -> Renewed {
        let answers = self.broker.renew(&[delivery.receipt]).await.expect("renew");
        only(answers)
    }

    /// Commits the outcome of a delivery whose parameters all completed.
    pub(super) async fn complete(&self, delivery: &Delivery) -> Committed {
        let outcome = outcome(&delivery.chunk, &self.worker, &[]);
        self.commit(delivery.receipt, outcome).await
    }

    pub(super) async fn commit(&self, receipt: Receipt, outcome: Outcome) -> Committed {
        let answers = self.broker.commit(&[(receipt, outcome)]).await;
        only(answers.expect("commit"))
    }

    pub(super) async fn nack(
        &self,
        delivery: &Delivery,
        retry_in: Duration,
        failure: &Failure,
    ) -> Settled {
        let nack = Nack { receipt: delivery.receipt, retry_in, failure: failure.clone() };
        only(self.broker.nack(&[nack]).await.expect("nack"))
    }

    pub(super) async fn give_back(&self, delivery: &Delivery, retry_in: Duration) -> Settled {
        let receipt = delivery.receipt;
        let give_back = GiveBack { receipt, retry_in };
        only(self.broker.give_back(&[give_back]).await.expect("give back"))
    }

    pub(super) async fn progress(&self, job: &JobRecord) -> Option<JobProgress> {
        self.broker.progress(job.uid).await.expect("progress")
    }

    /// All outcomes of a job, read `limit` at a time.
    pub(super) async fn outcomes(&self, job: &JobRecord, limit: usize) -> Vec<Outcome> {
        let (mut all, mut next) = (Vec::new(), Some(OutcomeCursor::START));
        while let Some(cursor) = next {
            let page = self.broker.outcomes(job.uid, cursor, limit).await;
            let page = page.expect("outcomes");
            assert!(page.outcomes.len() <= limit);
            all.extend(page.outcomes);
            next = page.next;
        }
        all
    }
}

/// The one answer to the one thing asked.
fn only<T>(mut answers: Vec<T>) -> T {
    assert_eq!(answers.len(), 1, "one answer to each");
    answers.pop().expect("one answer")
}
