//! Values of single parameters: a stream for each job that keeps them. It is only ever read on, and
//! readers ask in about the order in which it was written, so that one pass answers nearly all; where
//! each record is, is remembered for the rest.

use std::collections::{HashMap, VecDeque};

use super::adapter::Consumer;
use super::letters::Letter;
use super::link::Link;
use super::tail::{ENTRY, Mark, Next, Tail};
use crate::broker::port::VALUES_PAGE_BYTES_MAX;
use crate::error::BrokerError;
use crate::ids::JobUid;
use crate::values::{ValuesAt, ValuesRecord};
use crate::wire::{decode, encode};

/// Readers that are kept where they are for their next page.
const KEPT_MAX: usize = 4;

/// The most bytes of records that a reader keeps beyond what it was asked for: workers that write side
/// by side mix their records.
const RECENT_BYTES_MAX: usize = 2 * VALUES_PAGE_BYTES_MAX;

/// The readers.
#[derive(Default)]
pub(super) struct ValuesReaders(HashMap<JobUid, ValuesReader>);

/// A reader of one job's stream.
struct ValuesReader {
    tail: Tail,
    mark: Option<Mark>,
    /// The mark is of an earlier call: more may have been written since.
    is_old: bool,
    /// Where each record is that was seen.
    offsets: HashMap<ValuesAt, u64>,
    /// Those seen last, and where they are, the oldest first.
    recent: HashMap<ValuesAt, ValuesRecord>,
    order: VecDeque<ValuesAt>,
    recent_bytes: usize,
    /// All before this offset was seen.
    frontier: u64,
}

impl ValuesReader {
    fn new(link: &Link, job: JobUid) -> Self {
        Self {
            tail: Tail::of_large(link.names.values(job)),
            mark: None,
            is_old: false,
            offsets: HashMap::new(),
            recent: HashMap::new(),
            order: VecDeque::new(),
            recent_bytes: 0,
            frontier: 0,
        }
    }

    /// The record at `at`, if there is one.
    async fn find(
        &mut self,
        link: &Link,
        at: ValuesAt,
    ) -> Result<Option<ValuesRecord>, BrokerError> {
        loop {
            if let Some(record) = self.recent.get(&at) {
                return Ok(Some(record.clone()));
            }
            if let Some(offset) = self.offsets.remove(&at) {
                // Reading it puts it back.
                self.tail.seek(offset);
                self.read_known(link).await?;
            } else {
                self.tail.seek(self.frontier);
                if !self.read_on(link).await? {
                    return Ok(None);
                }
            }
        }
    }

    /// Reads the next record, which was seen before.
    async fn read_known(&mut self, link: &Link) -> Result<(), BrokerError> {
        self.tail.reopen(link.session().await?).await?;
        match self.tail.next(&Mark::Beyond).await? {
            Next::Entry(bytes) => {
                self.keep(&bytes);
            }
            Next::Again => self.forget(),
            Next::End | Next::Gone => {}
        }
        Ok(())
    }

    /// Reads one record on. False: there is none.
    async fn read_on(&mut self, link: &Link) -> Result<bool, BrokerError> {
        loop {
            let mark = match self.mark.take() {
                Some(mark) => mark,
                None => match self.tail.mark(link).await? {
                    Some(mark) => mark,
                    None => return Ok(false),
                },
            };
            self.tail.reopen(link.session().await?).await?;
            match self.tail.next(&mark).await? {
                Next::Entry(bytes) => {
                    self.mark = Some(mark);
                    if self.keep(&bytes) {
                        return Ok(true);
                    }
                }
                Next::Again => self.forget(),
                Next::End => {
                    self.frontier = self.frontier.max(self.tail.position());
                    if !std::mem::take(&mut self.is_old) {
                        return Ok(false);
                    }
                }
                Next::Gone => return Ok(false),
            }
        }
    }

    /// The stream is another one by now.
    fn forget(&mut self) {
        self.offsets.clear();
        self.recent.clear();
        self.order.clear();
        (self.recent_bytes, self.frontier, self.mark) = (0, 0, None);
    }

    /// Remembers a record. False: it is none.
    fn keep(&mut self, bytes: &[u8]) -> bool {
        let next = self.tail.position();
        self.frontier = self.frontier.max(next);
        let record = match decode::<ValuesRecord>(bytes) {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(%error, "a record of values is passed over");
                return false;
            }
        };
        self.offsets.entry(record.at).or_insert(next.saturating_sub(1));
        let at = record.at;
        self.recent_bytes += record.payload_bytes();
        if let Some(same) = self.recent.insert(at, record) {
            self.recent_bytes -= same.payload_bytes();
        } else {
            self.order.push_back(at);
        }
        while self.recent_bytes > RECENT_BYTES_MAX
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front()
        {
            let oldest = self.recent.remove(&oldest);
            self.recent_bytes -= oldest.map_or(0, |oldest| oldest.payload_bytes());
        }
        true
    }
}

impl ValuesReaders {
    pub(super) fn forget(&mut self, job: JobUid) {
        self.0.remove(&job);
    }
}

impl Consumer {
    /// Values of a job that is purged go nowhere.
    pub(super) async fn store_records(&self, records: &[ValuesRecord]) -> Result<(), BrokerError> {
        let letter = |record: &ValuesRecord| {
            let stream = self.link.names.values(record.at.key.job);
            Letter::to_queue(&stream, ENTRY, encode(record))
        };
        let letters: Vec<_> = records.iter().map(letter).collect();
        self.link.session().await?.tell(&letters).await.map(drop)
    }

    pub(super) async fn read_records(
        &self,
        places: &[ValuesAt],
    ) -> Result<Vec<Option<ValuesRecord>>, BrokerError> {
        let mut readers = self.values.lock().await;
        for reader in readers.0.values_mut() {
            reader.is_old = reader.mark.is_some();
        }
        let (mut found, mut bytes) = (Vec::new(), 0);
        for place in places {
            let job = place.key.job;
            if readers.0.len() >= KEPT_MAX && !readers.0.contains_key(&job) {
                readers.0.clear();
            }
            // Taken out: what a call leaves half-way, by an error or because nobody waits any more, is
            // begun anew.
            let kept = readers.0.remove(&job);
            let mut reader = kept.unwrap_or_else(|| ValuesReader::new(&self.link, job));
            let record = reader.find(&self.link, *place).await?;
            readers.0.insert(job, reader);
            bytes += record.as_ref().map_or(0, ValuesRecord::payload_bytes);
            if bytes > VALUES_PAGE_BYTES_MAX && !found.is_empty() {
                break;
            }
            found.push(record);
        }
        Ok(found)
    }
}
