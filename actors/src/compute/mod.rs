//! One compute slot: hands assignments to where the kernel runs, and its reports on. A kernel's
//! panic ends this actor, not the process.

mod actor;
mod messages;

pub(crate) use actor::Compute;
pub(crate) use messages::ComputeMsg;
