//! What the lease keeper can be told.

use ttg_runtime::{DeliveryId, Receipt, Timestamp};

use crate::address::Address;
use crate::dispatcher::DispatcherMsg;

/// The lease keeper's public face.
pub(crate) enum LeaseKeeperMsg {
    /// From a new dispatcher: what is not ours any more is told here from now on; what an older one
    /// held is forgotten.
    Attach(Address<DispatcherMsg>),
    /// From the dispatcher: these are in flight here, their leases run since `since` at the
    /// earliest.
    Hold { held: Vec<Held>, since: Timestamp },
    /// From the dispatcher: these are not, any more.
    Release(Vec<DeliveryId>),
    /// From its own timer: renew.
    Renew,
    /// From its own timer: tell monitors.
    Beat,
}

/// A delivery whose lease is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: DeliveryId,
    pub(crate) receipt: Receipt,
}
