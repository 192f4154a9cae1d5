//! The actors of a worker: who does what, and who restarts whom.
//!
//! ```text
//!               WorkerSupervisor
//!      ┌──────────────┬──────────────────┬───────────────┐
//!  ResultSink    LeaseKeeper        Compute × N      Dispatcher
//! ```
//!
//! Read `tree` first, then `dispatcher/{messages,state}`. An actor is `messages` (what it can be
//! told), `state` (what it decides, pure) and `actor` (how it is wired).

mod address;
mod attempt;
mod chunk_name;
mod compute;
mod config;
mod dispatcher;
mod error;
mod health;
mod lease_keeper;
mod result_sink;
mod stats;
mod supervisor;
mod tree;
mod worker;

pub use config::{Ports, WorkerConfig};
pub use dispatcher::DispatcherObservation;
pub use error::WorkerError;
pub use health::{Ailment, WorkerHealth};
pub use stats::{WorkerCounts, WorkerStats};
pub use worker::{Worker, WorkerObservation};
