//! **drained**: a worker that is asked to stop takes no more and ends in time, well or not; and
//! **gives up**: none ends by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ttg_runtime::WorkerId;

use super::checker::{Checker, Verdict};
use crate::call::Call;
use crate::event::{Event, Moment};
use crate::plan::Plan;

/// Beyond the longest slice, for a worker without trouble.
const IN_ORDER: Duration = Duration::from_secs(2);

/// For one in trouble: what the tree grants its actors, one after the other, and a call.
const IN_TROUBLE: Duration = Duration::from_mins(1);

/// Trouble so long before the stop may still be felt.
const AFTERMATH: Duration = Duration::from_secs(30);

pub(super) struct Drain {
    longest_slice: Duration,
    stopping: BTreeMap<WorkerId, Duration>,
    trouble: BTreeMap<WorkerId, Duration>,
    trouble_of_all: Duration,
    /// Frozen, or cut off.
    out_of_reach: BTreeSet<WorkerId>,
    /// A kernel hung in it.
    hung: BTreeSet<WorkerId>,
}

impl Drain {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            longest_slice: plan.longest_slice(),
            stopping: BTreeMap::new(),
            trouble: BTreeMap::new(),
            trouble_of_all: Duration::ZERO,
            out_of_reach: BTreeSet::new(),
            hung: BTreeSet::new(),
        }
    }

    fn deadline(&self, worker: &WorkerId, stopped: Duration) -> Duration {
        let trouble = self.trouble.get(worker).copied().unwrap_or_default();
        let trouble = trouble.max(self.trouble_of_all);
        let troubled = trouble > Duration::ZERO && trouble + AFTERMATH >= stopped;
        if troubled || self.hung.contains(worker) {
            trouble.max(stopped) + self.longest_slice + IN_TROUBLE
        } else {
            stopped + self.longest_slice + IN_ORDER
        }
    }

    fn check(&self, moment: Moment) -> Verdict {
        for (worker, stopped) in &self.stopping {
            let out_of_reach = self.out_of_reach.contains(worker);
            if !out_of_reach && moment.at > self.deadline(worker, *stopped) {
                return Err(("drained", format!("{worker} was asked to stop at {stopped:?}")));
            }
        }
        Ok(())
    }
}

impl Checker for Drain {
    fn see(&mut self, moment: Moment, event: &Event) -> Verdict {
        self.check(moment)?;
        match event {
            Event::Ended { worker, error: Some(error) } => {
                return Err(("gives up", format!("{worker}: {error}")));
            }
            Event::Ended { worker, error: None } if self.stopping.remove(*worker).is_none() => {
                return Err(("gives up", format!("{worker} ends, and nobody asked it to")));
            }
            // Until the hang is noticed nothing ends it, and then it may be too late to drain.
            Event::Left { worker, how: "hangs", .. } => drop(self.hung.insert((*worker).clone())),
            Event::Stopping { worker } => {
                self.stopping.insert((*worker).clone(), moment.at);
            }
            Event::Crashed { worker } => drop(self.stopping.remove(*worker)),
            Event::Froze { worker } | Event::CutOff { worker } => {
                self.out_of_reach.insert((*worker).clone());
            }
            Event::Thawed { worker } | Event::Connected { worker } => {
                self.out_of_reach.remove(*worker);
                self.trouble.insert((*worker).clone(), moment.at);
            }
            Event::Troubled { worker, .. } => {
                self.trouble.insert((*worker).clone(), moment.at);
            }
            Event::BrokerDown | Event::Restored => self.trouble_of_all = moment.at,
            Event::Called { worker, call: Call::Receive(..) } => {
                if let Some(stopped) = self.stopping.get(*worker)
                    && moment.at > *stopped + IN_ORDER
                    && !self.trouble.contains_key(*worker)
                {
                    return Err((
                        "drained",
                        format!("{worker} asks for more, stopped at {stopped:?}"),
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
