//! **credit**: no more is delivered than was asked for, and no more is in a worker's hands than its
//! slots and its read-ahead can take.

use std::time::Duration;

use super::checker::{Checker, Verdict};
use super::holdings::Holdings;
use crate::call::{Answer, Call};
use crate::event::{Event, Moment};
use crate::plan::{JobPlan, Plan};

const RULE: &str = "credit";

/// The work that a worker reads ahead, and the most chunks.
const READ_AHEAD: Duration = Duration::from_millis(100);
const READ_AHEAD_CHUNKS_MAX: u128 = 1_024;

pub(super) struct Credits {
    holdings: Holdings,
    /// The shortest chunk of all, which allows the longest read-ahead.
    shortest: Duration,
}

impl Credits {
    pub(super) fn new(plan: &Plan) -> Self {
        let costs = plan.jobs.iter().flat_map(JobPlan::chunk_costs);
        let shortest = costs.min().unwrap_or_default();
        Self { holdings: Holdings::default(), shortest }
    }

    fn read_ahead_max(&self, slots: u32) -> u128 {
        let shortest = self.shortest.as_nanos().max(1);
        let chunks = READ_AHEAD.as_nanos() / shortest * u128::from(slots);
        chunks.clamp(1, READ_AHEAD_CHUNKS_MAX)
    }
}

impl Checker for Credits {
    fn see(&mut self, moment: Moment, event: &Event) -> Verdict {
        self.holdings.see(moment, event);
        let Event::Told { worker, call, answer: Ok(Answer::Deliveries(deliveries)) } = event else {
            return Ok(());
        };
        let Call::Receive(credit, _) = call else {
            return Ok(());
        };
        if !ttg_runtime::invariants::credit_is_respected(*credit, deliveries) {
            let count = deliveries.len();
            return Err((RULE, format!("{worker} asked for {credit} and was given {count}")));
        }
        let Some(hands) = self.holdings.of(worker) else {
            return Ok(());
        };
        let most = u128::from(hands.slots) + self.read_ahead_max(hands.slots);
        if hands.held.len() as u128 > most {
            let held = hands.held.len();
            return Err((RULE, format!("{worker} holds {held} deliveries, at most {most}")));
        }
        Ok(())
    }
}
