//! From messages to deliveries.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::adapter::Consumer;
use super::holdings::Holding;
use super::letters::Letter;
use super::session::Session;
use super::source::{Arrived, Source};
use super::tail::{ENTRY, number_of};
use super::wire::{Entry, Place, Task};
use crate::clock::{Clock, SystemClock};
use crate::delivery::{Credit, Delivery, shorten};
use crate::error::BrokerError;
use crate::ids::JobUid;
use crate::wire::{RECORD_BYTES_MAX, decode, encode};

/// How long a receive may look for what is overdue; the next one goes on.
const RESCUE_MAX: Duration = Duration::from_secs(1);

/// What is done with a message.
enum Fate {
    /// And how often the server says that it came back without a word.
    Deliver(Holding, u32),
    /// It is settled, or its job is gone.
    Drop,
    /// It is no chunk.
    SetAside(String),
}

/// Messages that wait again if nothing comes of it.
struct Lent<'a> {
    source: MutexGuard<'a, Source>,
    messages: Vec<Arrived>,
}

impl Lent<'_> {
    /// Those that these are in the source's hand no more.
    fn keep(mut self) -> Vec<Arrived> {
        std::mem::take(&mut self.messages)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // However long it took to come to nothing: who asked will ask again.
        self.source.touch();
        for message in self.messages.drain(..).rev() {
            self.source.waiting.push_front(message);
        }
    }
}

impl Consumer {
    pub(super) async fn receive_by(
        &self,
        credit: Credit,
        deadline: Instant,
    ) -> Result<Vec<Delivery>, BrokerError> {
        let credit = usize::try_from(credit.get()).unwrap_or(usize::MAX);
        loop {
            let session = self.link.session().await?;
            let mut source = self.source.lock().await;
            let queue = &self.link.names.tasks;
            source.fill(&session, queue, &self.holdings, credit, deadline).await?;
            let many = credit.min(source.waiting.len());
            let messages: Vec<_> = source.waiting.drain(..many).collect();
            let is_empty = messages.is_empty();
            let in_vain = source.in_vain();
            let delivered = self.hand_out(&session, Lent { source, messages }).await?;
            if in_vain > self.lease {
                self.rescue_for(RESCUE_MAX).await;
            }
            if !delivered.is_empty() || (is_empty && Instant::now() >= deadline) {
                return Ok(delivered);
            }
        }
    }

    async fn hand_out(
        &self,
        session: &Arc<Session>,
        lent: Lent<'_>,
    ) -> Result<Vec<Delivery>, BrokerError> {
        let mut fates: Vec<Fate> = lent.messages.iter().map(fate_of).collect();
        self.look_up(&mut fates).await?;
        let no_chunk = |(message, fate): (&Arrived, &Fate)| match fate {
            Fate::SetAside(reason) => Some(self.set_aside(message, reason.clone())),
            _ => None,
        };
        let set_aside: Vec<_> = lent.messages.iter().zip(&fates).filter_map(no_chunk).collect();
        if !set_aside.is_empty() {
            self.deliver(session, &set_aside).await?;
        }
        // Last, since it charges a chunk that is not handed out after it.
        self.announce(session, &mut fates).await?;
        let now = SystemClock.wall();
        let (mut deliveries, mut done) = (Vec::new(), Vec::new());
        for (message, fate) in lent.keep().into_iter().zip(fates) {
            let tag = message.delivery.delivery_tag;
            let Fate::Deliver(mut holding, returned) = fate else {
                done.push(tag);
                continue;
            };
            holding.consumer = message.consumer;
            let Task { chunk, suspect, due, .. } = holding.task.clone();
            let waited = if returned > 0 { Duration::ZERO } else { now.since(due) };
            let receipt = self.holdings.insert(session.id, tag, holding);
            deliveries.push(Delivery { chunk, receipt, suspect, waited });
        }
        if let Err(error) = session.acknowledge(&done).await {
            // Delivered again, it is dropped again.
            tracing::debug!(%error, "what was dropped could not be acknowledged");
        }
        Ok(deliveries)
    }

    /// Asks the journals about chunks that others may have had: to drop those that are settled, and to
    /// charge the others. The server charges what a consumer was only sent ahead, too, when it ends; the
    /// journal knows what was handed out. While it cannot be read, nobody can tell who is innocent, and
    /// nothing is handed out.
    async fn look_up(&self, fates: &mut [Fate]) -> Result<(), BrokerError> {
        let doubtful = |fate: &Fate| match fate {
            Fate::Deliver(holding, _) if !holding.pristine => Some(holding.task.chunk.key),
            _ => None,
        };
        let jobs: HashSet<JobUid> = fates.iter().filter_map(doubtful).map(|key| key.job).collect();
        for job in jobs {
            let journal = self.journals.of(&self.link, job);
            let mut journal = journal.lock().await;
            let read = tokio::time::timeout(self.patience, journal.catch_up(&self.link)).await;
            // Of a job that is gone there is none.
            // A long one is read on by the next call, from where this one stopped.
            let is_read = read.unwrap_or_else(|_| {
                let cause = format!("the journal of job {job} is not read yet").into();
                let broker = self.link.shown().to_owned();
                Err(BrokerError::Unavailable { broker, cause })
            })?;
            for fate in fates.iter_mut() {
                let Some(key) = doubtful(fate).filter(|key| key.job == job) else { continue };
                let place = Place::of(&key);
                if journal.ledger.is_settled(place) {
                    *fate = Fate::Drop;
                } else if let Fate::Deliver(holding, returned) = fate {
                    let takes = if is_read { journal.ledger.takes(place) } else { *returned };
                    *returned = takes.min(*returned);
                    holding.task.charge(*returned);
                }
            }
        }
        Ok(())
    }

    /// A message with its bytes, for people to look at.
    fn set_aside(&self, message: &Arrived, reason: String) -> Letter {
        let body = message.delivery.data.clone();
        let body = if body.len() > RECORD_BYTES_MAX { Vec::new() } else { body };
        let mut letter = Letter::to_queue(&self.link.names.dead, "message", body);
        letter.reason = Some(shorten(reason));
        letter
    }

    /// Writes into each job's journal who has its chunks. Where nobody takes that, the job is gone.
    async fn announce(
        &self,
        session: &Arc<Session>,
        fates: &mut [Fate],
    ) -> Result<(), BrokerError> {
        let mut taken: BTreeMap<JobUid, Vec<(Place, bool)>> = BTreeMap::new();
        for fate in &*fates {
            if let Fate::Deliver(holding, _) = fate {
                let key = &holding.task.chunk.key;
                taken.entry(key.job).or_default().push((Place::of(key), holding.task.again));
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        let jobs: Vec<JobUid> = taken.keys().copied().collect();
        let entry = |(job, taken)| self.entry(job, encode(&Entry::Taken(session.id, taken)));
        let letters: Vec<Letter> = taken.into_iter().map(entry).collect();
        let routed = session.tell(&letters).await?;
        for (job, _) in jobs.iter().zip(&routed).filter(|(_, routed)| !**routed) {
            for fate in fates.iter_mut() {
                let gone = matches!(fate, Fate::Deliver(holding, _)
                    if holding.task.chunk.key.job == *job);
                if gone {
                    *fate = Fate::Drop;
                }
            }
        }
        let open = jobs.iter().zip(routed).filter(|(_, routed)| *routed).map(|(job, _)| *job);
        self.proofs.note(open);
        Ok(())
    }

    /// A letter to the journal of a job that is open.
    pub(super) fn entry(&self, job: JobUid, body: Vec<u8>) -> Letter {
        Letter {
            exchange: self.link.names.results.clone(),
            ..Letter::to_queue(&job.to_string(), ENTRY, body)
        }
    }
}

/// How often the server counts that a message came back without a word.
const DELIVERIES: &str = "x-delivery-count";

fn fate_of(message: &Arrived) -> Fate {
    let task: Task = match decode(&message.delivery.data) {
        Ok(task) => task,
        Err(error) => return Fate::SetAside(error.to_string()),
    };
    let returned = number_of(&message.delivery, DELIVERIES).unwrap_or(0);
    let returned = u32::try_from(returned).unwrap_or(u32::MAX);
    let pristine = returned == 0 && !task.copy && !task.suspect && !task.again;
    Fate::Deliver(Holding { task, consumer: 0, pristine }, returned)
}
