//! **renewed**: a worker holds nothing for a lease without asking to renew it. **let go**: what it
//! is told to have lost, it stops computing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ttg_runtime::broker::Renewed;
use ttg_runtime::{IdempotencyKey, Receipt, WorkerId};

use super::checker::{Checker, Verdict};
use super::holdings::Holdings;
use crate::call::{Answer, Call, Held, Short};
use crate::event::{Event, Moment};
use crate::plan::Plan;

/// Beyond the longest slice: until it is noticed that a child's work is cancelled.
const SLACK: Duration = Duration::from_secs(1);

pub(super) struct Renewal {
    holdings: Holdings,
    frozen: Vec<WorkerId>,
    stopping: Vec<WorkerId>,
    /// Evaluations that run.
    running: BTreeMap<(WorkerId, IdempotencyKey), u32>,
    /// Those that were lost, and when they must have ended.
    lost: BTreeMap<(WorkerId, IdempotencyKey), Duration>,
    seen: BTreeSet<(WorkerId, Receipt)>,
    /// Chunks of which a worker was given one delivery twice.
    copies: BTreeSet<(WorkerId, IdempotencyKey)>,
    longest_slice: Duration,
}

impl Renewal {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            holdings: Holdings::default(),
            frozen: Vec::new(),
            stopping: Vec::new(),
            running: BTreeMap::new(),
            lost: BTreeMap::new(),
            seen: BTreeSet::new(),
            copies: BTreeSet::new(),
            longest_slice: plan.longest_slice(),
        }
    }

    fn check_renewed(&self, moment: Moment, worker: &WorkerId) -> Verdict {
        // One that is asked to stop may fail to, and then gives up.
        if self.stopping.contains(worker) || self.frozen.contains(worker) {
            return Ok(());
        }
        let Some(hands) = self.holdings.of(worker) else {
            return Ok(());
        };
        let overdue = |since: Duration| moment.at.saturating_sub(since) > hands.lease;
        match hands.held.iter().find(|(_, holding)| overdue(holding.since)) {
            None => Ok(()),
            Some((receipt, holding)) => {
                let (held, since) = (Held(receipt), holding.since);
                Err(("renewed", format!("{worker} holds {held} since {since:?} unrenewed")))
            }
        }
    }

    fn check_let_go(&self, moment: Moment) -> Verdict {
        match self.lost.iter().find(|(_, until)| moment.at > **until) {
            None => Ok(()),
            Some(((worker, key), _)) => {
                Err(("let go", format!("{worker} still computes {}, which it lost", Short(key))))
            }
        }
    }

    fn see_lost(&mut self, moment: Moment, worker: &WorkerId, key: IdempotencyKey) {
        // It may have got the chunk again meanwhile.
        let hands = self.holdings.of(worker);
        let again = hands.is_some_and(|hands| hands.held.keys().any(|other| other.key == key));
        let evaluation = (worker.clone(), key);
        // Of two deliveries with one receipt it is not known which is computed.
        let again = again || self.copies.contains(&evaluation);
        if !again && self.running.contains_key(&evaluation) && !self.frozen.contains(worker) {
            self.lost.insert(evaluation, moment.at + self.longest_slice + SLACK);
        }
    }

    fn forget(&mut self, worker: &WorkerId) {
        self.lost.retain(|(other, _), _| other != worker);
    }
}

impl Checker for Renewal {
    fn see(&mut self, moment: Moment, event: &Event) -> Verdict {
        self.check_let_go(moment)?;
        if let Event::Called { worker, .. } | Event::Told { worker, .. } = event {
            self.check_renewed(moment, worker)?;
        }
        self.holdings.see(moment, event);
        match event {
            Event::Froze { worker } => {
                self.frozen.push((*worker).clone());
                self.forget(worker);
            }
            Event::Thawed { worker } => self.frozen.retain(|other| other != *worker),
            Event::Stopping { worker } => self.stopping.push((*worker).clone()),
            Event::Crashed { worker } | Event::Ended { worker, .. } => {
                self.running.retain(|(other, _), _| other != *worker);
                self.forget(worker);
            }
            Event::Began { worker, assignment } => {
                let evaluation = ((*worker).clone(), assignment.chunk.key);
                *self.running.entry(evaluation).or_default() += 1;
            }
            Event::Left { worker, chunk, .. } => {
                let evaluation = ((*worker).clone(), **chunk);
                self.lost.remove(&evaluation);
                if let Some(count) = self.running.get_mut(&evaluation) {
                    *count -= 1;
                    if *count == 0 {
                        self.running.remove(&evaluation);
                    }
                }
            }
            Event::Told {
                worker,
                call: Call::Renew(receipts),
                answer: Ok(Answer::Renewed(answers)),
            } => {
                let answers = receipts.iter().zip(answers);
                for (receipt, _) in answers.filter(|(_, answer)| **answer == Renewed::Lost) {
                    self.see_lost(moment, worker, receipt.key);
                }
            }
            Event::Told { worker, answer: Ok(Answer::Deliveries(deliveries)), .. } => {
                for delivery in deliveries {
                    let evaluation = ((*worker).clone(), delivery.chunk.key);
                    if !self.seen.insert(((*worker).clone(), delivery.receipt)) {
                        self.copies.insert(evaluation.clone());
                    }
                    self.lost.remove(&evaluation);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
