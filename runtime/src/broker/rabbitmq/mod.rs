//! The RabbitMQ adapter: one quorum queue for all jobs, and for each job a stream that is the truth
//! about it.
//!
//! A chunk is a message of the queue `ttg.tasks`; whoever computes it holds it unacknowledged, so that
//! its lease is the connection. All that becomes known of a job is an entry of its *journal*, the
//! stream `ttg.results.<uid>`: that chunks were published, taken, returned and settled, and that the job
//! was cancelled. The order of the entries decides what came first, and whoever reads them from the
//! start keeps the same books. Something durable is always written and confirmed before a delivery is
//! acknowledged, so that a crash between the two delivers a chunk once more, and the journal tells that
//! it is settled.
//!
//! Reading order: `topology` (what is on the server), `wire` (what messages say), `ledger` (what a
//! journal comes to), `settle` and `receive` (the life of a chunk), `source` (credit), `letters` and
//! `tail` (writing with confirmation, reading to an end), `session` and `link` (connections, and what
//! becomes of them), `adapter` (how the port reaches them).

mod adapter;
mod beats;
mod fault;
mod fuse;
mod greeting;
#[cfg(any(test, feature = "conformance"))]
mod harness;
mod holdings;
mod journals;
mod keeper;
mod ledger;
mod letters;
mod link;
mod pages;
mod proofs;
mod receive;
mod registry;
mod rescue;
#[cfg(any(test, feature = "conformance"))]
mod server;
mod session;
mod settle;
#[cfg(any(test, feature = "conformance"))]
mod shared;
mod source;
mod submit;
mod tail;
mod target;
#[cfg(test)]
mod tests;
mod topology;
mod values;
mod wire;

pub use adapter::{RabbitBroker, RabbitConfig};
pub use greeting::RabbitGreeting;
#[cfg(any(test, feature = "conformance"))]
pub use harness::RabbitHarness;
#[cfg(any(test, feature = "conformance"))]
pub use server::RabbitServer;
#[cfg(any(test, feature = "conformance"))]
pub use shared::RabbitSpace;
