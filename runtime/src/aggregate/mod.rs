//! Placeholder until the exact aggregate is merged.
use serde::{Deserialize, Serialize};

/// Placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Aggregate {
    n: u64,
}

impl Aggregate {
    /// Count.
    pub fn count(&self) -> u64 {
        self.n
    }
    /// Merge.
    pub fn merge(&mut self, other: &Self) {
        self.n += other.n;
    }
}

/// Placeholder.
#[derive(Debug, Default)]
pub struct Accumulator {
    inner: Aggregate,
}

impl Accumulator {
    /// New.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds.
    pub fn add_slice(&mut self, _first: u64, values: &[f64]) {
        self.inner.n += values.iter().filter(|v| v.is_finite()).count() as u64;
    }
    /// Clears.
    pub fn clear(&mut self) {
        self.take();
    }
    /// Takes.
    pub fn take(&mut self) -> Aggregate {
        std::mem::take(&mut self.inner)
    }
}
