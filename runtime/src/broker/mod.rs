//! Brokers: where chunks wait, are leased and are settled. `port` is the contract, `conformance`
//! its laws, the rest are adapters.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod embedded;
mod memory;
mod port;
mod rabbitmq;
mod redis;
mod tls;
mod views;

#[cfg(any(test, feature = "conformance"))]
pub use embedded::EmbeddedHarness;
pub use embedded::{EmbeddedBroker, EmbeddedConfig};
#[cfg(any(test, feature = "conformance"))]
pub use memory::MemoryHarness;
pub use memory::{MemoryBroker, MemorySnapshot, MemoryStore};
pub use port::{
    Broker, Capabilities, Committed, GiveBack, Nack, OUTCOME_PAGE_BYTES_MAX, Published, Registered,
    Renewed, Settled, VALUES_PAGE_BYTES_MAX,
};
pub use rabbitmq::{RabbitBroker, RabbitConfig, RabbitGreeting};
#[cfg(any(test, feature = "conformance"))]
pub use rabbitmq::{RabbitHarness, RabbitServer, RabbitSpace};
pub use redis::{RedisBroker, RedisConfig, RedisHealth};
#[cfg(any(test, feature = "conformance"))]
pub use redis::{RedisHarness, RedisServer};
pub use views::{
    Beat, ChunkCounts, JobProgress, JobState, OutcomeCursor, OutcomePage, ParameterCounts,
};
