//! Evaluates one chunk, slice by slice.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::port::Slice;
use super::registry::{Evaluator, RegisteredKernel};
use super::rows::Rows;
use crate::aggregate::Accumulator;
use crate::chunk::{Chunk, ParameterRange};
use crate::clock::{Clock, Timestamp};
use crate::dead::DeadParameters;
use crate::delivery::{Failure, FailureKind};
use crate::ids::JobUid;
use crate::outcome::Column;
use crate::values::Values;

/// A slice aims at this much work: short enough for a prompt stop, long enough that looking at
/// the clock costs nothing.
const SLICE_TARGET: Duration = Duration::from_millis(5);

/// The most parameters of a slice: a column of them stays in the first-level cache beside a kernel's
/// own tables.
const SLICE_PARAMETERS_MAX: u64 = 2_048;

/// Ends a piece of work at the end of its slice, once set.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the work to end.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluated {
    /// Every parameter has a value or, at the last attempt, is dead.
    Completed {
        /// One summary a column.
        columns: Vec<Column>,
        /// Parameters that failed at the last attempt.
        dead: DeadParameters,
        /// How long it took.
        took: Duration,
        /// The value of each parameter, if the job keeps them.
        values: Values,
    },
    /// The attempt failed.
    Failed(Failure),
    /// It was asked to end.
    Cancelled,
}

/// How an attempt ends other than by its last parameter.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Keep the good parameters and bury the bad ones, each alone: no attempt follows.
    pub last_attempt: bool,
    /// Set to end at the next slice.
    pub cancel: Cancel,
}

/// What a compute slot keeps from chunk to chunk.
#[derive(Default)]
pub struct Scratch {
    open: Option<Open>,
    /// First parameter of the slice under evaluation, and how many it has.
    cursor: Option<ParameterRange>,
}

/// A kernel made ready for a job.
struct Open {
    job: JobUid,
    evaluator: Box<dyn Evaluator>,
    names: Vec<String>,
    rows: Rows,
    accumulators: Vec<Accumulator>,
    slice_parameters: u64,
    /// The kernel could not start afresh after a panic.
    broken: bool,
}

impl Scratch {
    /// A fresh one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The failure that a panic out of [`Evaluation::run`] is. The scratch is of no use after it.
    pub fn panicked(self, panic: &(dyn Any + Send)) -> Failure {
        let single = self.cursor.filter(|slice| slice.len() == 1).map(ParameterRange::start);
        let mut message = panic_message(panic).to_owned();
        if let (None, Some(slice)) = (single, self.cursor) {
            message = format!("{message} (within parameters {slice})");
        }
        Failure::new(FailureKind::Panic, single, message)
    }
}

/// The words of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// One attempt at one chunk.
pub struct Evaluation<'a> {
    /// What to evaluate.
    pub chunk: &'a Chunk,
    /// With what.
    pub kernel: &'a dyn RegisteredKernel,
    /// Until when.
    pub limits: &'a Limits,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Is told each parameter before it is evaluated; a slice then has one. For where the evaluation
    /// may not come back.
    pub watch: Option<&'a dyn Fn(u64)>,
}

/// Why a slice has no rows.
enum SliceFault {
    Panic(String),
    Misuse(String),
}

impl Evaluation<'_> {
    /// Evaluates the chunk.
    ///
    /// # Panics
    /// If the kernel panics, unless this is the last attempt: the caller decides what dies of it,
    /// and asks [`Scratch::panicked`] for the failure.
    pub fn run(&self, scratch: &mut Scratch) -> Evaluated {
        let started = self.clock.now();
        scratch.cursor = None;
        let mut open = match self.take_open(scratch) {
            Ok(open) => open,
            Err(failure) => return self.failed_whole(failure, started),
        };
        let evaluated = self.run_slices(&mut open, &mut scratch.cursor, started);
        if !matches!(evaluated, Evaluated::Completed { .. }) {
            open.accumulators.iter_mut().for_each(Accumulator::clear);
        }
        scratch.open = Some(open).filter(|open| !open.broken);
        evaluated
    }

    fn run_slices(
        &self,
        open: &mut Open,
        cursor: &mut Option<ParameterRange>,
        started: Timestamp,
    ) -> Evaluated {
        let range = self.chunk.range;
        let mut dead = DeadParameters::new();
        let mut values = Values::new();
        let mut isolate_until = range.start();
        let mut next = range.start();
        let mut now = started;
        while next < range.end() {
            if self.limits.cancel.is_set() {
                return Evaluated::Cancelled;
            }
            let alone = next < isolate_until || self.watch.is_some();
            let len = if alone { 1 } else { open.slice_parameters };
            let slice = ParameterRange::new(next, range.end().min(next.saturating_add(len)))
                .expect("the slice starts before the chunk ends");
            *cursor = Some(slice);
            if let Some(watch) = self.watch {
                watch(next);
            }
            match self.run_slice(open, slice) {
                Ok(None) => {}
                Ok(Some(failure)) if !self.limits.last_attempt => {
                    return Evaluated::Failed(failure);
                }
                Ok(Some(_)) => bury(open, slice, &mut dead),
                Err(fault) => {
                    if let Err(failure) = self.reopen(open) {
                        open.broken = true;
                        if !self.limits.last_attempt {
                            return Evaluated::Failed(failure);
                        }
                        // What was completed stays; nothing can evaluate the rest.
                        let rest = ParameterRange::new(slice.start(), range.end())
                            .expect("the slice starts before the chunk ends");
                        dead.push_run(rest, failure.kind, &failure.message);
                        break;
                    }
                    let (kind, reason) = match fault {
                        SliceFault::Panic(reason) => (FailureKind::Panic, reason),
                        SliceFault::Misuse(reason) => (FailureKind::Kernel, reason),
                    };
                    if !self.limits.last_attempt {
                        return Evaluated::Failed(Failure::new(kind, None, reason));
                    }
                    if slice.len() > 1 {
                        isolate_until = slice.end();
                        continue;
                    }
                    dead.push(slice.start(), kind, &reason);
                    next = slice.end();
                    continue;
                }
            }
            if self.chunk.spec.values {
                // Failed rows are NaN by now.
                values.put(place(slice.start() - range.start()), open.rows.columns());
            }
            next = slice.end();
            let after = self.clock.now();
            if !alone {
                open.slice_parameters = paced(open.slice_parameters, slice, after.since(now));
            }
            now = after;
            if let Some(failure) = self.overdue(now.since(started), next) {
                return Evaluated::Failed(failure);
            }
        }
        *cursor = None;
        values.fill_to(place(range.len()));
        let columns = open.names.iter().zip(&mut open.accumulators).map(|(name, accumulator)| {
            Column { name: name.clone(), aggregate: accumulator.take() }
        });
        // Not up to the last good slice only: a panic takes time, too.
        let took = self.clock.now().since(started);
        Evaluated::Completed { columns: columns.collect(), dead, took, values }
    }

    /// The failure of an attempt that outlasted the job's timeout with work left. The last attempt
    /// is not cut: its parameters go on one slice at a time, and what is good is kept.
    fn overdue(&self, elapsed: Duration, next: u64) -> Option<Failure> {
        let timeout = self.chunk.spec.policy.timeout;
        if self.limits.last_attempt || elapsed < timeout || next >= self.chunk.range.end() {
            return None;
        }
        let message = format!("the attempt took longer than {timeout:?}");
        Some(Failure::new(FailureKind::Timeout, Some(next), message))
    }

    /// Evaluates one slice and adds its values up. The first failed parameter, if any, is returned;
    /// all are in `open.rows`.
    fn run_slice(
        &self,
        open: &mut Open,
        slice: ParameterRange,
    ) -> Result<Option<Failure>, SliceFault> {
        let asked = Slice { parameters: slice, attempt: self.chunk.counters.attempt() };
        open.rows.clear();
        if self.limits.last_attempt {
            catch_unwind(AssertUnwindSafe(|| {
                open.evaluator.evaluate(asked, &mut open.rows);
            }))
            .map_err(|panic| SliceFault::Panic(panic_message(&*panic).to_owned()))?;
        } else {
            open.evaluator.evaluate(asked, &mut open.rows);
        }
        let expected = usize::try_from(slice.len()).unwrap_or(usize::MAX);
        open.rows.close(expected).map_err(SliceFault::Misuse)?;
        let mut all_finite = true;
        for (accumulator, values) in open.accumulators.iter_mut().zip(open.rows.columns()) {
            all_finite &= accumulator.add_slice(slice.start(), values);
        }
        if !all_finite {
            open.rows.collect_not_finite();
        }
        Ok(open.rows.failures().first().map(|failure| {
            let parameter = slice.start() + failure.row as u64;
            Failure::new(failure.kind(), Some(parameter), failure.reason.clone())
        }))
    }

    /// The whole chunk cannot be evaluated: a failure, or at the last attempt all dead of it.
    fn failed_whole(&self, failure: Failure, started: Timestamp) -> Evaluated {
        if !self.limits.last_attempt {
            return Evaluated::Failed(failure);
        }
        Evaluated::Completed {
            columns: Vec::new(),
            dead: DeadParameters::all(self.chunk.range, failure.kind, &failure.message),
            took: self.clock.now().since(started),
            values: Values::new(),
        }
    }

    /// The kernel as the last chunk left it, if that was of the same job. It leaves the scratch
    /// meanwhile, so that a panic drops it.
    fn take_open(&self, scratch: &mut Scratch) -> Result<Open, Failure> {
        if let Some(open) = scratch.open.take().filter(|open| open.job == self.chunk.key.job) {
            return Ok(open);
        }
        let names: Vec<String> = self.kernel.columns().iter().map(ToString::to_string).collect();
        Ok(Open {
            job: self.chunk.key.job,
            evaluator: self.evaluator()?,
            rows: Rows::new(names.len()),
            accumulators: names.iter().map(|_| Accumulator::new()).collect(),
            names,
            slice_parameters: 1,
            broken: false,
        })
    }

    /// A panic may leave the kernel's state in any shape: it starts afresh.
    fn reopen(&self, open: &mut Open) -> Result<(), Failure> {
        open.evaluator = self.evaluator()?;
        Ok(())
    }

    /// A panic here is a failure like any other: it must not outlive the last attempt.
    fn evaluator(&self) -> Result<Box<dyn Evaluator>, Failure> {
        catch_unwind(AssertUnwindSafe(|| self.kernel.open(&self.chunk.spec.options)))
            .map_err(|panic| Failure::new(FailureKind::Panic, None, panic_message(&*panic)))?
            .map_err(|why| Failure::new(FailureKind::Kernel, None, why.to_string()))
    }
}

/// Buries every failed parameter of the slice in `open.rows`.
fn bury(open: &mut Open, slice: ParameterRange, dead: &mut DeadParameters) {
    for failure in open.rows.failures() {
        dead.push(slice.start() + failure.row as u64, failure.kind(), &failure.reason);
    }
}

/// A place within a chunk.
fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a chunk whose values are kept fits into memory")
}

/// The length of the next slice after one of `slice` took `took`.
fn paced(slice_parameters: u64, slice: ParameterRange, took: Duration) -> u64 {
    if took > SLICE_TARGET * 2 {
        (slice_parameters / 2).max(1)
    } else if took < SLICE_TARGET / 2 && slice.len() == slice_parameters {
        (slice_parameters * 2).min(SLICE_PARAMETERS_MAX)
    } else {
        slice_parameters
    }
}

#[cfg(test)]
#[path = "evaluation_tests.rs"]
mod tests;
