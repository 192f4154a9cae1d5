//! **silence**: a delivery ends without a word only for a reason: its worker is dead, stood still,
//! was out of touch with the broker, or the broker itself had a fault. A worker that was well and
//! left a lease to run out has lost sight of it.

use std::collections::BTreeMap;
use std::time::Duration;

use ttg_runtime::broker::Renewed;
use ttg_runtime::{IdempotencyKey, WorkerId};

use super::checker::{Checker, Verdict};
use crate::call::{Answer, Call, Held};
use crate::event::{Event, Moment};

/// Who holds a chunk.
struct Lease {
    holder: WorkerId,
    since: Duration,
    /// How many silent deliveries the chunk had.
    silent: u32,
    /// Older than the broker's last loss of memory: its holder may have settled it long ago.
    forgotten: bool,
}

/// What is the matter with a worker, and when it last was.
#[derive(Default, Clone, Copy)]
struct State {
    dead: bool,
    frozen: bool,
    cut_off: bool,
    trouble: Duration,
}

#[derive(Default)]
pub(super) struct Silence {
    leases: BTreeMap<IdempotencyKey, Lease>,
    workers: BTreeMap<WorkerId, State>,
    /// When all were.
    trouble_of_all: Duration,
}

impl Silence {
    fn is_excused(&self, lease: &Lease) -> bool {
        let state = self.workers.get(&lease.holder).copied().unwrap_or_default();
        let lasting = state.dead || state.frozen || state.cut_off;
        lasting || lease.forgotten || state.trouble.max(self.trouble_of_all) >= lease.since
    }

    fn state(&mut self, worker: &WorkerId) -> &mut State {
        self.workers.entry(worker.clone()).or_default()
    }

    fn see_done(
        &mut self,
        at: Duration,
        worker: &WorkerId,
        call: &Call,
        answer: &Answer,
    ) -> Verdict {
        match (call, answer) {
            (_, Answer::Deliveries(deliveries)) => {
                for delivery in deliveries {
                    let key = delivery.chunk.key;
                    let silent = delivery.chunk.counters.silent_deliveries;
                    let holder = worker.clone();
                    let lease = Lease { holder, since: at, silent, forgotten: false };
                    let before = self.leases.insert(key, lease);
                    let Some(lease) = before.filter(|lease| lease.silent < silent) else {
                        continue;
                    };
                    if !self.is_excused(&lease) {
                        let (held, holder) = (Held(&delivery.receipt), lease.holder);
                        let what = format!(
                            "{holder}, which was well, let the lease before {held} run out"
                        );
                        return Err(("silence", what));
                    }
                }
            }
            (Call::Renew(receipts), Answer::Renewed(answers)) => {
                let answers = receipts.iter().zip(answers);
                for (receipt, _) in answers.filter(|(_, answer)| **answer == Renewed::Held) {
                    if let Some(lease) = self.leases.get_mut(&receipt.key) {
                        lease.since = at;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Checker for Silence {
    fn see(&mut self, moment: Moment, event: &Event) -> Verdict {
        match event {
            Event::Crashed { worker } => self.state(worker).dead = true,
            Event::Froze { worker } => self.state(worker).frozen = true,
            Event::CutOff { worker } => self.state(worker).cut_off = true,
            Event::Thawed { worker } => {
                let state = self.state(worker);
                (state.frozen, state.trouble) = (false, moment.at);
            }
            Event::Connected { worker } => {
                let state = self.state(worker);
                (state.cut_off, state.trouble) = (false, moment.at);
            }
            Event::Troubled { worker, .. } => self.state(worker).trouble = moment.at,
            Event::BrokerDown | Event::BrokerJumped { .. } => self.trouble_of_all = moment.at,
            Event::Restored => {
                self.trouble_of_all = moment.at;
                self.leases.values_mut().for_each(|lease| lease.forgotten = true);
            }
            Event::Done { worker, call, answer: Ok(answer) } => {
                return self.see_done(moment.at, worker, call, answer);
            }
            _ => {}
        }
        Ok(())
    }
}
