//! Predicates that hold at all times. The code asserts them in debug builds; property tests and
//! the simulation check them from outside.

use crate::outcome::Outcome;

/// An outcome speaks of every parameter of its range exactly once: completed in every column, or
/// dead.
pub fn outcome_is_whole(outcome: &Outcome) -> bool {
    outcome.dead.runs().all(|(run, _)| outcome.range.covers(run))
        && outcome.dead.count() <= outcome.range.len()
        && outcome.columns.iter().all(|column| column.aggregate.count() == outcome.completed())
        && (outcome.is_dead() || !outcome.columns.is_empty())
}
