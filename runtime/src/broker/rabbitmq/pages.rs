//! Reading outcomes, page by page, as often as wanted: each reader goes through the journal by itself.

use std::collections::{HashMap, VecDeque};

use super::adapter::Consumer;
use super::ledger::Ledger;
use super::link::Link;
use super::tail::{Mark, Next, Start, Tail};
use super::wire::Entry;
use crate::broker::port::{Committed, OUTCOME_PAGE_BYTES_MAX};
use crate::broker::views::{OutcomeCursor, OutcomePage};
use crate::error::BrokerError;
use crate::ids::JobUid;
use crate::outcome::Outcome;
use crate::wire::{decode, encode};

/// Readers that are kept where they are for their next page.
const KEPT_MAX: usize = 4;

#[derive(Default)]
pub(super) struct Pages(HashMap<JobUid, Reading>);

/// A reader. A cursor is the number of outcomes before it.
struct Reading {
    tail: Tail,
    mark: Option<Mark>,
    /// The mark is of an earlier page: more may have been written since.
    is_old: bool,
    /// Its last page was the last one there was.
    has_ended: bool,
    /// Knows which outcome was the first of its key.
    ledger: Ledger,
    /// Outcomes that were read and are not on a page yet.
    ahead: VecDeque<Outcome>,
    next: u64,
    /// Outcomes to pass over, since they were read before.
    skip: u64,
}

impl Reading {
    fn new(link: &Link, job: JobUid) -> Self {
        Self {
            tail: Tail::new(link.names.journal(job), Start::At(0)),
            mark: None,
            is_old: false,
            has_ended: false,
            ledger: Ledger::default(),
            ahead: VecDeque::new(),
            next: 0,
            skip: 0,
        }
    }

    /// Whether there is another outcome, which then is the first of those ahead.
    async fn has_next(&mut self, link: &Link, job: JobUid) -> Result<bool, BrokerError> {
        while self.ahead.is_empty() {
            let mark = match self.mark.take() {
                Some(mark) => mark,
                None => match self.tail.mark(link).await? {
                    Some(mark) => mark,
                    None => return Ok(false),
                },
            };
            match self.tail.next(&mark).await? {
                Next::Entry(bytes) => {
                    self.mark = Some(mark);
                    self.read(&bytes, job)?;
                }
                Next::Again => {
                    self.mark = Some(mark);
                    (self.ledger, self.skip) = (Ledger::default(), self.next);
                }
                Next::End if self.is_old => self.is_old = false,
                Next::End | Next::Gone => return Ok(false),
            }
        }
        Ok(true)
    }

    fn read(&mut self, bytes: &[u8], job: JobUid) -> Result<(), BrokerError> {
        let entry = match decode::<Entry>(bytes) {
            Ok(entry) => entry,
            Err(cause) => return Err(BrokerError::Record { job, cause }),
        };
        let committed = self.ledger.apply(&entry);
        if let Entry::Outcomes { outcomes, .. } = entry {
            let firsts = outcomes.into_iter().zip(committed);
            let firsts = firsts.filter(|(_, what)| *what == Committed::First);
            for (outcome, _) in firsts {
                if self.skip > 0 {
                    self.skip -= 1;
                } else {
                    self.ahead.push_back(outcome);
                }
            }
        }
        Ok(())
    }
}

impl Consumer {
    pub(super) async fn page(
        &self,
        job: JobUid,
        OutcomeCursor(from): OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, BrokerError> {
        let mut pages = self.pages.lock().await;
        let kept = pages.0.remove(&job).filter(|kept| kept.next == from);
        let mut reading = kept.unwrap_or_else(|| Reading::new(&self.link, job));
        if !reading.tail.is_open() {
            (reading.mark, reading.is_old) = (None, false);
        }
        if reading.has_ended {
            reading.mark = reading.tail.mark(&self.link).await?;
            reading.has_ended = false;
            if reading.mark.is_none() {
                return Ok(OutcomePage { outcomes: Vec::new(), next: None });
            }
        }
        while reading.next < from && reading.has_next(&self.link, job).await? {
            reading.ahead.pop_front();
            reading.next += 1;
        }
        let (mut outcomes, mut bytes) = (Vec::new(), 0);
        let mut more = false;
        while reading.has_next(&self.link, job).await? {
            let size = reading.ahead.front().map_or(0, |outcome| encode(outcome).len());
            let full = bytes + size > OUTCOME_PAGE_BYTES_MAX && !outcomes.is_empty();
            if outcomes.len() >= limit || full {
                more = true;
                break;
            }
            bytes += size;
            reading.next += 1;
            outcomes.extend(reading.ahead.pop_front());
        }
        let next = more.then_some(OutcomeCursor(reading.next));
        reading.is_old = more;
        if !more {
            // The last page is asked for again, since it may have grown.
            reading.next -= outcomes.len() as u64;
            reading.ahead.extend(outcomes.iter().cloned());
            reading.has_ended = true;
        }
        if pages.0.len() >= KEPT_MAX {
            pages.0.clear();
        }
        pages.0.insert(job, reading);
        Ok(OutcomePage { outcomes, next })
    }
}
