//! How TTG is seen from outside: what it logs, what it counts, and the events that do both.
//!
//! - [`telemetry`]: log lines with who wrote them, as text or JSON, and panics among them.
//! - [`metrics`]: every metric by name, and handles that cost one atomic addition.
//! - [`traces`]: what became of every chunk, as spans of one trace, over all processes.
//! - [`events`]: what happened, told to the log and the metrics at once.
//!
//! This crate knows no other crate of TTG: it takes plain numbers, texts and durations.

pub mod events;
pub mod metrics;
pub mod telemetry;
pub mod traces;

#[cfg(test)]
mod readme_tests;

pub use events::Event;
pub use metrics::Metrics;
pub use telemetry::{Identity, LogConfig, LogFilter, LogFormat, TelemetryError};
pub use traces::Traces;
