//! How TTG is seen from outside: what it logs and what it counts.

pub mod metrics;
pub mod telemetry;

pub use metrics::Metrics;
pub use telemetry::{Identity, LogConfig, LogFilter, LogFormat, TelemetryError};
