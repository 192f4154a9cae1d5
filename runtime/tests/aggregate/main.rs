//! The exact aggregate: the same bits for every order, cut and merge tree, and the right ones.

mod encoding;
mod exactness;
mod extremes;
mod order;

use proptest::prelude::*;
use ttg_runtime::{Accumulator, Aggregate};

/// Values that break naive sums: bounds, cancellation, subnormals, zeros, and no values.
const HOSTILE: [f64; 18] = [
    f64::MAX,
    f64::MIN,
    1e308,
    -1e308,
    1e-308,
    f64::MIN_POSITIVE,
    2.5e-308,
    5e-324,
    -5e-324,
    0.0,
    -0.0,
    1.0,
    1e16,
    -1e16,
    0.1,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

/// Ordinary, hostile and random bits.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        -1e3..1e3,
        prop::sample::select(&HOSTILE[..]),
        any::<u64>().prop_map(f64::from_bits),
    ]
}

/// The aggregate of `values`, whose parameters start with `first`.
fn aggregate(first: u64, values: &[f64]) -> Aggregate {
    let mut accumulator = Accumulator::new();
    accumulator.add_slice(first, values);
    accumulator.take()
}
