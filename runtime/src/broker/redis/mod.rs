//! The Redis adapter: one stream for all jobs, shared by many machines.
//!
//! Every call is one Lua script, so that nothing is ever half done. Reading order: `lua/prelude.lua`
//! (what is stored), `lua/receive.lua`, `lua/commit.lua` and `lua/put_back.lua` (the life of a
//! chunk), `scripts` (what may run where memory is short), `link` (connections, and what becomes
//! of them), `adapter` (how the port reaches the scripts).

mod adapter;
mod deliveries;
mod fault;
#[cfg(any(test, feature = "conformance"))]
mod harness;
mod health;
mod jobs;
mod link;
mod scripts;
#[cfg(any(test, feature = "conformance"))]
mod server;
mod strays;
mod target;
#[cfg(test)]
mod tests;
mod values;
mod watch;
mod wire;

pub use adapter::{RedisBroker, RedisConfig};
#[cfg(any(test, feature = "conformance"))]
pub use harness::RedisHarness;
pub use health::RedisHealth;
#[cfg(any(test, feature = "conformance"))]
pub use server::RedisServer;
