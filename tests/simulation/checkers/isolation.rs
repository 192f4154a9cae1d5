//! **isolated**: what may take its process down or not come back is evaluated in a process of its own:
//! the last attempt, a chunk that killed or hung one before, a suspect, a job whose kernel hung here.
//! **alone**: a suspect shares its worker with no other evaluation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ttg_runtime::broker::Nack;
use ttg_runtime::kernel::Assignment;
use ttg_runtime::{Chunk, FailureKind, IdempotencyKey, JobUid, WorkerId};

use super::checker::{Checker, Verdict};
use super::holdings::{Holding, Holdings};
use crate::call::{Call, Short};
use crate::event::{Event, Moment};

/// How long after a chunk's timeout at the latest its hang is known.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);

/// A job's hang in a worker.
struct Hung {
    known: Duration,
    /// What had been handed to slots before may still be evaluated as it was to be.
    handed_over: u32,
}

#[derive(Default)]
pub(super) struct Isolation {
    holdings: Holdings,
    running: BTreeMap<WorkerId, BTreeSet<IdempotencyKey>>,
    /// Suspects that are evaluated.
    alone: BTreeMap<WorkerId, IdempotencyKey>,
    hung: BTreeMap<(WorkerId, JobUid), Hung>,
    timeouts: BTreeMap<IdempotencyKey, Duration>,
}

impl Isolation {
    /// Of several deliveries of a chunk, the one that is evaluated has the same counters.
    fn is_suspect(&self, worker: &WorkerId, chunk: &Chunk) -> bool {
        let held = self.holdings.of(worker).into_iter().flat_map(|hands| hands.held.values());
        let of_chunk = |holding: &&Holding| {
            let other = &holding.delivery.chunk;
            other.key == chunk.key && other.counters == chunk.counters
        };
        let mut of_chunk = held.filter(of_chunk).peekable();
        of_chunk.peek().is_some() && of_chunk.all(|holding| holding.delivery.suspect)
    }

    fn began(&mut self, moment: Moment, worker: &WorkerId, assignment: &Assignment) -> Verdict {
        let chunk = &assignment.chunk;
        let (key, short) = (chunk.key, Short(&chunk.key));
        let suspect = self.is_suspect(worker, chunk);
        let last_failure = chunk.last_failure.as_ref().map(|failure| failure.kind);
        let fatal = matches!(last_failure, Some(FailureKind::Killed | FailureKind::Timeout));
        let hung = self.hung.get_mut(&(worker.clone(), key.job));
        let hung = hung.is_some_and(|hung| {
            let allowed = assignment.isolated || moment.at < hung.known;
            hung.handed_over = hung.handed_over.saturating_sub(u32::from(!allowed));
            hung.handed_over == 0
        });
        if (suspect || fatal || hung || assignment.limits.last_attempt) && !assignment.isolated {
            let why = (suspect, fatal, hung, assignment.limits.last_attempt);
            let what = format!(
                "{worker} begins {short} in its own process (suspect, fatal, hung, last: {why:?})"
            );
            return Err(("isolated", what));
        }
        let running = self.running.entry(worker.clone()).or_default();
        if let Some(other) = self.alone.get(worker) {
            let other = Short(other);
            return Err(("alone", format!("{worker} begins {short} beside the suspect {other}")));
        }
        if suspect {
            if let Some(other) = running.first() {
                let other = Short(other);
                return Err((
                    "alone",
                    format!("{worker} begins the suspect {short} beside {other}"),
                ));
            }
            self.alone.insert(worker.clone(), key);
        }
        running.insert(key);
        self.timeouts.insert(key, chunk.spec.policy.timeout);
        Ok(())
    }

    fn left(&mut self, moment: Moment, worker: &WorkerId, key: &IdempotencyKey, how: &str) {
        if let Some(running) = self.running.get_mut(worker) {
            running.remove(key);
        }
        if self.alone.get(worker) == Some(key) {
            self.alone.remove(worker);
        }
        if how == "hangs" {
            let timeout = self.timeouts.get(key).copied().unwrap_or_default();
            let known = moment.at + timeout + NOTICED_WITHIN;
            let slots = self.holdings.of(worker).map_or(0, |hands| hands.slots);
            let hung = Hung { known, handed_over: slots + 1 };
            self.hung.entry((worker.clone(), key.job)).or_insert(hung);
        }
    }

    fn forget(&mut self, worker: &WorkerId) {
        self.running.remove(worker);
        self.alone.remove(worker);
    }
}

impl Checker for Isolation {
    fn see(&mut self, moment: Moment, event: &Event) -> Verdict {
        self.holdings.see(moment, event);
        match event {
            Event::Began { worker, assignment } => return self.began(moment, worker, assignment),
            Event::Left { worker, chunk, how } => self.left(moment, worker, chunk, how),
            // One that was given up is not waited for.
            Event::Called { worker, call: Call::Nack(nacks) } => {
                let given_up = |nack: &&Nack| nack.failure.kind == FailureKind::Timeout;
                let running = self.running.entry((*worker).clone()).or_default();
                for nack in nacks.iter().filter(given_up) {
                    running.remove(&nack.receipt.key);
                }
            }
            // A fresh dispatcher knows of no hang, and what its predecessor began it cancels.
            Event::Called { worker, call: Call::Strays(_) } => {
                self.hung.retain(|(other, _), _| other != *worker);
                self.forget(worker);
            }
            Event::Crashed { worker } | Event::Ended { worker, .. } => self.forget(worker),
            _ => {}
        }
        Ok(())
    }
}
