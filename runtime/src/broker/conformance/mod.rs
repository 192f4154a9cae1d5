//! The laws that every adapter passes: each a function over a [`Harness`], run as one test by
//! [`broker_conformance!`](crate::broker_conformance). A law that a backend does not claim to keep
//! ([`Capabilities`](super::Capabilities)) says so and ends.

mod builders;
mod certificates;
mod delivering;
mod harness;
mod jobs;
mod leases;
mod outcomes;
mod progress;
mod settling;
mod stepped_clock;
mod values;
mod world;

pub use builders::{chunk_of, cut, failure, job, outcome, replay, worker};
pub use certificates::certificates;
pub use delivering::*;
pub use harness::Harness;
pub use jobs::*;
pub use leases::*;
pub use outcomes::*;
pub use progress::*;
pub use settling::*;
pub use stepped_clock::SteppedClock;
pub use values::*;
