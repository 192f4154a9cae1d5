//! The registry of jobs: a stream of deeds. Of two jobs of one name, the one whose deed comes first
//! has it.

use std::collections::BTreeSet;

use lapin::options::QueueDeleteOptions;
use lapin::types::FieldTable;

use super::adapter::Consumer;
use super::letters::Letter;
use super::link::Link;
use super::tail::{ENTRY, Mark, Next, Start, Tail};
use super::wire::{Deed, Entry};
use crate::broker::port::Registered;
use crate::error::BrokerError;
use crate::ids::{JobName, JobUid};
use crate::job::JobRecord;
use crate::wire::{decode, encode};

/// Jobs as the registry has them now, oldest first.
pub(super) struct Registry {
    tail: Tail,
    jobs: Vec<Known>,
    /// Of which a journal may be there, and no job.
    prepared: BTreeSet<JobUid>,
}

struct Known {
    name: JobName,
    job: JobUid,
    record: Vec<u8>,
}

impl Known {
    fn record(&self) -> Result<JobRecord, BrokerError> {
        decode(&self.record).map_err(|cause| BrokerError::Record { job: self.job, cause })
    }
}

impl Registry {
    pub(super) fn new(link: &Link) -> Self {
        let tail = Tail::new(link.names.jobs.clone(), Start::At(0));
        Self { tail, jobs: Vec::new(), prepared: BTreeSet::new() }
    }

    async fn catch_up(&mut self, link: &Link) -> Result<(), BrokerError> {
        let mark = self.tail.mark(link).await?.ok_or_else(|| gone(link))?;
        self.read_to(link, &mark).await
    }

    /// Likewise, for who looks again.
    async fn catch_up_lately(&mut self, link: &Link) -> Result<(), BrokerError> {
        let mark = self.tail.lately(link).await?.ok_or_else(|| gone(link))?;
        self.read_to(link, &mark).await
    }

    /// Likewise, as far as it comes soon.
    async fn look(&mut self, link: &Link) -> Result<(), BrokerError> {
        let mark = self.tail.soon(link).await?;
        self.read_to(link, &mark).await
    }

    async fn read_to(&mut self, link: &Link, mark: &Mark) -> Result<(), BrokerError> {
        loop {
            match self.tail.next(mark).await? {
                Next::Entry(bytes) => match decode::<Deed>(&bytes) {
                    Ok(deed) => self.apply(deed),
                    Err(error) => tracing::warn!(%error, "a deed of the registry is passed over"),
                },
                Next::Again => {
                    self.jobs.clear();
                    self.prepared.clear();
                }
                Next::End => return Ok(()),
                Next::Gone => return Err(gone(link)),
            }
        }
    }

    fn apply(&mut self, deed: Deed) {
        match deed {
            Deed::Prepared(job) => {
                self.prepared.insert(job);
            }
            Deed::Registered { name, job, record } => {
                if self.jobs.iter().all(|known| known.name != name && known.job != job) {
                    self.prepared.remove(&job);
                    self.jobs.push(Known { name, job, record });
                }
            }
            Deed::Purged(job) => {
                self.prepared.remove(&job);
                self.jobs.retain(|known| known.job != job);
            }
        }
    }

    /// Without those that do not decode.
    fn records(&self) -> Vec<JobRecord> {
        let mut jobs = Vec::new();
        for known in &self.jobs {
            match known.record() {
                Ok(job) => jobs.push(job),
                Err(error) => tracing::warn!(%error, "a job is passed over"),
            }
        }
        jobs
    }

    fn named(&self, name: &JobName) -> Option<&Known> {
        self.jobs.iter().find(|known| known.name == *name)
    }
}

fn gone(link: &Link) -> BrokerError {
    let cause = format!("the stream `{}` is not there", link.names.jobs).into();
    BrokerError::Unavailable { broker: link.shown().to_owned(), cause }
}

impl Consumer {
    async fn deed(&self, deed: &Deed) -> Result<(), BrokerError> {
        let letter = Letter::to_queue(&self.link.names.jobs, ENTRY, encode(deed));
        match self.link.session().await?.tell(&[letter]).await?[..] {
            [true] => Ok(()),
            _ => Err(BrokerError::Unavailable {
                broker: self.link.shown().to_owned(),
                cause: "the registry is not there".into(),
            }),
        }
    }

    pub(super) async fn register_job(&self, job: &JobRecord) -> Result<Registered, BrokerError> {
        let mut registry = self.registry.lock().await;
        registry.catch_up(&self.link).await?;
        if let Some(known) = registry.named(&job.name) {
            return Ok(Registered::Existing(Box::new(known.record()?)));
        }
        // The journal comes before the job that needs it; what a crash leaves in between is in the
        // registry, so that a purge of all finds it.
        self.deed(&Deed::Prepared(job.uid)).await?;
        let session = self.link.session().await?;
        session
            .declare(&self.link.names, async |declaring: super::topology::Declaring<'_>| {
                if job.spec.values {
                    declaring.values(job.uid).await?;
                }
                declaring.journal(job.uid).await
            })
            .await?;
        let (name, record) = (job.name.clone(), encode(job));
        self.deed(&Deed::Registered { name, job: job.uid, record }).await?;
        registry.catch_up(&self.link).await?;
        match registry.named(&job.name) {
            Some(known) if known.job == job.uid => Ok(Registered::New),
            Some(known) => {
                let existing = known.record()?;
                self.delete_streams(job.uid).await?;
                self.deed(&Deed::Purged(job.uid)).await?;
                Ok(Registered::Existing(Box::new(existing)))
            }
            // Purged by somebody meanwhile.
            None => Err(BrokerError::JobGone { job: job.uid }),
        }
    }

    /// The record of a job by its name.
    pub(super) async fn named(&self, name: &JobName) -> Result<Option<JobRecord>, BrokerError> {
        let mut registry = self.registry.lock().await;
        registry.catch_up(&self.link).await?;
        registry.named(name).map(Known::record).transpose()
    }

    pub(super) async fn all_jobs(&self) -> Result<Vec<JobRecord>, BrokerError> {
        let mut registry = self.registry.lock().await;
        registry.catch_up(&self.link).await?;
        Ok(registry.records())
    }

    /// Likewise, for who looks again.
    pub(super) async fn jobs_lately(&self) -> Result<Vec<JobRecord>, BrokerError> {
        let mut registry = self.registry.lock().await;
        registry.catch_up_lately(&self.link).await?;
        Ok(registry.records())
    }

    /// Likewise, and those that were registered a moment ago may be missing.
    pub(super) async fn jobs_seen(&self) -> Result<Vec<JobRecord>, BrokerError> {
        let mut registry = self.registry.lock().await;
        registry.look(&self.link).await?;
        Ok(registry.records())
    }

    /// The record of a job by its uid. What was known once is not asked for again: that a job is
    /// purged, its journal says.
    pub(super) async fn record_of(&self, job: JobUid) -> Result<Option<JobRecord>, BrokerError> {
        let mut registry = self.registry.lock().await;
        if registry.jobs.iter().all(|known| known.job != job) {
            registry.catch_up(&self.link).await?;
        }
        let known = registry.jobs.iter().find(|known| known.job == job);
        known.map(Known::record).transpose()
    }

    /// Ends the job's journal, then takes it from the exchange. An end between the two is mended by
    /// whoever cancels again.
    pub(super) async fn cancel_job(&self, job: JobUid) -> Result<bool, BrokerError> {
        let journal = self.link.names.journal(job);
        let letter = Letter::to_queue(&journal, ENTRY, encode(&Entry::Cancelled));
        let session = self.link.session().await?;
        if session.tell(&[letter]).await? != [true] {
            return Ok(false);
        }
        let channel = session.question().await?;
        let unbinding = channel.queue_unbind(
            journal.as_str().into(),
            self.link.names.results.as_str().into(),
            job.to_string().as_str().into(),
            FieldTable::default(),
        );
        session.answer(unbinding).await?.map_err(|error| session.fault(error))?;
        Ok(true)
    }

    pub(super) async fn purge_job(&self, job: JobUid) -> Result<bool, BrokerError> {
        let mut registry = self.registry.lock().await;
        registry.catch_up(&self.link).await?;
        let known = registry.jobs.iter().any(|known| known.job == job);
        if known || registry.prepared.contains(&job) {
            // The journal first: as long as the registry has the job, a purge can be repeated.
            self.delete_streams(job).await?;
            self.deed(&Deed::Purged(job)).await?;
            registry.catch_up(&self.link).await?;
        }
        self.journals.forget(job);
        self.values.lock().await.forget(job);
        Ok(known)
    }

    pub(super) async fn purge_all_jobs(&self) -> Result<u64, BrokerError> {
        let (jobs, prepared) = {
            let mut registry = self.registry.lock().await;
            registry.catch_up(&self.link).await?;
            let jobs: Vec<_> = registry.jobs.iter().map(|known| known.job).collect();
            (jobs, registry.prepared.clone())
        };
        let mut purged = 0;
        for job in jobs {
            purged += u64::from(self.purge_job(job).await?);
        }
        for job in prepared {
            self.purge_job(job).await?;
        }
        // What is of no job any more is dropped when it is delivered; and somebody may have submitted.
        if self.all_jobs().await?.is_empty() {
            self.empty_queues().await?;
        }
        Ok(purged)
    }

    /// The journal first: what has none is not written any more, and values are of no use without it.
    async fn delete_streams(&self, job: JobUid) -> Result<(), BrokerError> {
        let session = self.link.session().await?;
        let channel = session.question().await?;
        let names = &self.link.names;
        for name in [names.journal(job), names.values(job)] {
            let name = name.as_str().into();
            let deleting = channel.queue_delete(name, QueueDeleteOptions::default());
            session.answer(deleting).await?.map_err(|error| session.fault(error))?;
        }
        Ok(())
    }
}
