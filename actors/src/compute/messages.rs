//! What a compute actor can be told.

use ttg_runtime::kernel::{Assignment, SlotReport};

use crate::address::Address;
use crate::dispatcher::{DispatcherMsg, SlotFailure};

/// A compute actor's public face.
pub(crate) enum ComputeMsg {
    /// From a new dispatcher: results go here from now on; what an older one assigned is of no
    /// use.
    Attach(Address<DispatcherMsg>),
    /// From the dispatcher: evaluate these, in order.
    Assign(Vec<Assignment>),
    /// From the dispatcher: the kernel does not come back; end, and leave the slot to it.
    Abandon(SlotFailure),
    /// From the dispatcher: end if the slot is not at this delivery by now; it is stuck in one that a
    /// dispatcher before this one assigned.
    AbandonUnlessAt(SlotFailure),
    /// From the slot: these ended.
    Report(SlotReport),
}
