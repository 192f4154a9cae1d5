//! The embedded adapter: one `SQLite` file in write-ahead mode, shared by the processes of one
//! machine. Any of them may be killed at any moment.
//!
//! Reading order: `schema` and `sql` (what is stored, and what the life of a chunk runs),
//! `submit`, `lease`, `held`, `values`, `settle` and `removal` (what each call does in its transaction),
//! `presence` (who is alive), `adapter` (how the port reaches the connections on their threads).

mod adapter;
mod fault;
#[cfg(any(test, feature = "conformance"))]
mod harness;
mod held;
mod lane;
mod lease;
mod open;
mod passed_over;
mod presence;
mod read;
mod removal;
mod schema;
mod settle;
mod sql;
mod store;
mod submit;
#[cfg(test)]
mod tests;
mod values;
mod wire;

pub use adapter::{EmbeddedBroker, EmbeddedConfig};
#[cfg(any(test, feature = "conformance"))]
pub use harness::EmbeddedHarness;
