//! Predicates that hold at all times. The code asserts them in debug builds; property tests and
//! the simulation check them from outside.

use std::time::Duration;

use crate::chunk::ParameterRange;
use crate::dead::DeadParameters;
use crate::delivery::{Credit, Delivery};
use crate::job::JobPolicy;
use crate::outcome::{Column, Outcome};
use crate::retry::RETRY_DELAY_MAX;

/// An outcome speaks of every parameter of its range exactly once: completed in every column, or
/// dead.
pub fn outcome_is_whole(outcome: &Outcome) -> bool {
    evaluation_is_whole(outcome.range, &outcome.columns, &outcome.dead)
}

/// Every parameter of `range` is in all `columns`, or dead.
pub fn evaluation_is_whole(
    range: ParameterRange,
    columns: &[Column],
    dead: &DeadParameters,
) -> bool {
    let Some(completed) = range.len().checked_sub(dead.count()) else { return false };
    dead.runs().all(|(run, _)| range.covers(run))
        && columns.iter().all(|column| column.aggregate.count() == completed)
        && (completed == 0 || !columns.is_empty())
}

/// A receive hands over no more than it was asked for.
pub fn credit_is_respected(credit: Credit, deliveries: &[Delivery]) -> bool {
    deliveries.len() <= credit.get() as usize
}

/// The wait after the failure that made `failures` of them is the job's delay, doubled for each
/// failure before it up to a limit, and half as much again at most.
pub fn retry_is_patient(policy: &JobPolicy, failures: u32, retry_in: Duration) -> bool {
    let doubled = (1..failures).fold(policy.retry_delay, |delay, _| {
        if delay < RETRY_DELAY_MAX { (delay * 2).min(RETRY_DELAY_MAX) } else { delay }
    });
    doubled <= retry_in && retry_in <= doubled + doubled / 2
}
