//! Publishing chunks, and how far a job is.

use std::collections::{BTreeMap, HashSet};

use lapin::options::QueuePurgeOptions;

use super::adapter::Consumer;
use super::fault::is_not_there;
use super::journals::Journal;
use super::letters::Letter;
use super::topology::Level;
use super::wire::{Entry, Place, Task};
use crate::broker::port::{Published, Renewed};
use crate::broker::views::JobProgress;
use crate::chunk::Chunk;
use crate::clock::{Clock, SystemClock};
use crate::delivery::Receipt;
use crate::error::BrokerError;
use crate::ids::{Generation, JobUid};
use crate::job::JobRecord;
use crate::wire::encode;

impl Consumer {
    /// Puts chunks that are missing into the queue, then says so in their jobs' journals: after a crash
    /// between the two a chunk is there twice, and settled once.
    pub(super) async fn publish_missing(&self, chunks: &[Chunk]) -> Result<Published, BrokerError> {
        let mut by_job: BTreeMap<JobUid, Vec<&Chunk>> = BTreeMap::new();
        for chunk in chunks {
            by_job.entry(chunk.key.job).or_default().push(chunk);
        }
        let (mut tasks, mut entries, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
        let due = SystemClock.wall();
        for (job, chunks) in by_job {
            let journal = self.journals.of(&self.link, job);
            let mut journal = journal.lock().await;
            let exists = journal.catch_up(&self.link).await?;
            if !exists || journal.ledger.is_cancelled() {
                return Err(BrokerError::JobGone { job });
            }
            let (mut places, mut ranges, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
            let trace = chunks.first().map(|chunk| chunk.trace.clone()).unwrap_or_default();
            for chunk in chunks {
                let place = Place::of(&chunk.key);
                if journal.ledger.is_published(place) || !seen.insert(place) {
                    continue;
                }
                places.push(place);
                if place.1 != Generation(0) {
                    ranges.push((place, chunk.range));
                }
                let (suspect, again, copy) = (false, false, false);
                let task = Task { chunk: chunk.clone(), suspect, again, copy, due };
                tasks.push(Letter::to_queue(&self.link.names.tasks, "task", encode(&task)));
            }
            if !places.is_empty() {
                jobs.push(job);
                let entry = Entry::Published { places, ranges, trace };
                entries.push(self.entry(job, encode(&entry)));
            }
        }
        let session = self.link.session().await?;
        self.deliver(&session, &tasks).await?;
        let routed = session.tell(&entries).await?;
        if let Some((job, _)) = jobs.into_iter().zip(routed).find(|(_, routed)| !routed) {
            return Err(BrokerError::JobGone { job });
        }
        let added = tasks.len() as u64;
        Ok(Published { added, present: chunks.len() as u64 - added })
    }

    pub(super) async fn progress_of(
        &self,
        job: JobUid,
    ) -> Result<Option<JobProgress>, BrokerError> {
        let Some(record) = self.record_of(job).await? else { return Ok(None) };
        let journal = self.journals.of(&self.link, job);
        let mut journal = journal.lock().await;
        if !journal.catch_up(&self.link).await? {
            return Ok(None);
        }
        self.progress_in(&journal, &record).await.map(Some)
    }

    async fn progress_in(
        &self,
        journal: &Journal,
        record: &JobRecord,
    ) -> Result<JobProgress, BrokerError> {
        let gone = self.gone(journal.ledger.holders()).await?;
        Ok(journal.ledger.progress(&record.spec, &gone, SystemClock.wall()))
    }

    /// All jobs, by what has arrived of their journals.
    pub(super) async fn overview_of_jobs(
        &self,
    ) -> Result<Vec<(JobRecord, JobProgress)>, BrokerError> {
        let mut seen = Vec::new();
        for record in self.jobs_lately().await? {
            let journal = self.journals.of(&self.link, record.uid);
            let mut journal = journal.lock().await;
            if journal.catch_up_lately(&self.link).await? {
                let progress = self.progress_in(&journal, &record).await?;
                seen.push((record, progress));
            }
        }
        Ok(seen)
    }

    /// Which of these sessions have ended. A session has a queue that goes with it, and a letter to one
    /// that is gone comes back.
    pub(super) async fn gone(&self, sessions: HashSet<u64>) -> Result<HashSet<u64>, BrokerError> {
        let session = self.link.session().await?;
        let others: Vec<u64> = sessions.into_iter().filter(|id| *id != session.id).collect();
        let names = &self.link.names;
        let letters: Vec<Letter> = others
            .iter()
            .map(|id| Letter::to_queue(&names.session(*id), "alive", Vec::new()))
            .collect();
        let routed = session.tell(&letters).await?;
        Ok(others.into_iter().zip(routed).filter(|(_, routed)| !routed).map(|(id, _)| id).collect())
    }

    /// A delivery is this consumer's while its session lives and its job is open; whether it is, is
    /// asked where nothing proved it for a while.
    pub(super) async fn still_held(
        &self,
        receipts: &[Receipt],
    ) -> Result<Vec<Renewed>, BrokerError> {
        let session = self.link.session().await?;
        let held = |receipt: &Receipt| self.holdings.has(session.id, receipt);
        let jobs: HashSet<JobUid> =
            receipts.iter().filter(|receipt| held(receipt)).map(|r| r.key.job).collect();
        let asked = self.proofs.stale(jobs);
        let question = |job: &JobUid| {
            let mut letter = self.entry(*job, Vec::new());
            letter.kind = "alive";
            letter
        };
        let routed = session.tell(&asked.iter().map(question).collect::<Vec<_>>()).await?;
        let (open, gone): (Vec<_>, Vec<_>) =
            asked.into_iter().zip(routed).partition(|(_, routed)| *routed);
        self.proofs.note(open.into_iter().map(|(job, _)| job));
        let gone: HashSet<JobUid> = gone.into_iter().map(|(job, _)| job).collect();
        let renew = |receipt: &Receipt| {
            let is_held = held(receipt) && !gone.contains(&receipt.key.job);
            if is_held { Renewed::Held } else { Renewed::Lost }
        };
        Ok(receipts.iter().map(renew).collect())
    }

    /// Empties the queues that hold chunks of all jobs.
    pub(super) async fn empty_queues(&self) -> Result<(), BrokerError> {
        let session = self.link.session().await?;
        let names = &self.link.names;
        let retries = Level::all().map(|level| names.retry(level));
        for queue in [names.tasks.clone(), names.dead.clone()].into_iter().chain(retries) {
            let channel = session.question().await?;
            let purging = channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default());
            match session.answer(purging).await? {
                Err(error) if !is_not_there(&error) => return Err(session.fault(error)),
                _ => {}
            }
        }
        Ok(())
    }
}
