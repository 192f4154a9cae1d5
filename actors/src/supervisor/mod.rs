//! Starts the actors of a worker, restarts what fails, and stops them in order.

mod actor;
mod children;
mod decision;
mod messages;
mod spec;

pub(crate) use actor::WorkerSupervisor;
pub(crate) use messages::SupervisorMsg;
pub(crate) use spec::{ChildKind, Shutdown, SupervisorSpec};
