//! Where kernels run: each slot is a task that lets the time of an evaluation pass, slice by slice.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use ttg_runtime::kernel::{
    Assignment, Cancel, Evaluated, Evaluation, Execution, Limits, Order, Reports, Scratch, Slot,
    SlotReport, evaluate_in_child,
};
use ttg_runtime::{Clock, DeliveryId, Failure, SlotId};

use crate::child::PlannedChild;
use crate::event::Event;
use crate::kernel::{Fatal, Meter, MeteredClock};
use crate::node::Node;

/// How long finished chunks wait for company before they are reported.
const REPORT_EVERY: Duration = Duration::from_millis(20);

/// How often it is looked whether a child's work is cancelled.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// [`Execution`] in virtual time.
pub(crate) struct PlannedExecution {
    pub(crate) node: Arc<Node>,
    pub(crate) meter: Arc<Meter>,
}

impl Execution for PlannedExecution {
    fn open(&self, _: SlotId, reports: Reports) -> io::Result<Box<dyn Slot>> {
        let queue = Arc::new(Queue::default());
        let task = ComputeTask {
            node: Arc::clone(&self.node),
            meter: Arc::clone(&self.meter),
            queue: Arc::clone(&queue),
            reports,
        };
        tokio::spawn(task.run());
        Ok(Box::new(PlannedSlot(queue)))
    }
}

#[derive(Default)]
struct Queue {
    batches: Mutex<VecDeque<Vec<Assignment>>>,
    at: Mutex<Option<DeliveryId>>,
    abandoned: AtomicBool,
    changed: Notify,
}

impl Queue {
    fn batches(&self) -> MutexGuard<'_, VecDeque<Vec<Assignment>>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The delivery under evaluation.
    fn at(&self) -> MutexGuard<'_, Option<DeliveryId>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    async fn until_abandoned(&self) {
        while !self.is_abandoned() {
            self.changed.notified().await;
        }
    }

    /// The next batch; `None` when there will be none.
    async fn next(&self) -> Option<Vec<Assignment>> {
        loop {
            if self.is_abandoned() {
                return None;
            }
            if let Some(batch) = self.batches().pop_front() {
                return Some(batch);
            }
            self.changed.notified().await;
        }
    }
}

struct PlannedSlot(Arc<Queue>);

impl Slot for PlannedSlot {
    fn assign(&mut self, work: Vec<Assignment>) {
        self.0.batches().push_back(work);
        self.0.changed.notify_one();
    }

    fn at(&self) -> Option<DeliveryId> {
        *self.0.at()
    }
}

impl Drop for PlannedSlot {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

struct ComputeTask {
    node: Arc<Node>,
    meter: Arc<Meter>,
    queue: Arc<Queue>,
    reports: Reports,
}

/// How an evaluation goes on: known at its start, true at its end.
struct Course {
    /// When each slice ends, from the start.
    slices: Vec<Duration>,
    end: Ending,
}

enum Ending {
    Evaluated(Evaluated),
    Panicked(Failure),
    /// The worker's process is dead.
    Killed,
    /// Nothing is heard of it any more.
    Hung,
}

/// No more of this slot.
struct Gone;

impl ComputeTask {
    async fn run(self) {
        let mut scratch = Scratch::new();
        while let Some(batch) = self.queue.next().await {
            match self.run_batch(batch.into(), scratch).await {
                Ok(kept) => scratch = kept,
                Err(Gone) => return,
            }
        }
    }

    async fn run_batch(
        &self,
        mut batch: VecDeque<Assignment>,
        mut scratch: Scratch,
    ) -> Result<Scratch, Gone> {
        let mut ended: Vec<(DeliveryId, Evaluated)> = Vec::new();
        let mut reported = Instant::now();
        while let Some(assignment) = batch.pop_front() {
            if self.queue.is_abandoned() {
                return Err(Gone);
            }
            let worker = &self.node.id;
            self.node.world.see(&Event::Began { worker, assignment: &assignment });
            *self.queue.at() = Some(assignment.id);
            let mut course = self.foresee(&assignment, &mut scratch);
            if self.node.world.plan.coarse {
                course.slices.drain(..course.slices.len().saturating_sub(1));
            }
            let ending = self.live_through(course, &assignment).await;
            if !matches!(ending, Some(Ending::Hung)) {
                *self.queue.at() = None;
            }
            let chunk = &assignment.chunk.key;
            let left = |how| self.node.world.see(&Event::Left { worker, chunk, how });
            match ending {
                Some(Ending::Evaluated(evaluated)) => {
                    left(match evaluated {
                        Evaluated::Completed { .. } => "completes",
                        Evaluated::Failed(_) => "fails",
                        Evaluated::Cancelled => "cancels",
                    });
                    ended.push((assignment.id, evaluated));
                }
                Some(Ending::Panicked(failure)) => {
                    left("panics");
                    if !ended.is_empty() {
                        (self.reports)(SlotReport::Evaluated(ended));
                    }
                    (self.reports)(SlotReport::Panicked { id: assignment.id, failure });
                    return Err(Gone);
                }
                Some(Ending::Killed) => {
                    left("kills its worker");
                    self.node.crash(false);
                    return Err(Gone);
                }
                Some(Ending::Hung) => {
                    left("hangs");
                    self.queue.until_abandoned().await;
                    return Err(Gone);
                }
                None => {
                    left("drops");
                    return Err(Gone);
                }
            }
            let now = Instant::now();
            if batch.is_empty() || now - reported >= REPORT_EVERY {
                (self.reports)(SlotReport::Evaluated(std::mem::take(&mut ended)));
                reported = now;
            }
        }
        Ok(scratch)
    }

    /// Evaluates in no time. Whether it is cancelled meanwhile is not known yet.
    fn foresee(&self, assignment: &Assignment, scratch: &mut Scratch) -> Course {
        let Assignment { chunk, kernel, limits, .. } = assignment;
        let last_attempt = limits.last_attempt;
        self.meter.reset();
        let clock = MeteredClock { began: self.node.clock.now(), meter: &self.meter };
        if assignment.isolated {
            let order = Order { chunk, last_attempt };
            let mut child = PlannedChild { kernel: &**kernel, clock: &clock };
            let evaluated = evaluate_in_child(&order, &mut child);
            return Course { slices: self.meter.read().slices, end: Ending::Evaluated(evaluated) };
        }
        let limits = Limits { last_attempt, ..Limits::default() };
        let evaluation =
            Evaluation { chunk, kernel: &**kernel, limits: &limits, clock: &clock, watch: None };
        let result = catch_unwind(AssertUnwindSafe(|| evaluation.run(scratch)));
        let mut reading = self.meter.read();
        let end = match (result, reading.fatal) {
            (_, Some((_, fatal, at))) => {
                reading.slices.retain(|slice| *slice < at);
                reading.slices.push(at);
                if fatal == Fatal::Kill { Ending::Killed } else { Ending::Hung }
            }
            (Err(panic), None) => Ending::Panicked(std::mem::take(scratch).panicked(&*panic)),
            (Ok(evaluated), None) => Ending::Evaluated(evaluated),
        };
        Course { slices: reading.slices, end }
    }

    /// Lets the time pass. `None` if the slot is of no use any more before the end.
    async fn live_through(&self, course: Course, assignment: &Assignment) -> Option<Ending> {
        let began = Instant::now();
        let cancel = &assignment.limits.cancel;
        let of_child = assignment.isolated.then_some(cancel);
        for slice in course.slices {
            if self.is_over().await {
                return None;
            }
            if cancel.is_set() {
                return Some(Ending::Evaluated(Evaluated::Cancelled));
            }
            self.compute_until(began + slice.mul_f64(self.node.slowness), of_child).await;
        }
        if of_child.is_some_and(Cancel::is_set) {
            return Some(Ending::Evaluated(Evaluated::Cancelled));
        }
        if self.is_over().await { None } else { Some(course.end) }
    }

    /// A child process is ended when its work is cancelled; a slice in this process is not.
    async fn compute_until(&self, end: Instant, cancel: Option<&Cancel>) {
        while let Some(cancel) = cancel
            && Instant::now() + LOOK_EVERY < end
            && !cancel.is_set()
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if !cancel.is_some_and(Cancel::is_set) {
            tokio::time::sleep_until(end).await;
        }
    }

    async fn is_over(&self) -> bool {
        !self.node.going_or_dead().await || self.queue.is_abandoned()
    }
}
