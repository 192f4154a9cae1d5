//! Performs each operation on the adapter and on the model, and compares.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::broker::conformance::{
    Harness, chunk_of, cut, failure, job, outcome, replay, worker,
};
use ttg_runtime::broker::{
    Broker, GiveBack, JobState, Nack, OutcomeCursor, Registered, Renewed, Settled,
};
use ttg_runtime::{
    BrokerError, Chunk, Delivery, IdempotencyKey, ParameterRange, Receipt, WorkerId,
};

use crate::operation::{CHUNK_SIZE, CHUNKS, CONSUMERS, Operation, Pick};
use crate::plain::{Model, Place, When};

/// How long a real server may take to hand over what is due.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longer than any history.
const FOREVER: Duration = Duration::from_hours(1);

pub(crate) struct Session<H> {
    harness: H,
    consumers: Vec<Arc<dyn Broker>>,
    model: Model,
    /// Every delivery that was ever made, and to whom.
    handed: Vec<(usize, Delivery)>,
    receipts: BTreeSet<Receipt>,
}

impl<H: Harness> Session<H> {
    pub(crate) async fn start() -> Self {
        let harness = H::start().await;
        let mut consumers = Vec::new();
        for by in 0..CONSUMERS {
            consumers.push(harness.connect(name(by), H::lease()).await);
        }
        let job = job("model", CHUNKS, CHUNK_SIZE);
        let registered = consumers[0].register(&job).await.expect("register");
        assert_eq!(registered, Registered::New);
        Self {
            harness,
            consumers,
            model: Model::new(job),
            handed: Vec::new(),
            receipts: BTreeSet::new(),
        }
    }

    pub(crate) async fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Publish { from, count } => {
                let indices = from..(from + count).min(CHUNKS);
                let chunks: Vec<_> =
                    indices.map(|index| chunk_of(&self.model.job, index)).collect();
                self.publish(&chunks).await;
            }
            Operation::Replay { origin } => self.replay(origin).await,
            Operation::Receive { by, credit } => {
                self.receive(by, NonZeroU32::new(credit).expect("credit")).await;
            }
            Operation::Renew(pick) => self.renew(&pick).await,
            Operation::Commit { pick, dead } => self.commit(&pick, dead).await,
            Operation::Nack(pick, delay) => self.nack(&pick, H::lease() * delay / 8).await,
            Operation::GiveBack(pick, delay) => self.give_back(&pick, H::lease() * delay / 8).await,
            Operation::GiveBackStrays { by, held } => self.give_back_strays(by, &held).await,
            Operation::Elapse(eighths) => self.harness.elapse(H::lease() * eighths / 8).await,
            Operation::Expire { by } => self.expire(by).await,
            Operation::Cancel => {
                assert!(self.consumers[0].cancel(self.model.job.uid).await.expect("cancel"));
                self.model.cancel();
            }
            Operation::PurgeAndSubmitAgain => self.purge_and_submit_again().await,
        }
    }

    /// The time of the call that `call` makes, and its answer.
    async fn timed<T>(&self, call: impl Future<Output = T>) -> (When, T) {
        let earliest = self.harness.now();
        let answer = call.await;
        let latest = self.harness.now();
        (When { earliest, latest }, answer)
    }

    fn pick(&self, pick: &Pick) -> Option<(usize, Delivery)> {
        let at = self.handed.len().checked_sub(1 + pick.age)?;
        let (by, delivery) = &self.handed[at];
        let by = (by + usize::from(pick.foreign)) % CONSUMERS;
        Some((by, delivery.clone()))
    }

    async fn publish(&mut self, chunks: &[Chunk]) {
        let (now, published) = self.timed(self.consumers[0].publish(chunks)).await;
        if self.model.cancelled {
            assert!(matches!(published, Err(BrokerError::JobGone { .. })));
        } else {
            let expected = self.model.publish(chunks, now);
            assert_eq!(published.expect("publish"), expected);
        }
    }

    /// Publishes the dead parameters of a chunk again, unless a replay of them is open. They are
    /// the first of their chunk, see [`Self::commit`].
    async fn replay(&mut self, origin: u64) {
        let chunk = chunk_of(&self.model.job, origin);
        let parameters = self.model.parameters();
        let (start, end) = (chunk.range.start(), chunk.range.end());
        let dead = (start..end).filter(|parameter| parameters.get(parameter) == Some(&false));
        let Ok(range) = ParameterRange::new(start, start + dead.count() as u64) else {
            return;
        };
        let ours = |key: IdempotencyKey| key.chunk == chunk.key.chunk;
        if !self.model.open.keys().any(|key| ours(*key)) {
            let earlier = self.model.outcomes.iter().filter(|outcome| ours(outcome.key));
            let generation = u32::try_from(earlier.count()).expect("few");
            self.publish(&[replay(&chunk, generation, range)]).await;
        }
    }

    async fn receive(&mut self, by: usize, credit: NonZeroU32) -> usize {
        let now = self.harness.now();
        let point = When { earliest: now, latest: now };
        let due = self.model.due(point);
        let wait = if due.is_empty() { Duration::ZERO } else { PATIENCE };
        let (now, received) = self.timed(self.consumers[by].receive(credit, wait)).await;
        let received = received.expect("receive");
        assert!(received.len() <= credit.get() as usize, "credit");
        assert!(due.is_empty() || !received.is_empty(), "{due:?} are due");
        if now.earliest == now.latest {
            let keys: Vec<_> = received.iter().map(|delivery| delivery.chunk.key).collect();
            let first: Vec<_> = due.into_iter().take(credit.get() as usize).collect();
            assert_eq!(keys, first);
        }
        let lease = if self.has_deadlines() { H::lease() } else { FOREVER };
        for delivery in &received {
            assert!(self.receipts.insert(delivery.receipt), "a fresh receipt");
            self.model.deliver(by, delivery, now, lease);
            self.handed.push((by, delivery.clone()));
        }
        received.len()
    }

    /// By time alone no lease ends where it is a connection, and renewing it does nothing.
    fn has_deadlines(&self) -> bool {
        self.consumers[0].capabilities().renewable_leases
    }

    async fn expire(&mut self, by: usize) {
        if !self.has_deadlines() {
            let (now, ()) = self.timed(self.harness.expire(&name(by))).await;
            self.model.abandon(by, now);
        }
    }

    async fn renew(&mut self, pick: &Pick) {
        let Some((by, delivery)) = self.pick(pick).filter(|_| self.has_deadlines()) else {
            return;
        };
        let receipt = delivery.receipt;
        let (now, renewed) = self.timed(self.consumers[by].renew(&[receipt])).await;
        let expected = match self.model.held(by, receipt) {
            Some((_, Place::Leased { end, .. })) => {
                *end = now.after(H::lease());
                Renewed::Held
            }
            _ => Renewed::Lost,
        };
        assert_eq!(renewed.expect("renew"), [expected]);
    }

    /// Commits the outcome of a delivery, current or not; its first `dead` parameters have none.
    async fn commit(&mut self, pick: &Pick, dead: usize) {
        // Where that goes unnoticed, nobody commits what it was not handed.
        let foreign = pick.foreign && self.consumers[0].capabilities().exact_commits;
        let Some((by, delivery)) = self.pick(&Pick { foreign, ..*pick }) else {
            return;
        };
        let range = delivery.chunk.range;
        let dead: Vec<u64> = (range.start()..range.end()).take(dead).collect();
        let outcome = outcome(&delivery.chunk, &name(by), &dead);
        let expected = self.model.commit(&outcome);
        let committed = self.consumers[by].commit(&[(delivery.receipt, outcome)]).await;
        assert_eq!(committed.expect("commit"), [expected]);
    }

    async fn nack(&mut self, pick: &Pick, retry_in: Duration) {
        let Some((by, delivery)) = self.pick(pick) else {
            return;
        };
        let why = failure(&format!("failure of delivery {}", self.handed.len()));
        let nacks = [Nack { receipt: delivery.receipt, retry_in, failure: why.clone() }];
        let (now, settled) = self.timed(self.consumers[by].nack(&nacks)).await;
        let settled = settled.expect("nack");
        let Some((chunk, place)) = self.model.held(by, delivery.receipt) else {
            return self.assert_stale(&delivery, &settled);
        };
        chunk.counters.failures += 1;
        chunk.last_failure = Some(why);
        let due = now.after(retry_in);
        *place = Place::Waiting { due, failed: true };
        self.model.suspects.remove(&delivery.receipt.key);
        assert_eq!(settled, [Settled::Applied]);
    }

    async fn give_back(&mut self, pick: &Pick, retry_in: Duration) {
        let Some((by, delivery)) = self.pick(pick) else {
            return;
        };
        let receipt = delivery.receipt;
        let returns = [GiveBack { receipt, retry_in }];
        let (now, settled) = self.timed(self.consumers[by].give_back(&returns)).await;
        let settled = settled.expect("give back");
        let Some((chunk, place)) = self.model.held(by, receipt) else {
            return self.assert_stale(&delivery, &settled);
        };
        chunk.counters.give_backs += 1;
        let due = now.after(retry_in);
        *place = Place::Waiting { due, failed: false };
        assert_eq!(settled, [Settled::Applied]);
    }

    /// What an adapter answers for leases of a job that was cancelled meanwhile is its own affair.
    fn assert_stale(&self, delivery: &Delivery, settled: &[Settled]) {
        let free = self.model.cancelled && delivery.chunk.key.job == self.model.job.uid;
        assert!(free || settled == [Settled::Stale], "{settled:?}");
    }

    /// Gives back what the consumer holds, all but what it says it holds, and it may say so of
    /// deliveries which it lost.
    async fn give_back_strays(&mut self, by: usize, held: &[bool]) {
        let mine = self.handed.iter().rev().filter(|(to, _)| *to == by);
        let (held, strays): (Vec<_>, Vec<_>) = mine
            .map(|(_, delivery)| delivery.receipt)
            .zip(held.iter().chain(std::iter::repeat(&false)))
            .partition(|(_, held)| **held);
        let held: Vec<_> = held.into_iter().map(|(receipt, _)| receipt).collect();
        let (now, returned) = self.timed(self.consumers[by].give_back_strays(&held)).await;
        let mut expected = 0;
        for (stray, _) in strays {
            if let Some((chunk, place)) = self.model.held(by, stray) {
                chunk.counters.give_backs += 1;
                let (due, failed) = (now, false);
                *place = Place::Waiting { due, failed };
                expected += 1;
            }
        }
        let returned = returned.expect("give back strays");
        assert!(returned == expected || self.model.cancelled, "{returned} strays");
    }

    async fn purge_and_submit_again(&mut self) {
        assert!(self.consumers[0].purge(self.model.job.uid).await.expect("purge"));
        let job = job(self.model.job.name.as_str(), CHUNKS, CHUNK_SIZE);
        let registered = self.consumers[0].register(&job).await.expect("register");
        assert_eq!(registered, Registered::New);
        self.model = Model::new(job);
    }

    pub(crate) async fn check_progress(&self) {
        let uid = self.model.job.uid;
        let (now, progress) = self.timed(self.consumers[0].progress(uid)).await;
        self.model.check(&progress.expect("progress").expect("a job"), now);
    }

    /// Whatever happened: one worker that stays ends the job, and nothing is lost.
    pub(crate) async fn finish(&mut self) {
        if self.model.cancelled {
            self.purge_and_submit_again().await;
        }
        self.publish(&cut(&self.model.job)).await;
        let newest = Pick { age: 0, foreign: false };
        // No wait is as long, so that all that is open is due.
        self.harness.elapse(H::lease() * 2).await;
        for by in 0..CONSUMERS {
            self.expire(by).await;
        }
        while self.receive(0, NonZeroU32::MIN).await > 0 {
            self.commit(&newest, 0).await;
        }
        self.check_progress().await;
        let job = self.model.job.uid;
        let progress = self.consumers[1].progress(job).await.expect("progress");
        assert_eq!(progress.expect("a job").state, JobState::Complete);
        let page = self.consumers[1].outcomes(job, OutcomeCursor::START, 1_000).await;
        assert_eq!(page.expect("outcomes").outcomes, self.model.outcomes);
    }
}

fn name(by: usize) -> WorkerId {
    worker(&format!("worker-{by}"))
}
