//! Where kernels run, as a port: on OS threads in a worker, in virtual time in a simulation.

use std::io;
use std::sync::Arc;

use super::evaluation::{Evaluated, Limits};
use super::registry::RegisteredKernel;
use crate::chunk::Chunk;
use crate::delivery::Failure;
use crate::ids::{DeliveryId, SlotId};

/// A chunk for a compute slot.
pub struct Assignment {
    /// Which delivery this is.
    pub id: DeliveryId,
    /// What to evaluate.
    pub chunk: Chunk,
    /// With what.
    pub kernel: Arc<dyn RegisteredKernel>,
    /// Until when.
    pub limits: Limits,
    /// In a process of its own: the kernel may end or hang that process. Whatever it does is then
    /// told as this assignment's [`SlotReport::Evaluated`], and the slot lives.
    pub isolated: bool,
}

/// What a slot says of its assignments. Each is named in at most one report.
#[derive(Debug)]
pub enum SlotReport {
    /// These ended, in the order in which they were assigned.
    Evaluated(Vec<(DeliveryId, Evaluated)>),
    /// The kernel panicked. The slot is of no use any more; what it had not begun is named nowhere.
    Panicked {
        /// The assignment that it happened in.
        id: DeliveryId,
        /// What happened.
        failure: Failure,
    },
}

/// Takes reports; called from wherever the kernel runs, and must not block.
pub type Reports = Arc<dyn Fn(SlotReport) + Send + Sync>;

/// One place where kernels run, one chunk at a time. Dropping it ends it after the slice that it
/// is in.
pub trait Slot: Send {
    /// Queues work.
    fn assign(&mut self, work: Vec<Assignment>);

    /// What it is evaluating now, or was last. Assignments before it may have ended and not yet been
    /// reported.
    fn at(&self) -> Option<DeliveryId>;
}

/// Opens slots.
pub trait Execution: Send + Sync {
    /// A new slot, whose reports go to `reports`.
    fn open(&self, slot: SlotId, reports: Reports) -> io::Result<Box<dyn Slot>>;
}
