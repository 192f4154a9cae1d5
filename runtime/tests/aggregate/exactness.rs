//! The right bits: compared with `CPython`'s exact arithmetic.

use std::io::Write;
use std::process::{Command, Stdio};

use ttg_runtime::randomness::{Randomness, SeededRandomness};
use ttg_runtime::wire::{decode, encode};
use ttg_runtime::{Accumulator, Aggregate};

use super::{HOSTILE, aggregate};

#[test]
fn sums_and_moments_are_those_of_exact_arithmetic() {
    let columns = columns();
    let expected = in_python(&columns);
    assert_eq!(expected.len(), columns.len());
    for (column, expected) in columns.iter().zip(expected) {
        let exact = aggregate(0, column);
        let moments = [exact.mean(), exact.variance(), exact.stddev()].map(Option::unwrap);
        let found = [exact.sum(), moments[0], moments[1], moments[2]].map(f64::to_bits);
        assert_eq!(
            found,
            expected,
            "sum, mean, variance, stddev of {column:?}: {:?} is not {:?}",
            found.map(f64::from_bits),
            expected.map(f64::from_bits)
        );
    }
}

#[test]
fn two_to_the_64_values_do_not_overflow() {
    let mut doubled = aggregate(0, &[f64::MAX]);
    let mut all = Aggregate::default();
    for _ in 0..64 {
        all.merge(&doubled);
        doubled.merge(&doubled.clone());
    }
    assert_eq!(all.count(), u64::MAX);
    assert_eq!((all.sum(), all.mean()), (f64::INFINITY, Some(f64::MAX)));
    assert_eq!((all.variance(), all.stddev()), (Some(0.0), Some(0.0)));
    assert_eq!(decode::<Aggregate>(&encode(&all)).unwrap(), all);
    // No job has more; a foreign record must not make the count wrap.
    all.merge(&aggregate(0, &[0.0]));
    assert_eq!(all.count(), u64::MAX);
}

/// Not empty, every value finite.
fn columns() -> Vec<Vec<f64>> {
    const EPSILON: f64 = f64::EPSILON;
    // A right triangle: a^2 + b^2 is the square of the 54-bit number a + 1.
    const TWO_26: f64 = (1 << 26) as f64;
    let (a, b) = (2.0 * TWO_26 * (TWO_26 + 1.0), 2.0 * TWO_26 + 1.0);
    let finite: Vec<f64> = HOSTILE.into_iter().filter(|value| value.is_finite()).collect();
    let mut columns: Vec<Vec<f64>> = vec![
        finite.clone(),
        vec![1e308; 20],
        vec![1e308, 1e308, -1e308],
        vec![1e308, -1e308, -1e308, 1e308, 5e-324],
        vec![5e-324; 3],
        vec![f64::MAX, f64::MAX / f64::exp2(54.0)],
        vec![f64::MAX, f64::exp2(969.0), f64::exp2(970.0)],
        // Midpoints of two floats: sums, means, subnormal means, deviations.
        vec![1.0, EPSILON / 2.0],
        vec![1.0, EPSILON / 2.0, 5e-324],
        vec![1.0, EPSILON / 2.0, -5e-324],
        vec![1.0, 1.0 + EPSILON],
        vec![1.0 + EPSILON, 1.0 + 2.0 * EPSILON],
        vec![0.0, 5e-324],
        vec![0.0, 1.5e-323],
        vec![0.0, -5e-324],
        vec![f64::exp2(53.0), -1.0],
        vec![f64::exp2(53.0), -3.0],
        vec![f64::exp2(-500.0), -f64::exp2(-553.0)],
        // Means and deviations that are less than any quotient shows beside a midpoint.
        vec![1.0, 1.0, 2.0 + 2.0 * EPSILON, 5e-324],
        vec![1.0, 1.0, 2.0 + 2.0 * EPSILON, -5e-324],
        vec![a, -a, b, -b, 0.0, 0.0, 0.0, 0.0],
        vec![a, -a, b, -b, 5e-324, -5e-324, 0.0, 0.0],
        // Variances around the largest and the least float, with deviations inside.
        vec![f64::exp2(512.5), -f64::exp2(511.0)],
        vec![f64::exp2(-537.0), -f64::exp2(-537.0)],
        vec![f64::exp2(-538.0), -f64::exp2(-538.0), 0.0],
    ];
    columns.extend(finite.iter().map(|&value| vec![value]));
    for &a in &finite {
        columns.extend(finite.iter().map(|&b| vec![a, b]));
    }

    let random = SeededRandomness::new(4);
    let finite_bits = || loop {
        let value = f64::from_bits(random.next_u64());
        if value.is_finite() {
            return value;
        }
    };
    let bounded = |bound: u64| random.next_u64() % bound;
    for _ in 0..100 {
        let length = 1 + bounded(20);
        let mut column: Vec<f64> = (0..length).map(|_| finite_bits()).collect();
        columns.push(column.clone());
        // All but a remnant cancels.
        let opposite: Vec<f64> = column.iter().map(|value| -value).collect();
        column.extend(opposite);
        column.extend([5e-324, f64::from_bits(bounded(1 << 53))]);
        columns.push(column);
        columns.push((0..length).map(|_| 1000.0 * random.fraction()).collect());
        columns.push((0..length).map(|_| f64::from_bits(bounded(1 << 53))).collect());
        // Few bits, many ties.
        columns.push((0..length).map(|_| (bounded(9) as f64 - 4.0) * EPSILON + 1.0).collect());
    }
    columns
}

/// What `exact.py` finds, in bits.
fn in_python(columns: &[Vec<f64>]) -> Vec<[u64; 4]> {
    let mut python = Command::new("python3")
        .args(["-c", include_str!("exact.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test compares with python3, which has to be on the PATH");
    let hex = |value: &f64| format!("{:016x} ", value.to_bits());
    let lines = columns.iter().map(|column| column.iter().map(hex).collect::<String>() + "\n");
    let mut stdin = python.stdin.take().expect("piped");
    stdin.write_all(lines.collect::<String>().as_bytes()).expect("python3 reads all");
    drop(stdin);
    let output = python.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "exact.py failed");
    let printed = String::from_utf8(output.stdout).expect("hexadecimal");
    let bits = |hex: &str| u64::from_str_radix(hex, 16).expect("hexadecimal");
    let four = |line: &str| line.split(' ').map(bits).collect::<Vec<_>>().try_into();
    printed.lines().map(|line| four(line).expect("four numbers")).collect()
}

#[test]
fn the_sum_of_many_ordinary_values_does_not_depend_on_the_path() {
    // One million times 0.1: the exact sum of the float nearest to 0.1, not 100 000.00000133288.
    let mut accumulator = Accumulator::new();
    accumulator.add_slice(0, &vec![0.1; 1_000_000]);
    let exact = accumulator.take();
    assert_eq!(exact.sum().to_bits(), 100_000.0_f64.to_bits());
    assert_eq!(exact.mean(), Some(0.1));
    assert_eq!(exact.variance(), Some(0.0));
}
