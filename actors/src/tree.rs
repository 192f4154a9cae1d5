//! The whole supervision tree of a worker, as data.
//!
//! Children start top to bottom and stop bottom to top. Start order is the order of dependence, and
//! its reverse is the graceful drain: take no more, end the slices, stop renewing, settle the rest.

use std::time::Duration;

use crate::supervisor::{ChildKind, Shutdown, SupervisorSpec};

/// A worker's tree.
pub(crate) fn worker_tree() -> SupervisorSpec {
    SupervisorSpec::rest_for_one()
        .intensity(5, Duration::from_secs(30))
        .child(ChildKind::ResultSink, Shutdown::Drain(Duration::from_secs(20)))
        .child(ChildKind::LeaseKeeper, Shutdown::Stop)
        // One a slot, one-for-one among themselves; faults of a kernel are not counted.
        .child(ChildKind::Compute, Shutdown::Stop)
        .child(ChildKind::Dispatcher, Shutdown::Ask(Duration::from_secs(20)))
}
