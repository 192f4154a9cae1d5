//! The lease of a connection has a gap: a worker that keeps its connection and does nothing. And a
//! stream is not written to the disk before it is confirmed, so that a loss of power may take outcomes
//! whose chunks are gone from the queue. A consumer with nothing to do looks for both, by what journals
//! say of chunks while it watches. It makes a second message of what is overdue; the first outcome wins.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use tokio::time::Instant;

use super::adapter::Consumer;
use super::ledger::Waits;
use super::letters::Letter;
use super::wire::{Entry, Place, Task};
use crate::broker::views::JobState;
use crate::chunk::Chunk;
use crate::clock::{Clock, SystemClock};
use crate::error::BrokerError;
use crate::ids::JobUid;
use crate::job::JobRecord;
use crate::wire::encode;

/// The newest jobs that run, and chunks of each, that are watched at a time.
const JOBS_MAX: usize = 4;
const CHUNKS_MAX: usize = 1_000;

/// How many leases pass before something is overdue, beside the time that two attempts may take: the
/// second waits for the first, where a worker has one chunk ahead.
const LEASES: u32 = 3;

/// What was seen, and since when it has not changed.
#[derive(Default)]
pub(super) struct Watched {
    since: HashMap<(JobUid, Waits), Instant>,
    last: Option<Instant>,
    /// Jobs of which nothing is open: their journals are not read again in this session, before which
    /// the server may have lost what they said.
    done: HashSet<JobUid>,
    session: u64,
}

impl Consumer {
    /// Looks at all jobs, once a lease, or begins to.
    pub(super) async fn rescue_for(&self, most: Duration) {
        match tokio::time::timeout(most, self.rescue()).await {
            Ok(Err(error)) => tracing::debug!(%error, "could not look for what is overdue"),
            Ok(Ok(())) => {}
            Err(_) => tracing::debug!("looking for what is overdue goes on later"),
        }
    }

    async fn rescue(&self) -> Result<(), BrokerError> {
        let mut watched = self.watched.lock().await;
        if watched.last.is_some_and(|last| last.elapsed() < self.lease) {
            return Ok(());
        }
        watched.last = Some(Instant::now());
        let session = self.link.session().await?.id;
        if watched.session != session {
            watched.session = session;
            watched.done.clear();
        }
        let queued = self.queued().await?;
        let mut seen = HashMap::new();
        let jobs = self.jobs_seen().await?.into_iter().rev();
        let jobs: Vec<_> = jobs.filter(|job| !watched.done.contains(&job.uid)).collect();
        for job in jobs.into_iter().take(JOBS_MAX) {
            match self.overdue(&job, queued, &watched, &mut seen).await? {
                Some(overdue) => self.copy_all(&job, overdue).await?,
                None => drop(watched.done.insert(job.uid)),
            }
        }
        // What changed, or is settled, is forgotten.
        watched.since = seen;
        Ok(())
    }

    /// `None`: nothing of it is open.
    async fn overdue(
        &self,
        job: &JobRecord,
        queued: u64,
        watched: &Watched,
        seen: &mut HashMap<(JobUid, Waits), Instant>,
    ) -> Result<Option<Vec<(Waits, Chunk)>>, BrokerError> {
        let journal: Arc<_> = self.journals.of(&self.link, job.uid);
        let mut journal = journal.lock().await;
        if !journal.look(&self.link).await? || journal.ledger.is_cancelled() {
            return Ok(None);
        }
        let ledger = &journal.ledger;
        let gone = self.gone(ledger.holders()).await?;
        let now = SystemClock.wall();
        if ledger.progress(&job.spec, &gone, now).state != JobState::Running {
            return Ok(None);
        }
        let patience = self.lease * LEASES;
        let held = ledger.held(&gone, CHUNKS_MAX).into_iter();
        let mut watch: Vec<(Waits, Duration)> =
            held.map(|waits| (waits, job.spec.policy.timeout * 2 + patience)).collect();
        // What is in the queue will come.
        if queued == 0 {
            let waiting = ledger.waiting(&gone, now, CHUNKS_MAX).into_iter();
            watch.extend(waiting.map(|waits| (waits, patience)));
        }
        let (mut overdue, spec) = (Vec::new(), Arc::new(job.spec.clone()));
        for (waits, patience) in watch {
            let key = (job.uid, waits);
            let since = watched.since.get(&key).copied().unwrap_or_else(Instant::now);
            seen.insert(key, since);
            if since.elapsed() > patience {
                let chunk = ledger.chunk(job.uid, &spec, waits.place);
                overdue.extend(chunk.map(|chunk| (waits, chunk)));
            }
        }
        Ok(Some(overdue))
    }

    /// Chunks that are due, whosever they are. Those in the queues of retries do not count: which of them
    /// is not due is in the journal, and a server that started again with its clock stepped back keeps
    /// there for as long what is long due.
    async fn queued(&self) -> Result<u64, BrokerError> {
        let session = self.link.session().await?;
        let channel = session.question().await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let tasks = self.link.names.tasks.as_str().into();
        let asking = channel.queue_declare(tasks, options, FieldTable::default());
        let queue = session.answer(asking).await?.map_err(|error| session.fault(error))?;
        Ok(u64::from(queue.message_count()))
    }

    async fn copy_all(
        &self,
        job: &JobRecord,
        chunks: Vec<(Waits, Chunk)>,
    ) -> Result<(), BrokerError> {
        let due = SystemClock.wall();
        if chunks.is_empty() {
            return Ok(());
        }
        let copy = |(waits, chunk): &(Waits, Chunk)| {
            let (chunk, copy) = (chunk.clone(), true);
            let again = chunk.counters.failures > 0;
            let mut task = Task { chunk, suspect: false, again, copy, due };
            task.charge(waits.takes);
            Letter::to_queue(&self.link.names.tasks, "task", encode(&task))
        };
        let copies: Vec<Letter> = chunks.iter().map(copy).collect();
        let places: HashSet<Place> = chunks.iter().map(|(waits, _)| waits.place).collect();
        tracing::warn!(
            job = %job.name,
            chunks = places.len(),
            "chunks are overdue, and are given to somebody else"
        );
        let session = self.link.session().await?;
        self.deliver(&session, &copies).await?;
        let entry = Entry::Copied(places.into_iter().collect());
        session.tell(&[self.entry(job.uid, encode(&entry))]).await.map(drop)
    }
}
