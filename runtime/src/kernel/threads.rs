//! Kernels on OS threads: one thread a slot, niced below the async runtime, so that no kernel
//! keeps leases from being renewed.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::child::{self, Child, ChildCommand, Order, Running};
use super::evaluation::{Evaluated, Evaluation, Scratch};
use super::execution::{Assignment, Execution, Reports, Slot, SlotReport};
use super::placement::{Home, Places};
use crate::clock::Clock;
use crate::ids::{DeliveryId, SlotId};

/// How much nicer than the async runtime a compute thread is.
const NICENESS: i32 = 5;

/// How long finished chunks wait for company before they are reported: each report takes a CPU from a
/// thread that computes. What a slot is handed at once is about as much.
const REPORT_EVERY: Duration = Duration::from_millis(20);

/// [`Execution`] on OS threads.
pub struct ThreadExecution {
    clock: Arc<dyn Clock>,
    places: Places,
    child: Option<Arc<ChildCommand>>,
}

impl ThreadExecution {
    /// At most `slots` threads at a time, which tell time by `clock`.
    pub fn new(clock: Arc<dyn Clock>, slots: NonZeroU32) -> Self {
        Self { clock, places: Places::of_this_process(slots), child: None }
    }

    /// Evaluates isolated assignments in children started by `command`. Without one they are evaluated
    /// like all others, and a kernel that ends its process ends the worker.
    #[must_use]
    pub fn with_children(mut self, command: ChildCommand) -> Self {
        self.child = Some(Arc::new(command));
        self
    }
}

impl Execution for ThreadExecution {
    fn open(&self, slot: SlotId, reports: Reports) -> io::Result<Box<dyn Slot>> {
        let (work, queue) = channel();
        let shared = Arc::new(Shared::default());
        let thread = ComputeThread {
            queue,
            reports,
            clock: Arc::clone(&self.clock),
            shared: Arc::clone(&shared),
            home: self.places.of(slot),
            child: self.child.clone(),
        };
        thread::Builder::new().name(format!("ttg-compute-{slot}")).spawn(move || thread.run())?;
        Ok(Box::new(ThreadSlot { work, shared }))
    }
}

struct ThreadSlot {
    work: Sender<Vec<Assignment>>,
    shared: Arc<Shared>,
}

/// What a slot and its thread both see.
#[derive(Default)]
struct Shared {
    /// The slot is gone.
    abandoned: AtomicBool,
    /// One more than the delivery that the thread is at; 0 before the first.
    at: AtomicU64,
}

impl Slot for ThreadSlot {
    fn assign(&mut self, work: Vec<Assignment>) {
        // The thread ends by itself only after a panic, which it has reported with all that was
        // in its queue; what comes after that is the business of the slot that follows.
        drop(self.work.send(work));
    }

    fn at(&self) -> Option<DeliveryId> {
        self.shared.at.load(Ordering::Relaxed).checked_sub(1).map(DeliveryId)
    }
}

impl Drop for ThreadSlot {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
    }
}

struct ComputeThread {
    queue: Receiver<Vec<Assignment>>,
    reports: Reports,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    home: Option<Home>,
    child: Option<Arc<ChildCommand>>,
}

/// What a thread keeps from one assignment to the next.
#[derive(Default)]
struct Kept {
    scratch: Scratch,
    /// Ended when it is not needed next: a kernel may hold much memory.
    child: Option<Running>,
}

impl ComputeThread {
    fn run(self) {
        // A refusal leaves all threads alike to the scheduler, which is still fair.
        rustix::process::setpriority_process(None, NICENESS).ok();
        let mut kept = Kept::default();
        while let Some(batch) = self.next_batch() {
            match self.run_batch(batch.into(), kept) {
                Some(left) => kept = left,
                None => return,
            }
        }
    }

    fn next_batch(&self) -> Option<Vec<Assignment>> {
        if let Ok(batch) = self.queue.try_recv() {
            return Some(batch);
        }
        let batch = self.queue.recv().ok()?;
        if let Some(home) = &self.home {
            home.go_there();
        }
        Some(batch)
    }

    /// `None` after a panic.
    fn run_batch(&self, mut batch: VecDeque<Assignment>, mut kept: Kept) -> Option<Kept> {
        let mut ended: Vec<(DeliveryId, Evaluated)> = Vec::new();
        let mut reported = self.clock.now();
        while let Some(assignment) = batch.pop_front() {
            if self.shared.abandoned.load(Ordering::Relaxed) {
                return None;
            }
            self.shared.at.store(assignment.id.0 + 1, Ordering::Relaxed);
            match catch_unwind(AssertUnwindSafe(|| self.evaluate(&assignment, &mut kept))) {
                Ok(evaluated) => ended.push((assignment.id, evaluated)),
                Err(panic) => {
                    if !ended.is_empty() {
                        (self.reports)(SlotReport::Evaluated(ended));
                    }
                    (self.reports)(SlotReport::Panicked {
                        id: assignment.id,
                        failure: kept.scratch.panicked(&*panic),
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
        Some(kept)
    }

    fn evaluate(&self, assignment: &Assignment, kept: &mut Kept) -> Evaluated {
        let Assignment { chunk, kernel, limits, .. } = assignment;
        let clock = &*self.clock;
        if let Some(command) = self.child.as_deref().filter(|_| assignment.isolated) {
            let order = Order { chunk, last_attempt: limits.last_attempt };
            let cancel = &limits.cancel;
            let running = &mut kept.child;
            let child = &mut Child { command, clock, cancel, started: clock.now(), running };
            return child::evaluate(&order, child);
        }
        kept.child = None;
        Evaluation { chunk, kernel: &**kernel, limits, clock, watch: None }.run(&mut kept.scratch)
    }
}
