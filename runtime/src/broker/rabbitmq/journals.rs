//! The journals of jobs that this consumer had reason to read, each kept with what it says so far.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::ledger::Ledger;
use super::link::Link;
use super::tail::{Next, Start, Tail};
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
        loop {
            match self.tail.next(&mark).await? {
                Next::Entry(bytes) => self.read(&bytes),
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

#[derive(Default)]
pub(super) struct Journals(Mutex<HashMap<JobUid, Arc<tokio::sync::Mutex<Journal>>>>);

impl Journals {
    pub(super) fn of(&self, link: &Link, job: JobUid) -> Arc<tokio::sync::Mutex<Journal>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.contains_key(&job) && kept.len() >= KEPT_MAX {
            let idle = kept.iter().find(|(_, journal)| Arc::strong_count(journal) == 1);
            if let Some(idle) = idle.map(|(job, _)| *job) {
                kept.remove(&idle);
            }
        }
        let new = || Arc::new(tokio::sync::Mutex::new(Journal::new(link, job)));
        Arc::clone(kept.entry(job).or_insert_with(new))
    }

    pub(super) fn forget(&self, job: JobUid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&job);
    }
}
