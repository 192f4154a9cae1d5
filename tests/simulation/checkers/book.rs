//! The broker's books, kept a second time. **leased once**: no chunk is handed over while its lease
//! runs. **fenced**: who does not hold a lease settles and renews nothing. **counted once**: a chunk
//! has one outcome, the first. **not early**: a delay is waited for. **charged**: each counter
//! counts what it is to count. A broker that forgets, forgets here, too.

use std::collections::BTreeMap;
use std::time::Duration;

use ttg_runtime::broker::{Committed, GiveBack, Nack, Registered, Renewed, Settled};
use ttg_runtime::{
    Counters, Delivery, IdempotencyKey, JobRecord, JobUid, Outcome, Receipt, Timestamp, WorkerId,
};

use super::checker::{Checker, End, Verdict};
use crate::call::{Answer, Call, Held, Short};
use crate::event::{Event, Moment};

#[derive(Default)]
pub(super) struct Book {
    leases: BTreeMap<WorkerId, Duration>,
    now: Page,
    disk: Page,
}

/// What the broker holds.
#[derive(Default, Clone)]
struct Page {
    jobs: BTreeMap<JobUid, JobRecord>,
    open: BTreeMap<IdempotencyKey, Open>,
    settled: BTreeMap<IdempotencyKey, Outcome>,
    duplicates: BTreeMap<JobUid, u64>,
    redelivered: BTreeMap<JobUid, u64>,
}

#[derive(Clone)]
struct Open {
    counters: Counters,
    /// What it waits for, or whose it is.
    place: Place,
    /// A delivery before ended without a word, and none since with a failure.
    suspect: bool,
    /// The delivery before failed.
    failed: bool,
}

#[derive(Clone)]
enum Place {
    Waiting { due: Timestamp },
    Leased { to: WorkerId, receipt: Receipt, until: Timestamp },
}

impl Open {
    fn is_held(&self, by: &WorkerId, with: &Receipt) -> bool {
        matches!(&self.place, Place::Leased { to, receipt, .. } if to == by && receipt == with)
    }
}

impl Page {
    fn publish(&mut self, chunks: &[ttg_runtime::Chunk], now: Timestamp) {
        for chunk in chunks {
            if self.jobs.contains_key(&chunk.key.job) && !self.settled.contains_key(&chunk.key) {
                self.open.entry(chunk.key).or_insert(Open {
                    counters: Counters::default(),
                    place: Place::Waiting { due: now },
                    suspect: false,
                    failed: false,
                });
            }
        }
    }

    fn deliver(
        &mut self,
        to: &WorkerId,
        delivery: &Delivery,
        now: Timestamp,
        lease: Duration,
    ) -> Verdict {
        let held = Held(&delivery.receipt);
        let Some(open) = self.open.get_mut(&delivery.chunk.key) else {
            return Err(("counted once", format!("{held} is delivered, and is not open")));
        };
        let mut silent = false;
        match &open.place {
            Place::Waiting { due } if *due > now => {
                let early = due.since(now);
                return Err(("not early", format!("{held} is delivered {early:?} early")));
            }
            Place::Waiting { .. } => {}
            Place::Leased { to: holder, until, .. } => {
                if *until > now {
                    let left = until.since(now);
                    return Err(("leased once", format!("{held} is {holder}'s for {left:?} more")));
                }
                open.counters.silent_deliveries += 1;
                silent = true;
                open.suspect = true;
            }
        }
        if open.counters != delivery.chunk.counters {
            let (expected, found) = (open.counters, delivery.chunk.counters);
            return Err(("charged", format!("{held} has {found:?}, not {expected:?}")));
        }
        if open.suspect != delivery.suspect {
            let suspect = delivery.suspect;
            return Err(("charged", format!("{held} is a suspect: {suspect}")));
        }
        if silent || open.failed {
            *self.redelivered.entry(delivery.chunk.key.job).or_default() += 1;
        }
        let (receipt, until) = (delivery.receipt, now.after(lease));
        open.place = Place::Leased { to: to.clone(), receipt, until };
        open.failed = false;
        Ok(())
    }

    fn renew(
        &mut self,
        by: &WorkerId,
        receipt: &Receipt,
        answer: Renewed,
        until: Timestamp,
    ) -> Verdict {
        let open = self.open.get_mut(&receipt.key).filter(|open| open.is_held(by, receipt));
        match (open, answer) {
            (Some(open), Renewed::Held) => {
                open.place = Place::Leased { to: by.clone(), receipt: *receipt, until };
                Ok(())
            }
            (None, Renewed::Lost) => Ok(()),
            _ => Err(("fenced", format!("{by} is told {answer:?} of {}", Held(receipt)))),
        }
    }

    fn commit(&mut self, outcome: &Outcome, answer: Committed) -> Verdict {
        let key = outcome.key;
        let expected = match (self.jobs.get(&key.job), self.settled.get(&key)) {
            (None, _) => Committed::Dropped,
            (Some(_), Some(_)) => Committed::Duplicate,
            (Some(_), None) => Committed::First,
        };
        if answer != expected {
            let short = Short(&key);
            return Err(("counted once", format!("{short} is {answer:?}, not {expected:?}")));
        }
        match answer {
            Committed::First => {
                self.open.remove(&key);
                self.settled.insert(key, outcome.clone());
            }
            Committed::Duplicate => *self.duplicates.entry(key.job).or_default() += 1,
            Committed::Dropped => {}
        }
        Ok(())
    }

    fn settle(
        &mut self,
        by: &WorkerId,
        receipt: &Receipt,
        answer: Settled,
        due: Timestamp,
        failed: bool,
    ) -> Verdict {
        let open = self.open.get_mut(&receipt.key).filter(|open| open.is_held(by, receipt));
        match (open, answer) {
            (Some(open), Settled::Applied) => {
                open.place = Place::Waiting { due };
                open.failed = failed;
                open.suspect &= !failed;
                open.counters.failures += u32::from(failed);
                open.counters.give_backs += u32::from(!failed);
                Ok(())
            }
            (None, Settled::Stale) => Ok(()),
            _ => Err(("fenced", format!("{by} is told {answer:?} of {}", Held(receipt)))),
        }
    }

    fn give_back_strays(
        &mut self,
        of: &WorkerId,
        held: &[Receipt],
        count: u64,
        now: Timestamp,
    ) -> Verdict {
        let mut strays = 0;
        for open in self.open.values_mut() {
            let Place::Leased { to, receipt, .. } = &open.place else {
                continue;
            };
            if to == of && !held.contains(receipt) {
                strays += 1;
                open.place = Place::Waiting { due: now };
                open.counters.give_backs += 1;
            }
        }
        if strays == count {
            return Ok(());
        }
        Err(("fenced", format!("{of} gave back {count} strays, not {strays}")))
    }
}

impl Book {
    fn see_done(
        &mut self,
        moment: Moment,
        worker: &WorkerId,
        call: &Call,
        answer: &Answer,
    ) -> Verdict {
        let now = moment.broker;
        let lease = self.leases.get(worker).copied().unwrap_or_default();
        let page = &mut self.now;
        match (call, answer) {
            (Call::Register(job), Answer::Registered(Registered::New)) => {
                page.jobs.insert(job.uid, (**job).clone());
                Ok(())
            }
            (Call::Publish(chunks), _) => {
                page.publish(chunks, now);
                Ok(())
            }
            (_, Answer::Deliveries(deliveries)) => {
                deliveries.iter().try_for_each(|it| page.deliver(worker, it, now, lease))
            }
            (Call::Renew(receipts), Answer::Renewed(answers)) => {
                let mut answers = receipts.iter().zip(answers);
                answers
                    .try_for_each(|(it, answer)| page.renew(worker, it, *answer, now.after(lease)))
            }
            (Call::Commit(outcomes), Answer::Committed(answers)) => {
                let mut answers = outcomes.iter().zip(answers);
                answers.try_for_each(|((_, outcome), answer)| page.commit(outcome, *answer))
            }
            (Call::Nack(nacks), Answer::Settled(answers)) => {
                let mut answers = nacks.iter().zip(answers);
                answers.try_for_each(|(Nack { receipt, retry_in, .. }, answer)| {
                    page.settle(worker, receipt, *answer, now.after(*retry_in), true)
                })
            }
            (Call::GiveBack(returns), Answer::Settled(answers)) => {
                let mut answers = returns.iter().zip(answers);
                answers.try_for_each(|(GiveBack { receipt, retry_in }, answer)| {
                    page.settle(worker, receipt, *answer, now.after(*retry_in), false)
                })
            }
            (Call::Strays(held), Answer::Strays(count)) => {
                page.give_back_strays(worker, held, *count, now)
            }
            _ => Ok(()),
        }
    }
}

impl Checker for Book {
    fn see(&mut self, moment: Moment, event: &Event) -> Verdict {
        match event {
            Event::Started { worker, lease, .. } => {
                self.leases.insert((*worker).clone(), *lease);
            }
            Event::Done { worker, call, answer: Ok(answer) } => {
                return self.see_done(moment, worker, call, answer);
            }
            Event::Synced => self.disk = self.now.clone(),
            Event::Restored => self.now = self.disk.clone(),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, end: &End) -> Verdict {
        for job in &end.jobs {
            let settled: Vec<_> =
                self.now.settled.values().filter(|it| it.key.job == job.uid).collect();
            if settled != job.outcomes.iter().collect::<Vec<_>>() {
                return Err((
                    "fenced",
                    format!("the outcomes of {} are not those that were first", job.uid),
                ));
            }
            let count = |of: &BTreeMap<JobUid, u64>| of.get(&job.uid).copied().unwrap_or_default();
            let chunks = &job.progress.chunks;
            let found = (chunks.duplicates_dropped, chunks.redelivered);
            let expected = (count(&self.now.duplicates), count(&self.now.redelivered));
            if found != expected {
                let what = format!("duplicates and redeliveries are {found:?}, not {expected:?}");
                return Err(("counted once", what));
            }
        }
        Ok(())
    }
}
