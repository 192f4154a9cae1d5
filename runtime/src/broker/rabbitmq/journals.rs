//! The journals of jobs that this consumer had reason to read, each kept with what it says so far.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::ledger::Ledger;
use super::link::Link;
use super::tail::{Mark, Next, Start, Tail};
use super::wire::Entry;
use crate::broker::port::Committed;
use crate::error::BrokerError;
use crate::ids::JobUid;
use crate::wire::decode;

/// Journals that are kept open at a time.
const KEPT_MAX: usize = 32;

pub(super) struct Journal {
    pub(super) ledger: Ledger,
    tail: Tail,
    /// Commits that somebody waits to hear of.
    watched: HashMap<u64, Vec<Committed>>,
}

impl Journal {
    fn new(link: &Link, job: JobUid) -> Self {
        Self {
            ledger: Ledger::default(),
            tail: Tail::new(link.names.journal(job), Start::At(0)),
            watched: HashMap::new(),
        }
    }

    /// Reads all that is written now. False: there is no such journal, so the job was purged or
    /// never was. May be dropped, and goes on where it was.
    pub(super) async fn catch_up(&mut self, link: &Link) -> Result<bool, BrokerError> {
        let Some(mark) = self.tail.mark(link).await? else { return Ok(false) };
        self.read_to(&mark).await
    }

    /// Likewise, for who looks again.
    pub(super) async fn catch_up_lately(&mut self, link: &Link) -> Result<bool, BrokerError> {
        let Some(mark) = self.tail.lately(link).await? else { return Ok(false) };
        self.read_to(&mark).await
    }

    /// Likewise, as far as it comes soon.
    pub(super) async fn look(&mut self, link: &Link) -> Result<bool, BrokerError> {
        let mark = self.tail.soon(link).await?;
        self.read_to(&mark).await
    }

    async fn read_to(&mut self, mark: &Mark) -> Result<bool, BrokerError> {
        loop {
            match self.tail.next(mark).await? {
                Next::Entry(bytes) => self.read(&bytes),
                Next::Again => {
                    self.ledger = Ledger::default();
                    self.watched.values_mut().for_each(Vec::clear);
                }
                Next::End => return Ok(true),
                Next::Gone => return Ok(false),
            }
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        match decode::<Entry>(bytes) {
            Ok(entry) => {
                let committed = self.ledger.apply(&entry);
                if let Entry::Outcomes { batch, .. } = entry
                    && let Some(watched) = self.watched.get_mut(&batch)
                {
                    watched.extend(committed);
                }
            }
            // Of a build that says more. What it says of a chunk's way is not needed to count it.
            Err(error) => tracing::warn!(%error, "an entry of a journal is passed over"),
        }
    }

    pub(super) fn watch(&mut self, batch: u64) {
        self.watched.insert(batch, Vec::new());
    }

    /// What became of the outcomes of a commit, as far as it was read.
    pub(super) fn unwatch(&mut self, batch: u64) -> Vec<Committed> {
        self.watched.remove(&batch).unwrap_or_default()
    }
}

type Shared = Arc<tokio::sync::Mutex<Journal>>;

#[derive(Default)]
pub(super) struct Journals(Mutex<Kept>);

/// Each with when it was last asked for, as a number that grows.
#[derive(Default)]
struct Kept {
    journals: HashMap<JobUid, (u64, Shared)>,
    asked: u64,
}

impl Journals {
    pub(super) fn of(&self, link: &Link, job: JobUid) -> Shared {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { journals, asked } = &mut *kept;
        if !journals.contains_key(&job) && journals.len() >= KEPT_MAX {
            let idle = journals.iter().filter(|(_, (_, journal))| Arc::strong_count(journal) == 1);
            let oldest = idle.min_by_key(|(_, (asked, _))| *asked).map(|(job, _)| *job);
            oldest.map(|job| journals.remove(&job));
        }
        *asked += 1;
        let new = || (0, Arc::new(tokio::sync::Mutex::new(Journal::new(link, job))));
        let (last, journal) = journals.entry(job).or_insert_with(new);
        *last = *asked;
        Arc::clone(journal)
    }

    pub(super) fn forget(&self, job: JobUid) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.journals.remove(&job);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::target::Target;
    use super::super::topology::Names;
    use super::*;

    #[test]
    fn the_journal_that_nobody_asked_for_the_longest_makes_room() {
        let target = Target::parse("amqp://h", None, None, Duration::from_secs(10));
        let target = target.unwrap_or_else(|error| panic!("{error}"));
        let link = Link::new(target, Names::new("ttg"), "a".to_owned(), Duration::from_secs(5));
        let jobs: Vec<_> =
            (0..=KEPT_MAX).map(|at| JobUid::from([u8::try_from(at).expect("few"); 16])).collect();
        let journals = Journals::default();
        for job in &jobs[..KEPT_MAX] {
            journals.of(&link, *job);
        }
        journals.of(&link, jobs[0]);
        journals.of(&link, jobs[KEPT_MAX]);
        let kept = |job| {
            journals.0.lock().unwrap_or_else(PoisonError::into_inner).journals.contains_key(job)
        };
        let gone: Vec<_> = jobs.iter().filter(|job| !kept(job)).collect();
        assert_eq!(gone, [&jobs[1]]);
    }
}
