//! How TTG is seen from outside: what it counts.

pub mod metrics;

pub use metrics::Metrics;
