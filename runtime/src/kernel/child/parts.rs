//! What a child is asked, and which parameters die of what: a chunk is evaluated part by part, so that
//! a child's death costs what it had not yet answered.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::aggregate::Aggregate;
use crate::chunk::{Chunk, ParameterRange};
use crate::dead::DeadParameters;
use crate::delivery::{Failure, FailureKind};
use crate::kernel::Evaluated;
use crate::outcome::Column;
use crate::values::Values;

/// The work that a part of the last attempt aims at: what a death costs at most to do again, and far
/// more than asking costs.
const PART_WORK: Duration = Duration::from_millis(50);

/// At the last attempt a parameter must take this many children down before it is dead of it, since a
/// process may also be killed from outside.
const DEATHS: u32 = 2;

/// One attempt at one chunk, for a child.
pub struct Order<'a> {
    /// What to evaluate.
    pub chunk: &'a Chunk,
    /// Keep the good parameters and bury the bad ones: no attempt follows.
    pub last_attempt: bool,
}

/// Why a child did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// It ended, or was ended since it took too long: the fault of the parameter under its cursor,
    /// or, without one, of the kernel's start.
    Lost {
        /// Which of both.
        kind: FailureKind,
        /// How it ended.
        message: String,
        /// The parameter that it was at.
        cursor: Option<u64>,
    },
    /// The work was cancelled.
    Cancelled,
}

/// Who evaluates a part of a chunk; after a [`NoAnswer::Lost`] with a fresh child.
pub trait AskChild {
    /// Has a child evaluate `part`.
    fn ask(&mut self, part: Chunk, last_attempt: bool) -> Result<Evaluated, NoAnswer>;
}

/// Evaluates the chunk of `order`. Before the last attempt whatever goes wrong fails the attempt; at
/// the last one it costs the parameters that it happened at.
pub fn evaluate(order: &Order<'_>, child: &mut impl AskChild) -> Evaluated {
    if order.last_attempt {
        return Burial::new(order.chunk.range).run(order, child);
    }
    match child.ask(order.chunk.clone(), false) {
        Ok(evaluated) => evaluated,
        Err(NoAnswer::Cancelled) => Evaluated::Cancelled,
        Err(NoAnswer::Lost { kind, message, cursor }) => {
            Evaluated::Failed(Failure::new(kind, cursor, message))
        }
    }
}

/// The last attempt, as far as it is.
struct Burial {
    /// The parameters that have no answer yet.
    next: u64,
    end: u64,
    /// Parameters ahead that are to be passed over.
    lost: BTreeMap<u64, (FailureKind, String)>,
    /// Parameters ahead that took a child down, and how often; `None` is the kernel's start.
    deaths: BTreeMap<Option<u64>, u32>,
    part_parameters: u64,
    columns: Vec<Column>,
    dead: DeadParameters,
    took: Duration,
    start: u64,
    values: Values,
}

impl Burial {
    fn new(range: ParameterRange) -> Self {
        Self {
            next: range.start(),
            end: range.end(),
            lost: BTreeMap::new(),
            deaths: BTreeMap::new(),
            part_parameters: 1,
            columns: Vec::new(),
            dead: DeadParameters::new(),
            took: Duration::ZERO,
            start: range.start(),
            values: Values::new(),
        }
    }

    fn run(mut self, order: &Order<'_>, child: &mut impl AskChild) -> Evaluated {
        while let Some(range) = self.next_part() {
            let part = Chunk { range, ..order.chunk.clone() };
            match child.ask(part, true) {
                Ok(Evaluated::Completed { columns, dead, took, values }) => {
                    if !values.is_empty() {
                        self.values.put(self.place(range.start()), values.columns());
                    }
                    self.answered(range, columns, &dead, took);
                }
                // A child that fails as a whole at its last attempt broke its word.
                Ok(Evaluated::Failed(why)) => self.bury_rest(why.kind, &why.message),
                Ok(Evaluated::Cancelled) | Err(NoAnswer::Cancelled) => {
                    return Evaluated::Cancelled;
                }
                Err(NoAnswer::Lost { kind, message, cursor }) => {
                    self.lost(kind, message, cursor.filter(|at| range.contains(*at)));
                }
            }
        }
        self.values.fill_to(self.place(self.end));
        let Self { columns, dead, took, values, .. } = self;
        Evaluated::Completed { columns, dead, took, values }
    }

    /// Where the values of `parameter` are.
    fn place(&self, parameter: u64) -> usize {
        let place = usize::try_from(parameter - self.start);
        place.expect("a chunk whose values are kept fits into memory")
    }

    fn lost(&mut self, kind: FailureKind, message: String, cursor: Option<u64>) {
        let deaths = self.deaths.entry(cursor).or_default();
        *deaths += 1;
        // One hang is enough: it has lasted as long as anything may.
        if kind == FailureKind::Killed && *deaths < DEATHS {
            return;
        }
        match cursor {
            Some(parameter) => {
                self.lost.insert(parameter, (kind, message));
            }
            // Not even the kernel's start is survived: no child will do better.
            None => self.bury_rest(kind, &message),
        }
    }

    /// The next parameters to ask for; `None` at the end.
    fn next_part(&mut self) -> Option<ParameterRange> {
        while let Some((kind, message)) = self.lost.remove(&self.next) {
            self.dead.push(self.next, kind, &message);
            self.next += 1;
        }
        let stop = self.lost.first_key_value().map_or(self.end, |(lost, _)| *lost);
        let end = stop.min(self.next.saturating_add(self.part_parameters));
        ParameterRange::new(self.next, end).ok()
    }

    fn answered(
        &mut self,
        range: ParameterRange,
        columns: Vec<Column>,
        dead: &DeadParameters,
        took: Duration,
    ) {
        for (at, column) in columns.into_iter().enumerate() {
            if self.columns.len() <= at {
                let aggregate = Aggregate::default();
                self.columns.push(Column { name: column.name.clone(), aggregate });
            }
            self.columns[at].aggregate.merge(&column.aggregate);
        }
        for (run, why) in dead.runs() {
            self.dead.push_run(run, why.kind, &why.message);
        }
        self.next = range.end();
        self.deaths = self.deaths.split_off(&Some(self.next));
        self.took += took;
        if took < PART_WORK / 2 && range.len() == self.part_parameters {
            self.part_parameters = self.part_parameters.saturating_mul(2);
        } else if took > PART_WORK * 2 {
            self.part_parameters = (self.part_parameters / 2).max(1);
        }
    }

    fn bury_rest(&mut self, kind: FailureKind, message: &str) {
        if let Ok(rest) = ParameterRange::new(self.next, self.end) {
            self.dead.push_run(rest, kind, message);
        }
        self.next = self.end;
        self.lost.clear();
    }
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
