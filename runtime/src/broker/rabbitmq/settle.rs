//! Committing, failing and returning deliveries: what is to be durable is written and confirmed, then
//! the delivery is acknowledged. A crash in between leaves a chunk that is settled or copied, and is
//! delivered once more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lapin::options::BasicAckOptions;

use super::adapter::Consumer;
use super::holdings::Holding;
use super::letters::Letter;
use super::session::Session;
use super::topology::{Declaring, Level, expiration};
use super::wire::{Back, Entry, Place, Task, Told};
use crate::broker::port::{Committed, GiveBack, Settled};
use crate::chunk::{Chunk, IdempotencyKey};
use crate::clock::{Clock, SystemClock, WallTime};
use crate::delivery::{Failure, Receipt};
use crate::error::BrokerError;
use crate::ids::JobUid;
use crate::outcome::Outcome;
use crate::randomness::{Randomness, SystemRandomness};
use crate::wire::encode;

/// The most outcomes of one entry, and how many bytes they may have together.
const OUTCOMES_MAX: usize = 256;
const OUTCOMES_BYTES: usize = 512 * 1024;

/// One delivery to return.
pub(super) struct Return {
    pub(super) receipt: Receipt,
    pub(super) delay: Duration,
    /// `None`: it is innocent.
    pub(super) failure: Option<Failure>,
}

impl Session {
    /// Acknowledges deliveries: the server forgets them.
    pub(super) async fn acknowledge(&self, tags: &[u64]) -> Result<(), BrokerError> {
        if tags.is_empty() {
            return Ok(());
        }
        self.step().await?;
        let acknowledge = |tag: &u64| self.tasks.basic_ack(*tag, BasicAckOptions::default());
        self.all_sent(tags.iter().map(acknowledge)).await
    }

    /// Sends many words at once, and waits until they are sent.
    pub(super) async fn all_sent(
        &self,
        words: impl Iterator<Item = impl Future<Output = lapin::Result<()>>>,
    ) -> Result<(), BrokerError> {
        let mut on_their_way = Vec::new();
        for word in words {
            let mut sending = Box::pin(word);
            match poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await {
                Poll::Ready(sent) => sent.map_err(|error| self.fault(error))?,
                Poll::Pending => on_their_way.push(sending),
            }
        }
        for sending in on_their_way {
            self.answer(sending).await?.map_err(|error| self.fault(error))?;
        }
        Ok(())
    }
}

/// A part of a commit that is one entry of a journal.
struct Part<'a> {
    job: JobUid,
    /// Its first outcome's place in the commit.
    from: usize,
    outcomes: Vec<&'a Outcome>,
    bytes: usize,
}

fn parts_of(outcomes: &[(Receipt, Outcome)]) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (from, (_, outcome)) in outcomes.iter().enumerate() {
        let bytes = encode(outcome).len();
        let job = outcome.key.job;
        match parts.last_mut() {
            Some(part)
                if part.job == job
                    && part.outcomes.len() < OUTCOMES_MAX
                    && part.bytes + bytes <= OUTCOMES_BYTES =>
            {
                part.outcomes.push(outcome);
                part.bytes += bytes;
            }
            _ => parts.push(Part { job, from, outcomes: vec![outcome], bytes }),
        }
    }
    parts
}

impl Consumer {
    pub(super) async fn commit_all(
        &self,
        outcomes: &[(Receipt, Outcome)],
    ) -> Result<Vec<Committed>, BrokerError> {
        let session = self.link.session().await?;
        let doubtful = self.doubtful(&session, outcomes);
        let parts = parts_of(outcomes);
        let first_batch = SystemRandomness.next_u64();
        let batch_of = |nth: usize| first_batch.wrapping_add(nth as u64);
        // Before they are written, so that nobody reads past them.
        let mut watched = Vec::new();
        for (nth, part) in parts.iter().enumerate() {
            if (part.from..part.from + part.outcomes.len()).any(|at| doubtful.contains(&at)) {
                let journal = self.journals.of(&self.link, part.job);
                journal.lock().await.watch(batch_of(nth));
                watched.push((nth, journal));
            }
        }
        let at = SystemClock.wall();
        let mut letters: Vec<Letter> = parts
            .iter()
            .enumerate()
            .map(|(nth, part)| {
                let outcomes = part.outcomes.clone();
                let told = Told::Outcomes { at, batch: batch_of(nth), outcomes };
                self.entry(part.job, encode(&told))
            })
            .collect();
        letters.extend(outcomes.iter().filter_map(|(_, outcome)| self.dead_letter(outcome)));
        let routed = session.tell(&letters).await;
        let mut committed = vec![Committed::First; outcomes.len()];
        if let Ok(routed) = &routed {
            for (part, _) in parts.iter().zip(routed).filter(|(_, routed)| !**routed) {
                committed[part.from..part.from + part.outcomes.len()].fill(Committed::Dropped);
            }
            self.acknowledge_settled(&session, outcomes).await;
        }
        for (nth, journal) in watched {
            let mut journal = journal.lock().await;
            if routed.as_ref().is_ok_and(|routed| routed[nth]) {
                let read = journal.catch_up(&self.link);
                drop(tokio::time::timeout(self.patience, read).await);
            }
            let part = &parts[nth];
            for (at, what) in journal.unwatch(batch_of(nth)).into_iter().enumerate() {
                committed[part.from + at] = what;
            }
        }
        routed.map(|_| committed)
    }

    /// Which outcomes may not be the first of their key: all but those of deliveries that are held,
    /// and of chunks that nobody was handed before.
    fn doubtful(&self, session: &Session, outcomes: &[(Receipt, Outcome)]) -> HashSet<usize> {
        let mut seen = HashSet::new();
        let mut doubtful = HashSet::new();
        for (at, (receipt, outcome)) in outcomes.iter().enumerate() {
            let sure = receipt.key == outcome.key
                && self.holdings.is_pristine(session.id, receipt)
                && seen.insert(outcome.key);
            if !sure {
                doubtful.insert(at);
            }
        }
        doubtful
    }

    async fn acknowledge_settled(&self, session: &Session, outcomes: &[(Receipt, Outcome)]) {
        let held = |(receipt, _): &(Receipt, Outcome)| self.holdings.take(session.id, receipt);
        let tags: Vec<u64> = outcomes.iter().filter_map(held).map(|(tag, _)| tag).collect();
        if let Err(error) = session.acknowledge(&tags).await {
            // The outcomes are there; the chunks come back and are dropped.
            tracing::debug!(%error, "settled chunks could not be acknowledged");
        }
    }

    /// A copy for people who look at the broker with its own tools.
    fn dead_letter(&self, outcome: &Outcome) -> Option<Letter> {
        if outcome.dead.is_empty() {
            return None;
        }
        let mut letter = Letter::to_queue(&self.link.names.dead, "dead", encode(outcome));
        let first = outcome.dead.runs().next().map(|(run, reason)| format!("{run}: {reason:?}"));
        letter.reason = first;
        Some(letter)
    }

    /// Nacks and give-backs: an entry of the journal, a copy in the queue that fits its delay, then the
    /// acknowledgement.
    pub(super) async fn return_all(
        &self,
        returns: Vec<Return>,
    ) -> Result<Vec<Settled>, BrokerError> {
        let session = self.link.session().await?;
        let mut settled = vec![Settled::Stale; returns.len()];
        let mut taken = Vec::new();
        for (at, back) in returns.into_iter().enumerate() {
            if let Some((tag, holding)) = self.holdings.take(session.id, &back.receipt) {
                taken.push(Taken { at, tag, holding, back });
            }
        }
        match self.write_returns(&session, &taken).await {
            Ok(gone) => {
                let tags: Vec<u64> = taken.iter().map(|taken| taken.tag).collect();
                if let Err(error) = session.acknowledge(&tags).await {
                    tracing::debug!(%error, "returned chunks could not be acknowledged");
                }
                for taken in taken.iter().filter(|taken| !gone.contains(&taken.tag)) {
                    settled[taken.at] = Settled::Applied;
                }
                Ok(settled)
            }
            Err(error) => {
                for Taken { tag, holding, .. } in taken {
                    self.holdings.put_back(session.id, tag, holding);
                }
                Err(error)
            }
        }
    }

    /// The tags of those that are settled, or whose job is gone: they are not copied.
    async fn write_returns(
        &self,
        session: &Arc<Session>,
        taken: &[Taken],
    ) -> Result<HashSet<u64>, BrokerError> {
        let now = SystemClock.wall();
        let mut gone = self.settled_by_others(taken).await;
        let mut by_job: BTreeMap<JobUid, Vec<&Taken>> = BTreeMap::new();
        for taken in taken.iter().filter(|taken| !gone.contains(&taken.tag)) {
            by_job.entry(taken.key().job).or_default().push(taken);
        }
        let entry = |(job, taken): (&JobUid, &Vec<&Taken>)| {
            let backs = taken.iter().map(|taken| taken.told(now));
            self.entry(*job, encode(&Entry::Returned(session.id, backs.collect())))
        };
        let entries: Vec<Letter> = by_job.iter().map(entry).collect();
        for (taken, routed) in by_job.values().zip(session.tell(&entries).await?) {
            if !routed {
                gone.extend(taken.iter().map(|taken| taken.tag));
            }
        }
        let mut copies = Vec::new();
        for taken in taken.iter().filter(|taken| !gone.contains(&taken.tag)) {
            let task = taken.copy(now);
            copies.push(self.copy(session, &task, taken.back.delay).await?);
        }
        self.deliver(session, &copies).await?;
        Ok(gone)
    }

    /// The tags of those that have an outcome, as far as their journals can be read.
    async fn settled_by_others(&self, taken: &[Taken]) -> HashSet<u64> {
        let mut by_job: HashMap<JobUid, Vec<&Taken>> = HashMap::new();
        for taken in taken.iter().filter(|taken| !taken.holding.pristine) {
            by_job.entry(taken.key().job).or_default().push(taken);
        }
        let mut settled = HashSet::new();
        for (job, taken) in by_job {
            let journal = self.journals.of(&self.link, job);
            let mut journal = journal.lock().await;
            drop(tokio::time::timeout(self.patience, journal.catch_up(&self.link)).await);
            let ours = taken.iter().filter(|t| journal.ledger.is_settled(Place::of(&t.key())));
            settled.extend(ours.map(|taken| taken.tag));
        }
        settled
    }

    async fn copy(
        &self,
        session: &Session,
        task: &Task,
        delay: Duration,
    ) -> Result<Letter, BrokerError> {
        if delay.is_zero() {
            return Ok(Letter::to_queue(&self.link.names.tasks, "task", encode(task)));
        }
        let level = Level::of(delay);
        if level != Level::SHORT {
            let declare = async |declaring: Declaring<'_>| declaring.retry(level).await;
            session.declare(&self.link.names, declare).await?;
        }
        let queue = self.link.names.retry(level);
        let mut letter = Letter::to_queue(&queue, "task", encode(task));
        letter.expiration = Some(expiration(delay));
        Ok(letter)
    }

    pub(super) async fn give_back_all_but(&self, held: &[Receipt]) -> Result<u64, BrokerError> {
        let session = self.link.session().await?;
        let strays = self.holdings.all_but(session.id, held).into_iter();
        let back = |receipt| Return { receipt, delay: Duration::ZERO, failure: None };
        let returned = self.return_all(strays.map(back).collect()).await?;
        Ok(returned.iter().filter(|settled| **settled == Settled::Applied).count() as u64)
    }
}

/// A delivery on its way back.
struct Taken {
    /// Its place in the call.
    at: usize,
    tag: u64,
    holding: Holding,
    back: Return,
}

impl Taken {
    fn key(&self) -> IdempotencyKey {
        self.holding.task.chunk.key
    }

    /// What the journal says of it.
    fn told(&self, now: WallTime) -> Back {
        let Task { chunk, due, .. } = self.copy(now);
        let Chunk { key, counters, last_failure, .. } = chunk;
        Back { place: Place::of(&key), due, counters, last_failure }
    }

    /// What is delivered next.
    fn copy(&self, now: WallTime) -> Task {
        let mut task = Task { copy: true, ..self.holding.task.clone() };
        task.due = due(now, self.back.delay);
        let counters = &mut task.chunk.counters;
        if let Some(failure) = &self.back.failure {
            counters.failures = counters.failures.saturating_add(1);
            task.chunk.last_failure = Some(failure.clone());
            (task.suspect, task.again) = (false, true);
        } else {
            counters.give_backs = counters.give_backs.saturating_add(1);
            task.again = false;
        }
        task
    }
}

fn due(now: WallTime, delay: Duration) -> WallTime {
    WallTime(now.0.saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))
}

impl From<&GiveBack> for Return {
    fn from(back: &GiveBack) -> Self {
        Self { receipt: back.receipt, delay: back.retry_in, failure: None }
    }
}
