//! The port over queues and streams.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::greeting::RabbitGreeting;
use super::holdings::Holdings;
use super::journals::Journals;
use super::keeper;
use super::link::Link;
use super::pages::Pages;
use super::proofs::Proofs;
use super::registry::Registry;
use super::rescue::Watched;
use super::settle::Return;
use super::source::Source;
use super::target::{Identity, Target};
use super::topology::Names;
use super::values::ValuesReaders;
use crate::broker::Broker;
use crate::broker::port::{
    Capabilities, Committed, GiveBack, Nack, Published, Registered, Renewed, Settled,
};
use crate::broker::views::{Beat, JobProgress, OutcomeCursor, OutcomePage};
use crate::chunk::Chunk;
use crate::delivery::{Credit, Delivery, Receipt};
use crate::error::BrokerError;
use crate::ids::{JobName, JobUid, WorkerId};
use crate::job::JobRecord;
use crate::outcome::Outcome;
use crate::values::{ValuesAt, ValuesRecord};

/// How long the first connection is tried for.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// The server ends a consumer that holds a delivery for half an hour, unless it is told otherwise, which
/// nobody can ask it; and a chunk may wait for the one before it.
const LONGEST_ATTEMPT: Duration = Duration::from_mins(14);

/// The most chunks of a job: those who read its journal keep bits of each.
const CHUNKS_MAX: u64 = 1 << 32;

/// Which server, and for whom.
#[derive(Debug, Clone)]
pub struct RabbitConfig {
    /// `amqp://` or `amqps://`; secrets in it are never shown.
    pub url: String,
    /// What every name begins with.
    pub namespace: String,
    /// A PEM file with the certificates of the authority that vouches for the server, if it is not
    /// one that the system trusts.
    pub authority: Option<PathBuf>,
    /// PEM files with a certificate of this client and its key, if the server wants one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The consumer.
    pub worker: WorkerId,
    /// The server takes a delivery from a consumer that it has not heard of for about three quarters of
    /// this, though never for less than two seconds.
    pub lease: Duration,
}

impl RabbitConfig {
    fn target(&self) -> Result<Target, BrokerError> {
        let Self { url, authority, identity, lease, .. } = self;
        let identity = identity.as_ref().map(|(certificate, key)| Identity { certificate, key });
        let target = Target::parse(url, authority.as_deref(), identity, *lease);
        target.map_err(|detail| BrokerError::Refused { broker: "rabbitmq".to_owned(), detail })
    }
}

/// One consumer of a RabbitMQ server. Clones are the same consumer.
#[derive(Clone)]
pub struct RabbitBroker {
    pub(super) consumer: Arc<Consumer>,
}

pub(super) struct Consumer {
    pub(super) link: Link,
    pub(super) source: Mutex<Source>,
    pub(super) holdings: Holdings,
    pub(super) journals: Journals,
    pub(super) registry: Mutex<Registry>,
    pub(super) pages: Mutex<Pages>,
    pub(super) values: Mutex<ValuesReaders>,
    pub(super) proofs: Proofs,
    pub(super) watched: Mutex<Watched>,
    pub(super) lease: Duration,
    /// How long the server may take to answer.
    pub(super) patience: Duration,
}

impl RabbitBroker {
    /// Connects, and makes on the server what is missing; a server that is away is waited for, for ten
    /// seconds.
    ///
    /// # Errors
    /// [`BrokerError::Refused`]: the URL, the credentials, the permissions or the certificates are
    /// wrong. [`BrokerError::Foreign`]: a queue is there and is not what it should be.
    pub async fn connect(config: RabbitConfig) -> Result<Self, BrokerError> {
        let target = config.target()?;
        let RabbitConfig { namespace, worker, lease, .. } = config;
        let patience = (lease / 3).clamp(Duration::from_secs(5), Duration::from_secs(10));
        let name = format!("{namespace}:{worker}");
        let link = Link::new(target, Names::new(&namespace), name, patience);
        let deadline = Instant::now() + FIRST_WITHIN;
        loop {
            match link.session().await {
                Err(error) if error.is_transient() && Instant::now() < deadline => {}
                Err(error) => return Err(error),
                Ok(_) => break,
            }
        }
        let consumer = Arc::new(Consumer {
            source: Mutex::default(),
            holdings: Holdings::default(),
            journals: Journals::default(),
            registry: Mutex::new(Registry::new(&link)),
            pages: Mutex::default(),
            values: Mutex::default(),
            proofs: Proofs::new(lease),
            watched: Mutex::default(),
            lease,
            patience,
            link,
        });
        keeper::start(&consumer);
        Ok(Self { consumer })
    }

    /// What the server says of itself to anybody.
    ///
    /// # Errors
    /// [`BrokerError::Refused`]: the URL or the certificates are wrong. [`BrokerError::Unavailable`]: it
    /// did not say it.
    pub async fn greeting(config: &RabbitConfig) -> Result<RabbitGreeting, BrokerError> {
        let target = config.target()?;
        let broker = target.shown.clone();
        let greeting = target.greeting().await;
        greeting.map_err(|cause| BrokerError::Unavailable { broker, cause: cause.into() })
    }
}

#[async_trait]
impl Broker for RabbitBroker {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "rabbitmq",
            renewable_leases: false,
            immediate_progress: true,
            values: true,
            longest_attempt: Some(LONGEST_ATTEMPT),
            exact_commits: false,
        }
    }

    async fn register(&self, job: &JobRecord) -> Result<Registered, BrokerError> {
        if job.spec.chunks_total() > CHUNKS_MAX {
            let broker = self.consumer.link.shown().to_owned();
            return Err(BrokerError::TooLarge { broker });
        }
        self.consumer.register_job(job).await
    }

    async fn job(&self, name: &JobName) -> Result<Option<JobRecord>, BrokerError> {
        self.consumer.named(name).await
    }

    async fn jobs(&self) -> Result<Vec<JobRecord>, BrokerError> {
        self.consumer.all_jobs().await
    }

    async fn overview(&self) -> Result<Vec<(JobRecord, JobProgress)>, BrokerError> {
        self.consumer.overview_of_jobs().await
    }

    async fn publish(&self, chunks: &[Chunk]) -> Result<Published, BrokerError> {
        self.consumer.publish_missing(chunks).await
    }

    /// If the caller goes away, what arrived waits for the next call.
    async fn receive(&self, credit: Credit, wait: Duration) -> Result<Vec<Delivery>, BrokerError> {
        self.consumer.receive_by(credit, Instant::now() + wait).await
    }

    /// Extends nothing: tells what the connection and the jobs' journals say.
    async fn renew(&self, receipts: &[Receipt]) -> Result<Vec<Renewed>, BrokerError> {
        self.consumer.still_held(receipts).await
    }

    async fn store_values(&self, records: &[ValuesRecord]) -> Result<(), BrokerError> {
        self.consumer.store_records(records).await
    }

    async fn values(&self, places: &[ValuesAt]) -> Result<Vec<Option<ValuesRecord>>, BrokerError> {
        self.consumer.read_records(places).await
    }

    async fn commit(&self, outcomes: &[(Receipt, Outcome)]) -> Result<Vec<Committed>, BrokerError> {
        if outcomes.is_empty() {
            return Ok(Vec::new());
        }
        for (_, outcome) in outcomes {
            debug_assert!(crate::invariants::outcome_is_whole(outcome), "{outcome:?}");
        }
        self.consumer.commit_all(outcomes).await
    }

    async fn nack(&self, nacks: &[Nack]) -> Result<Vec<Settled>, BrokerError> {
        let back = |nack: &Nack| Return {
            receipt: nack.receipt,
            delay: nack.retry_in,
            failure: Some(nack.failure.clone()),
        };
        self.consumer.return_all(nacks.iter().map(back).collect()).await
    }

    async fn give_back(&self, returns: &[GiveBack]) -> Result<Vec<Settled>, BrokerError> {
        self.consumer.return_all(returns.iter().map(Return::from).collect()).await
    }

    async fn give_back_strays(&self, held: &[Receipt]) -> Result<u64, BrokerError> {
        self.consumer.give_back_all_but(held).await
    }

    async fn progress(&self, job: JobUid) -> Result<Option<JobProgress>, BrokerError> {
        self.consumer.progress_of(job).await
    }

    async fn outcomes(
        &self,
        job: JobUid,
        cursor: OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, BrokerError> {
        self.consumer.page(job, cursor, limit).await
    }

    async fn cancel(&self, job: JobUid) -> Result<bool, BrokerError> {
        self.consumer.cancel_job(job).await
    }

    async fn purge(&self, job: JobUid) -> Result<bool, BrokerError> {
        self.consumer.purge_job(job).await
    }

    async fn purge_all(&self) -> Result<u64, BrokerError> {
        self.consumer.purge_all_jobs().await
    }

    async fn beat(&self, beat: &Beat) -> Result<(), BrokerError> {
        self.consumer.send_beat(beat).await
    }

    async fn beats(&self, within: Duration) -> Result<Vec<Beat>, BrokerError> {
        self.consumer.beats_within(within).await
    }

    /// The server wrote to its disk what it confirmed of queues; of streams, the system does.
    async fn flush(&self) -> Result<(), BrokerError> {
        Ok(())
    }
}
