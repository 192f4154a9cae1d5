//! What the supervisor can be told. The endings of its children come as ractor's own events.

use ractor::{ActorId, RpcReplyPort};

use crate::worker::WorkerObservation;

/// The supervisor's public face.
pub(crate) enum SupervisorMsg {
    /// Drain, then end.
    Stop,
    /// From its own timer: this child had its time to end.
    ShutdownOverdue(ActorId),
    /// From anyone: what the worker looks like inside.
    Observe(RpcReplyPort<WorkerObservation>),
}
