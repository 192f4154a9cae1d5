//! Brokers: where chunks wait, are leased and are settled. `port` is the contract, `conformance`
//! its laws, the rest are adapters.

mod port;
mod views;

pub use port::{
    Broker, Capabilities, Committed, GiveBack, Nack, Published, Registered, Renewed, Settled,
};
pub use views::{
    Beat, ChunkCounts, JobProgress, JobState, OutcomeCursor, OutcomePage, ParameterCounts,
};
