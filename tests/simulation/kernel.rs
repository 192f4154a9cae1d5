//! The kernel of a plan: it gives the values that the plan says, fails where the plan says, and its
//! time is virtual.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use ttg_runtime::kernel::{Kernel, KernelError, Kernels, Rows, Slice};
use ttg_runtime::{Clock, Timestamp, WallTime};

use crate::plan::{Behaviour, Plan};

/// What a kernel does to its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fatal {
    Kill,
    Hang,
}

/// What one evaluation costs, as the kernel says. It runs in no time; the slot then lets that
/// time pass.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Reading>);

/// What the meter shows after an evaluation.
#[derive(Debug, Default, Clone)]
pub(crate) struct Reading {
    /// When each slice ended, from the start.
    pub(crate) slices: Vec<Duration>,
    /// Where and when the process ended or hung.
    pub(crate) fatal: Option<(u64, Fatal, Duration)>,
    /// All of it.
    pub(crate) cost: Duration,
}

impl Meter {
    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts again from zero.
    pub(crate) fn reset(&self) {
        *self.reading() = Reading::default();
    }

    /// The process that ended or hung is replaced by a fresh one.
    pub(crate) fn take_fatal(&self) -> Option<(u64, Fatal, Duration)> {
        self.reading().fatal.take()
    }

    pub(crate) fn read(&self) -> Reading {
        let mut reading = self.reading().clone();
        // A slice that panicked was not closed.
        if reading.slices.last().is_none_or(|end| *end < reading.cost) {
            reading.slices.push(reading.cost);
        }
        reading
    }

    pub(crate) fn add(&self, cost: Duration) {
        self.reading().cost += cost;
    }

    fn close_slice(&self) {
        let mut reading = self.reading();
        let cost = reading.cost;
        reading.slices.push(cost);
    }
}

/// The time of an evaluation.
pub(crate) struct MeteredClock<'a> {
    pub(crate) began: Timestamp,
    pub(crate) meter: &'a Meter,
}

impl Clock for MeteredClock<'_> {
    fn now(&self) -> Timestamp {
        self.began.after(self.meter.reading().cost)
    }

    fn wall(&self) -> WallTime {
        WallTime::default()
    }
}

/// The kernel under one of its names.
struct PlannedKernel {
    name: &'static str,
    columns: &'static [&'static str],
    plan: Arc<Plan>,
    meter: Arc<Meter>,
}

/// The kernels of a worker, and what they cost.
pub(crate) fn kernels(plan: &Arc<Plan>, meter: &Arc<Meter>, with_rare: bool) -> Kernels {
    let kernel = |name, columns| PlannedKernel {
        name,
        columns,
        plan: Arc::clone(plan),
        meter: Arc::clone(meter),
    };
    let kernels = Kernels::none().with(kernel("steady", &["value"])).expect("the name is valid");
    if !with_rare {
        return kernels;
    }
    kernels.with(kernel("rare", &["value", "half"])).expect("the name is valid")
}

#[derive(Deserialize)]
pub(crate) struct Options {
    number: usize,
}

impl Kernel for PlannedKernel {
    type Options = Options;
    type State = usize;

    fn name(&self) -> &str {
        self.name
    }

    fn columns(&self) -> &[&str] {
        self.columns
    }

    fn init(&self, options: Options) -> Result<usize, KernelError> {
        if self.plan.job(options.number).broken {
            let reason = "as the plan says".to_owned();
            return Err(KernelError::Init { kernel: self.name.into(), reason });
        }
        Ok(options.number)
    }

    fn evaluate(&self, number: &mut usize, slice: Slice, rows: &mut Rows) {
        if self.meter.reading().fatal.is_some() {
            resume_unwind(Box::new("nobody is there any more".to_owned()));
        }
        let job = self.plan.job(*number);
        for parameter in slice.parameters {
            self.meter.add(job.cost(parameter, slice.attempt));
            match job.behaviour(parameter, slice.attempt) {
                None | Some(Behaviour::Slow(_)) => {
                    let value = job.value(parameter);
                    rows.push_row(&[value, value / 2.0][..self.columns.len()]);
                }
                Some(Behaviour::Error) => rows.fail("the plan says so"),
                Some(Behaviour::NotFinite) => {
                    rows.push_row(&[f64::NAN, f64::INFINITY][..self.columns.len()]);
                }
                // Not by the panic hook, which reports bugs.
                Some(Behaviour::Panic) => resume_unwind(Box::new("the plan panics".to_owned())),
                Some(Behaviour::Kill) => self.end_process(parameter, Fatal::Kill),
                Some(Behaviour::Hang) => self.end_process(parameter, Fatal::Hang),
            }
        }
        self.meter.close_slice();
    }
}

impl PlannedKernel {
    fn end_process(&self, parameter: u64, fatal: Fatal) {
        {
            let mut reading = self.meter.reading();
            let cost = reading.cost;
            reading.fatal.get_or_insert((parameter, fatal, cost));
        }
        resume_unwind(Box::new("the end of the process".to_owned()));
    }
}
