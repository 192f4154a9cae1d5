//! Where the smallest and the largest value are.

use ttg_runtime::{Accumulator, Extreme};

use super::aggregate;

fn at(value: f64, parameter: u64) -> Extreme {
    Extreme { value, parameter }
}

#[test]
fn ties_go_to_the_smallest_parameter_in_every_order() {
    let column = [2.0, 1.0, 3.0, 1.0, 3.0];
    let whole = aggregate(10, &column);
    assert_eq!((whole.min(), whole.max()), (Some(at(1.0, 11)), Some(at(3.0, 12))));

    let mut accumulator = Accumulator::new();
    accumulator.add_slice(13, &column[3..]);
    accumulator.add_slice(10, &column[..3]);
    assert_eq!(accumulator.take(), whole);

    let (mut left, right) = (aggregate(10, &column[..3]), aggregate(13, &column[3..]));
    let mut reversed = right.clone();
    reversed.merge(&left);
    left.merge(&right);
    assert_eq!((&left, &reversed), (&whole, &whole));

    // Also where a slice begins before the known extreme, but ties behind it.
    let mut accumulator = Accumulator::new();
    accumulator.add(5, 1.0);
    accumulator.add(5, 3.0);
    accumulator.add_slice(4, &[2.0, 2.0, 1.0, 3.0]);
    let summary = accumulator.take();
    assert_eq!((summary.min(), summary.max()), (Some(at(1.0, 5)), Some(at(3.0, 5))));
}

#[test]
fn minus_zero_counts_as_zero() {
    let minus = aggregate(0, &[-0.0, 0.0]);
    assert_eq!(minus, aggregate(0, &[0.0, -0.0]));
    let mut one_by_one = Accumulator::new();
    one_by_one.add(0, -0.0);
    let one_by_one = one_by_one.take();
    for zero in [&minus, &one_by_one] {
        assert_eq!((zero.min(), zero.max()), (Some(at(0.0, 0)), Some(at(0.0, 0))));
        let floats = [zero.min().unwrap().value, zero.max().unwrap().value, zero.sum()];
        assert!(floats.iter().all(|float| float.is_sign_positive()));
    }
}

#[test]
fn a_parameter_without_a_finite_value_is_skipped() {
    let holes = [f64::NAN, 4.0, f64::INFINITY, f64::NEG_INFINITY, -f64::NAN, -2.0];
    // Alone, and where whole vectors of values surround the hole.
    let mut long = vec![7.0; 1000];
    long[500..506].copy_from_slice(&holes);
    for column in [&holes[..], &long] {
        let mut finite = Accumulator::new();
        for (parameter, &value) in column.iter().enumerate() {
            if value.is_finite() {
                finite.add(parameter as u64, value);
            }
        }
        assert_eq!(aggregate(0, column), finite.take());
    }
    let none = aggregate(0, &[f64::NAN; 20]);
    assert_eq!(none, aggregate(0, &[]));
    assert_eq!((none.count(), none.sum(), none.mean()), (0, 0.0, None));
    assert_eq!((none.variance(), none.stddev()), (None, None));
    assert_eq!((none.min(), none.max()), (None, None));
}

#[test]
fn a_column_may_end_with_the_last_parameter_of_all() {
    let last = aggregate(u64::MAX - 1, &[1.0, 2.0]);
    assert_eq!((last.min(), last.max()), (Some(at(1.0, u64::MAX - 1)), Some(at(2.0, u64::MAX))));
    assert_eq!(aggregate(u64::MAX - 1, &[f64::NAN, 2.0]).min(), Some(at(2.0, u64::MAX)));
}
