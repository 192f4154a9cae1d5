//! Kernels on OS threads: one thread a slot, niced below the async runtime, so that no kernel
//! keeps leases from being renewed.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::evaluation::{Evaluated, Evaluation, Scratch};
use super::execution::{Assignment, Execution, Reports, Slot, SlotReport};
use crate::clock::Clock;
use crate::ids::{DeliveryId, SlotId};

/// How much nicer than the async runtime a compute thread is.
const NICENESS: i32 = 5;

/// How long finished chunks wait for company before they are reported.
const REPORT_EVERY: Duration = Duration::from_millis(2);

/// [`Execution`] on OS threads.
pub struct ThreadExecution {
    clock: Arc<dyn Clock>,
}

impl ThreadExecution {
    /// Threads that tell time by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl Execution for ThreadExecution {
    fn open(&self, slot: SlotId, reports: Reports) -> io::Result<Box<dyn Slot>> {
        let (work, queue) = channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let thread = ComputeThread {
            queue,
            reports,
            clock: Arc::clone(&self.clock),
            abandoned: Arc::clone(&abandoned),
        };
        thread::Builder::new().name(format!("ttg-compute-{slot}")).spawn(move || thread.run())?;
        Ok(Box::new(ThreadSlot { work, abandoned }))
    }
}

struct ThreadSlot {
    work: Sender<Vec<Assignment>>,
    abandoned: Arc<AtomicBool>,
}

impl Slot for ThreadSlot {
    fn assign(&mut self, work: Vec<Assignment>) {
        // The thread ends by itself only after a panic, which it has reported with all that was
        // in its queue; what comes after that is the business of the slot that follows.
        drop(self.work.send(work));
    }
}

impl Drop for ThreadSlot {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

struct ComputeThread {
    queue: Receiver<Vec<Assignment>>,
    reports: Reports,
    clock: Arc<dyn Clock>,
    abandoned: Arc<AtomicBool>,
}

impl ComputeThread {
    fn run(self) {
        // A refusal leaves all threads alike to the scheduler, which is still fair.
        rustix::process::setpriority_process(None, NICENESS).ok();
        let mut scratch = Scratch::new();
        while let Ok(batch) = self.queue.recv() {
            match self.run_batch(batch.into(), scratch) {
                Some(kept) => scratch = kept,
                None => return,
            }
        }
    }

    /// `None` after a panic.
    fn run_batch(&self, mut batch: VecDeque<Assignment>, mut scratch: Scratch) -> Option<Scratch> {
        let mut ended: Vec<(DeliveryId, Evaluated)> = Vec::new();
        let mut reported = self.clock.now();
        while let Some(assignment) = batch.pop_front() {
            if self.abandoned.load(Ordering::Relaxed) {
                return None;
            }
            let evaluation = Evaluation {
                chunk: &assignment.chunk,
                kernel: &*assignment.kernel,
                limits: &assignment.limits,
                clock: &*self.clock,
            };
            match catch_unwind(AssertUnwindSafe(|| evaluation.run(&mut scratch))) {
                Ok(evaluated) => ended.push((assignment.id, evaluated)),
                Err(panic) => {
                    if !ended.is_empty() {
                        (self.reports)(SlotReport::Evaluated(ended));
                    }
                    (self.reports)(SlotReport::Panicked {
                        id: assignment.id,
                        failure: scratch.panicked(&*panic),
                    });
                    return None;
                }
            }
            let now = self.clock.now();
            if batch.is_empty() || now.since(reported) >= REPORT_EVERY {
                (self.reports)(SlotReport::Evaluated(std::mem::take(&mut ended)));
                reported = now;
            }
        }
        Some(scratch)
    }
}
