//! The reference adapter: everything in one process's memory, nothing left to chance. For tests
//! and the simulation; it survives no restart.

mod adapter;
#[cfg(any(test, feature = "conformance"))]
mod harness;
mod ledger;
mod state;
#[cfg(test)]
mod tests;

pub use adapter::{MemoryBroker, MemorySnapshot, MemoryStore};
#[cfg(any(test, feature = "conformance"))]
pub use harness::MemoryHarness;
