//! What the dispatcher can be told.

use ractor::RpcReplyPort;
use serde::Serialize;
use ttg_runtime::kernel::Evaluated;
use ttg_runtime::{BrokerError, Delivery, DeliveryId, Failure, SlotId};

use crate::address::Address;
use crate::compute::ComputeMsg;

/// The dispatcher's public face.
pub(crate) enum DispatcherMsg {
    /// From its own receive: what the broker handed over for the credit it was given.
    Received(Result<Vec<Delivery>, BrokerError>),
    /// From its own receive: it ended without an answer, by a panic.
    ReceiveLost,
    /// From its own timer: ask the broker again.
    RetryReceive,
    /// From the supervisor: a slot has a fresh compute actor.
    SlotOpened(SlotId, Address<ComputeMsg>),
    /// From the supervisor: a slot's compute actor ended.
    SlotLost(SlotId, Option<SlotFailure>),
    /// From a compute actor: these evaluations ended.
    Evaluated(Vec<(DeliveryId, Evaluated)>),
    /// From the result sink: these deliveries are settled.
    Settled(Vec<DeliveryId>),
    /// From the lease keeper: these deliveries are no longer ours, be it that they are settled.
    LeasesLost(Vec<DeliveryId>),
    /// From its own timer: look for kernels that do not come back.
    Tick,
    /// From the supervisor: take no more, give back the rest, then stop.
    Drain,
    /// From anyone: what it looks like inside.
    Observe(RpcReplyPort<DispatcherObservation>),
}

/// How a kernel took its slot down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotFailure {
    /// The delivery that it happened in.
    pub(crate) delivery: DeliveryId,
    /// How.
    pub(crate) failure: Failure,
}

/// What the dispatcher looks like from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DispatcherObservation {
    /// Deliveries held.
    pub in_flight: usize,
    /// Of these, not handed to a slot yet.
    pub ready: usize,
    /// Slots without work.
    pub idle_slots: usize,
    /// Slots open.
    pub slots: usize,
    /// Chunks that are held beyond one a slot.
    pub read_ahead: usize,
    /// It takes no more.
    pub draining: bool,
}
