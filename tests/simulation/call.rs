//! Calls of the broker port as values, so that one place carries all of them.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::broker::{
    Beat, Committed, GiveBack, JobProgress, MemoryBroker, Nack, Published, Registered, Renewed,
    Settled,
};
use ttg_runtime::{
    Broker, BrokerError, Chunk, Credit, Delivery, IdempotencyKey, JobName, JobRecord, JobUid,
    Outcome, Receipt,
};

/// A request to the broker.
#[derive(Clone)]
pub(crate) enum Call {
    Register(Arc<JobRecord>),
    Job(JobName),
    Publish(Arc<[Chunk]>),
    Receive(Credit, Duration),
    Renew(Arc<[Receipt]>),
    Commit(Arc<[(Receipt, Outcome)]>),
    Nack(Arc<[Nack]>),
    GiveBack(Arc<[GiveBack]>),
    Strays(Arc<[Receipt]>),
    Progress(JobUid),
    Beat(Arc<Beat>),
    Flush,
}

/// What the broker answered.
pub(crate) enum Answer {
    Registered(Registered),
    Job(Option<JobRecord>),
    Published(Published),
    Deliveries(Vec<Delivery>),
    Renewed(Vec<Renewed>),
    Committed(Vec<Committed>),
    Settled(Vec<Settled>),
    Strays(u64),
    Progress(Option<JobProgress>),
    Done,
}

impl Call {
    /// Has `broker` do it.
    pub(crate) async fn perform(&self, broker: &MemoryBroker) -> Result<Answer, BrokerError> {
        Ok(match self {
            Self::Register(job) => Answer::Registered(broker.register(job).await?),
            Self::Job(name) => Answer::Job(broker.job(name).await?),
            Self::Publish(chunks) => Answer::Published(broker.publish(chunks).await?),
            Self::Receive(credit, wait) => {
                Answer::Deliveries(broker.receive(*credit, *wait).await?)
            }
            Self::Renew(receipts) => Answer::Renewed(broker.renew(receipts).await?),
            Self::Commit(outcomes) => Answer::Committed(broker.commit(outcomes).await?),
            Self::Nack(nacks) => Answer::Settled(broker.nack(nacks).await?),
            Self::GiveBack(returns) => Answer::Settled(broker.give_back(returns).await?),
            Self::Strays(held) => Answer::Strays(broker.give_back_strays(held).await?),
            Self::Progress(job) => Answer::Progress(broker.progress(*job).await?),
            Self::Beat(beat) => {
                broker.beat(beat).await?;
                Answer::Done
            }
            Self::Flush => {
                broker.flush().await?;
                Answer::Done
            }
        })
    }

    /// Whether it may change what the broker holds.
    pub(crate) fn changes(&self) -> bool {
        !matches!(self, Self::Job(_) | Self::Progress(_) | Self::Beat(_) | Self::Flush)
    }

    /// Its name in traces.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::Job(_) => "job",
            Self::Publish(_) => "publish",
            Self::Receive(..) => "receive",
            Self::Renew(_) => "renew",
            Self::Commit(_) => "commit",
            Self::Nack(_) => "nack",
            Self::GiveBack(_) => "give back",
            Self::Strays(_) => "give back strays",
            Self::Progress(_) => "progress",
            Self::Beat(_) => "beat",
            Self::Flush => "flush",
        }
    }
}

/// A chunk in few letters: job, index, generation if it is not the original.
pub(crate) struct Short<'a>(pub(crate) &'a IdempotencyKey);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let IdempotencyKey { job, chunk, generation } = self.0;
        let [first, second, ..] = job.as_bytes();
        write!(f, "{first:02x}{second:02x}.{chunk}")?;
        if generation.0 > 0 { write!(f, ".{generation}") } else { Ok(()) }
    }
}

/// A delivery in few letters.
pub(crate) struct Held<'a>(pub(crate) &'a Receipt);

impl Display for Held<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", Short(&self.0.key), self.0.token[0])
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Register(job) => write!(f, " {} {}", job.name, job.uid),
            Self::Job(name) => write!(f, " {name}"),
            Self::Publish(chunks) => {
                let first = chunks.first().map(|chunk| Short(&chunk.key).to_string());
                write!(f, " {} from {}", chunks.len(), first.unwrap_or_default())
            }
            Self::Receive(credit, wait) => write!(f, " {credit} within {wait:?}"),
            Self::Renew(receipts) | Self::Strays(receipts) => {
                receipts.iter().try_for_each(|receipt| write!(f, " {}", Held(receipt)))
            }
            Self::Commit(outcomes) => outcomes.iter().try_for_each(|(receipt, outcome)| {
                let (completed, dead) = (outcome.completed(), outcome.dead.count());
                write!(f, " {} ({completed}+{dead} at {})", Held(receipt), outcome.attempt)
            }),
            Self::Nack(nacks) => nacks.iter().try_for_each(|nack| {
                let (held, kind) = (Held(&nack.receipt), nack.failure.kind);
                write!(f, " {held} ({kind}, in {:?})", nack.retry_in)
            }),
            Self::GiveBack(returns) => returns.iter().try_for_each(|back| {
                write!(f, " {} (in {:?})", Held(&back.receipt), back.retry_in)
            }),
            Self::Progress(_) | Self::Beat(_) | Self::Flush => Ok(()),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered(Registered::New) => write!(f, "new"),
            Self::Registered(Registered::Existing(job)) => write!(f, "existing {}", job.uid),
            Self::Job(job) => write!(f, "{:?}", job.as_ref().map(|job| job.uid)),
            Self::Published(Published { added, present }) => write!(f, "{added} + {present}"),
            Self::Deliveries(deliveries) => deliveries.iter().try_for_each(|delivery| {
                let counters = delivery.chunk.counters;
                let suspect = if delivery.suspect { "?" } else { "" };
                let (failures, silent) = (counters.failures, counters.silent_deliveries);
                write!(f, "{}{suspect}({failures}, {silent}) ", Held(&delivery.receipt))
            }),
            Self::Renewed(renewed) => write!(f, "{renewed:?}"),
            Self::Committed(committed) => write!(f, "{committed:?}"),
            Self::Settled(settled) => write!(f, "{settled:?}"),
            Self::Strays(count) => write!(f, "{count}"),
            Self::Progress(None) => write!(f, "unknown"),
            Self::Progress(Some(progress)) => {
                let (state, parameters) = (progress.state, progress.parameters);
                write!(f, "{state:?} {}+{}", parameters.completed, parameters.dead)
            }
            Self::Done => write!(f, "done"),
        }
    }
}
