//! The exact aggregate: what a report says about one column, the same bits for every order, cut and
//! merge tree of its values.
//!
//! Floating-point addition depends on the order, integer addition does not. Every finite `f64` is
//! an integer times 2^-1074, and its square an integer times 2^-2148; so both sums are kept as wide
//! integers and rounded once, when somebody asks.

mod accumulator;
mod encoding;
mod extremes;
mod fixed;
mod rounding;
mod summary;

pub use accumulator::Accumulator;
pub use extremes::Extreme;
pub use summary::Aggregate;
