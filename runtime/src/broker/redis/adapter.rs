//! The port over scripts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::deliveries::Return;
use super::health::RedisHealth;
use super::jobs::job_of;
use super::link::Link;
use super::scripts;
use super::strays::Holdings;
use super::target::Target;
use super::watch::Watch;
use super::wire::{self, Claim};
use crate::broker::Broker;
use crate::broker::port::{
    Capabilities, Committed, GiveBack, Nack, OUTCOME_PAGE_BYTES_MAX, Published, Registered,
    Renewed, Settled,
};
use crate::broker::views::{Beat, JobProgress, OutcomeCursor, OutcomePage};
use crate::chunk::{Chunk, Counters};
use crate::delivery::{Credit, Delivery, Receipt};
use crate::error::BrokerError;
use crate::ids::{JobName, JobUid, WorkerId};
use crate::job::JobRecord;
use crate::outcome::Outcome;
use crate::values::{ValuesAt, ValuesRecord};
use crate::wire::{decode, encode};

/// The most things that one script is about: others wait while it runs, and its lists have an end.
pub(super) const BATCH: usize = 1_000;

/// The most bytes of records in one script.
pub(super) const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// The most chunks of a job: a bitmap has no more places.
const CHUNKS_MAX: u64 = 1 << 32;

/// The longest time that a consumer waits before it looks at leases again.
const WAIT_MAX: Duration = Duration::from_secs(1);
const WAIT_MIN: Duration = Duration::from_millis(20);

/// How long the first connection is tried for.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// Which server, and for whom.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://`, `rediss://` or `redis+sentinel://`; secrets in it are never shown.
    pub url: String,
    /// What every key begins with.
    pub namespace: String,
    /// A PEM file with the certificates of the authority that vouches for the server, if it is not
    /// one that the system trusts.
    pub authority: Option<PathBuf>,
    /// The consumer. Of all living processes and handles, one may have this id.
    pub worker: WorkerId,
    /// How long a delivery is this consumer's before others may take it, unless renewed.
    pub lease: Duration,
}

/// One consumer of a Redis server. Clones are the same consumer.
#[derive(Clone)]
pub struct RedisBroker {
    pub(super) link: Arc<Link>,
    pub(super) worker: WorkerId,
    pub(super) lease: Duration,
    pub(super) watch: Arc<Watch>,
    pub(super) holdings: Arc<Holdings>,
}

impl RedisBroker {
    /// Connects; a server that is away is waited for, for ten seconds.
    ///
    /// # Errors
    /// [`BrokerError::Refused`]: the URL, the credentials or the certificates are wrong, or the
    /// server is too old or a replica. [`BrokerError::Foreign`]: a key is not what it should be.
    pub async fn connect(config: RedisConfig) -> Result<Self, BrokerError> {
        let RedisConfig { url, namespace, authority, worker, lease } = config;
        let target = Target::parse(&url, authority.as_deref());
        let target = target.map_err(|error| BrokerError::Refused {
            broker: "redis".to_owned(),
            detail: error.to_string(),
        })?;
        let answer_within = (lease / 3).clamp(Duration::from_secs(3), Duration::from_secs(5));
        let name = worker.to_string();
        let link = Arc::new(Link::new(target, namespace, name, answer_within));
        let (watch, holdings) = (Arc::default(), Arc::default());
        let broker = Self { link, worker, lease, watch, holdings };
        let deadline = Instant::now() + FIRST_WITHIN;
        loop {
            match broker.expect_own_keys().await {
                // One that is there may still be reading its log.
                Err(error) if error.is_transient() && Instant::now() < deadline => {
                    tokio::time::sleep(WAIT_MIN).await;
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(broker),
            }
        }
    }

    /// What the server tells of itself now.
    pub async fn health(&self) -> Result<RedisHealth, BrokerError> {
        let info: String = self.link.query(&redis::cmd("INFO")).await?;
        Ok(RedisHealth::of(&info))
    }

    /// That the keys that every call uses are not another program's.
    async fn expect_own_keys(&self) -> Result<(), BrokerError> {
        let expected =
            [("tasks", "stream"), ("jobs", "hash"), ("control", "hash"), ("delayed", "zset")];
        for (kind, expected) in expected {
            // Which keys they are is known once it was connected to.
            self.link.connection().await?;
            let key = self.link.key(kind);
            let mut question = redis::cmd("TYPE");
            question.arg(&key);
            let found: String = self.link.query(&question).await?;
            if found != expected && found != "none" {
                let broker = self.link.shown().to_owned();
                let detail = format!("the key `{key}` is a {found}, and not a {expected}");
                return Err(BrokerError::Foreign { broker, detail });
            }
        }
        Ok(())
    }

    pub(super) fn lease_ms(&self) -> u64 {
        u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX).max(1)
    }
}

#[async_trait]
impl Broker for RedisBroker {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "redis",
            renewable_leases: true,
            immediate_progress: true,
            values: true,
            longest_attempt: None,
            exact_commits: true,
        }
    }

    async fn register(&self, job: &JobRecord) -> Result<Registered, BrokerError> {
        let chunks = job.spec.chunks_total();
        if chunks > CHUNKS_MAX {
            return Err(BrokerError::TooLarge { broker: self.link.shown().to_owned() });
        }
        let mut call = self.link.call(&scripts::REGISTER);
        call.arg(job.name.as_str()).arg(job.uid.to_string()).arg(encode(job));
        call.arg(chunks).arg(job.spec.parameters.len());
        let taken: Vec<Vec<u8>> = self.link.run(&call).await?;
        let Ok([uid, record]) = <[Vec<u8>; 2]>::try_from(taken) else {
            return Ok(Registered::New);
        };
        match job_of(&String::from_utf8_lossy(&uid), &record) {
            Some(existing) => Ok(Registered::Existing(Box::new(existing?))),
            None => Err(BrokerError::Corrupt {
                broker: self.link.shown().to_owned(),
                detail: format!("the uid of job `{}` is none", job.name),
            }),
        }
    }

    async fn job(&self, name: &JobName) -> Result<Option<JobRecord>, BrokerError> {
        self.read_jobs(Some(name)).await?.pop().transpose()
    }

    async fn jobs(&self) -> Result<Vec<JobRecord>, BrokerError> {
        let mut jobs = Vec::new();
        for job in self.read_jobs(None).await? {
            match job {
                Ok(job) => jobs.push(job),
                Err(error) => tracing::warn!(%error, "a job is passed over"),
            }
        }
        Ok(jobs)
    }

    async fn publish(&self, chunks: &[Chunk]) -> Result<Published, BrokerError> {
        let mut published = Published::default();
        for batch in chunks.chunks(BATCH) {
            let mut call = self.link.call(&scripts::PUBLISH);
            for chunk in batch {
                let key = &chunk.key;
                call.arg(key.job.to_string()).arg(key.chunk.0).arg(key.generation.0);
                let Counters { failures, silent_deliveries, give_backs } = chunk.counters;
                call.arg(wire::message(chunk)).arg(failures).arg(silent_deliveries).arg(give_backs);
                call.arg(chunk.last_failure.as_ref().map(encode).unwrap_or_default());
            }
            match self.link.run::<redis::Value>(&call).await? {
                redis::Value::Int(added) => {
                    let added = added.unsigned_abs();
                    published.added += added;
                    published.present += batch.len() as u64 - added;
                }
                gone => return Err(self.job_gone(&gone)),
            }
        }
        Ok(published)
    }

    /// If the caller goes away while chunks are leased, they are strays of this consumer:
    /// [`Broker::give_back_strays`] or the end of their lease returns them.
    async fn receive(&self, credit: Credit, wait: Duration) -> Result<Vec<Delivery>, BrokerError> {
        let deadline = Instant::now() + wait;
        loop {
            self.return_strays().await?;
            self.watch_others().await;
            let received = self.look(credit).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !received.deliveries.is_empty() || left.is_zero() {
                return Ok(received.deliveries);
            }
            // The server's clock is read in milliseconds: one more, and it has come due.
            let due_in = received.due_in.map(|due| due + Duration::from_millis(1));
            let pause = (self.lease / 10).clamp(WAIT_MIN, WAIT_MAX);
            let pause = due_in.map_or(pause, |due| due.min(pause)).min(left);
            self.link.await_bell(pause).await?;
        }
    }

    async fn renew(&self, receipts: &[Receipt]) -> Result<Vec<Renewed>, BrokerError> {
        let mut renewed = Vec::with_capacity(receipts.len());
        for batch in receipts.chunks(BATCH) {
            let mut call = self.link.call(&scripts::RENEW);
            call.arg(self.worker.as_str());
            for receipt in batch {
                let claim = Claim::of(receipt);
                call.arg(claim.id()).arg(claim.deliveries()).arg(receipt.key.job.to_string());
            }
            let answers: Vec<i64> = self.link.run(&call).await?;
            let lost = batch.iter().zip(&answers).filter(|(_, answer)| **answer != 1);
            self.holdings.remove(lost.map(|(receipt, _)| Claim::of(receipt)));
            let renew = |answer| if answer == 1 { Renewed::Held } else { Renewed::Lost };
            renewed.extend(answers.into_iter().map(renew));
        }
        Ok(renewed)
    }

    async fn store_values(&self, records: &[ValuesRecord]) -> Result<(), BrokerError> {
        self.store_records(records).await
    }

    async fn values(&self, places: &[ValuesAt]) -> Result<Vec<Option<ValuesRecord>>, BrokerError> {
        self.read_records(places).await
    }

    async fn commit(&self, outcomes: &[(Receipt, Outcome)]) -> Result<Vec<Committed>, BrokerError> {
        let mut committed = Vec::with_capacity(outcomes.len());
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for (receipt, outcome) in outcomes {
            debug_assert!(crate::invariants::outcome_is_whole(outcome), "{outcome:?}");
            let record = encode(outcome);
            if batch.len() >= BATCH || (bytes + record.len() > BATCH_BYTES && bytes > 0) {
                committed.extend(self.commit_batch(&batch).await?);
                batch.clear();
                bytes = 0;
            }
            bytes += record.len();
            batch.push((Claim::of(receipt), outcome, record));
        }
        committed.extend(self.commit_batch(&batch).await?);
        Ok(committed)
    }

    async fn nack(&self, nacks: &[Nack]) -> Result<Vec<Settled>, BrokerError> {
        let back =
            |nack: &Nack| Return::of(&nack.receipt, nack.retry_in, Some(encode(&nack.failure)));
        self.put_back(&nacks.iter().map(back).collect::<Vec<_>>()).await
    }

    async fn give_back(&self, returns: &[GiveBack]) -> Result<Vec<Settled>, BrokerError> {
        let back = |back: &GiveBack| Return::of(&back.receipt, back.retry_in, None);
        self.put_back(&returns.iter().map(back).collect::<Vec<_>>()).await
    }

    async fn give_back_strays(&self, held: &[Receipt]) -> Result<u64, BrokerError> {
        self.return_all_but(held).await
    }

    async fn progress(&self, job: JobUid) -> Result<Option<JobProgress>, BrokerError> {
        let mut call = self.link.call(&scripts::PROGRESS);
        call.arg(job.to_string());
        Ok(wire::progress(&self.link.run::<Vec<String>>(&call).await?))
    }

    async fn outcomes(
        &self,
        job: JobUid,
        OutcomeCursor(from): OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, BrokerError> {
        let mut call = self.link.call(&scripts::OUTCOMES);
        call.arg(job.to_string()).arg(from).arg(limit.min(BATCH)).arg(OUTCOME_PAGE_BYTES_MAX);
        let (more, records): (i64, Vec<Vec<u8>>) = self.link.run(&call).await?;
        let of =
            |record: Vec<u8>| decode(&record).map_err(|cause| BrokerError::Record { job, cause });
        let outcomes = records.into_iter().map(of).collect::<Result<Vec<Outcome>, _>>()?;
        let next = (more == 1).then_some(OutcomeCursor(from + outcomes.len() as u64));
        Ok(OutcomePage { outcomes, next })
    }

    async fn cancel(&self, job: JobUid) -> Result<bool, BrokerError> {
        let uid = job.to_string();
        let mut call = self.link.call(&scripts::CANCEL);
        call.arg(&uid);
        let known = self.link.run::<i64>(&call).await? == 1;
        if known {
            self.sweep(&uid).await?;
        }
        Ok(known)
    }

    async fn purge(&self, job: JobUid) -> Result<bool, BrokerError> {
        self.forget(&job.to_string()).await
    }

    async fn purge_all(&self) -> Result<u64, BrokerError> {
        self.forget_all().await
    }

    async fn beat(&self, beat: &Beat) -> Result<(), BrokerError> {
        let mut call = self.link.call(&scripts::BEAT);
        call.arg(beat.worker.as_str()).arg(encode(beat));
        self.link.run::<i64>(&call).await.map(drop)
    }

    async fn beats(&self, within: Duration) -> Result<Vec<Beat>, BrokerError> {
        let mut call = self.link.call(&scripts::BEATS);
        call.arg(u64::try_from(within.as_millis()).unwrap_or(u64::MAX >> 12));
        let beats: Vec<Vec<u8>> = self.link.run(&call).await?;
        // One that does not decode is of a build that says more, or less.
        Ok(beats.iter().filter_map(|beat| decode(beat).ok()).collect())
    }

    async fn flush(&self) -> Result<(), BrokerError> {
        self.link.flush().await
    }
}
