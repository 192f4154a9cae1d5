//! Keeps the leases of what is in flight here, at a third of the lease, and tells monitors that
//! this worker lives.

mod actor;
mod messages;
mod state;

pub(crate) use actor::LeaseKeeper;
pub(crate) use messages::{Held, LeaseKeeperMsg};
