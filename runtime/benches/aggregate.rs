//! What does exactness cost? Count, exact sum, exact sum of squares and extremes of an array,
//! against a plain `f64` sum of the same array in the same run; the bound is ten times as much.
//! Further, what a chunk of one parameter costs, and what a report pays to merge a chunk.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkGroup, Criterion, Throughput};
use ttg_runtime::randomness::mix;
use ttg_runtime::{Accumulator, Aggregate};

const VALUES: u64 = 1 << 20;

/// A column by name, and its value for a parameter.
type Column = (&'static str, fn(u64) -> f64);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let columns: [Column; 4] = [
        ("ordinary", ordinary),
        ("spread", spread),
        ("one_exponent", |parameter| 1.0 + fraction(parameter)),
        ("ascending", |parameter| parameter as f64),
    ];
    for (name, value) in columns {
        let column: Vec<f64> = (0..VALUES).map(value).collect();
        compare_with_plain_sum(&mut criterion, name, &column);
    }
    small_chunks(&mut criterion);
    criterion.final_summary();
}

fn fraction(parameter: u64) -> f64 {
    (mix(parameter) >> 11) as f64 / (1_u64 << 53) as f64
}

/// 0 to 1000, as of the reference kernel.
fn ordinary(parameter: u64) -> f64 {
    ((7 * parameter + 13) % 1000) as f64 + fraction(parameter)
}

/// Every exponent and sign.
fn spread(parameter: u64) -> f64 {
    let value = f64::from_bits(mix(parameter));
    if value.is_finite() { value } else { 0.0 }
}

#[expect(clippy::print_stdout, reason = "the ratio is the answer")]
fn compare_with_plain_sum(criterion: &mut Criterion, name: &str, column: &[f64]) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(VALUES));
    let plain = fastest(&mut group, "plain_sum", || {
        black_box(column).iter().fold(0.0, |sum, value| sum + value)
    });
    let mut accumulator = Accumulator::new();
    let exact = fastest(&mut group, "exact_aggregate", || {
        accumulator.add_slice(0, black_box(column));
        accumulator.take()
    });
    group.finish();
    if let (Some(plain), Some(exact)) = (plain, exact) {
        let ratio = exact.as_secs_f64() / plain.as_secs_f64();
        println!("{name}: the exact aggregate takes {ratio:.2} times a plain sum\n");
    }
}

/// The fastest sample; none if the benchmark was filtered out.
fn fastest<R>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut routine: impl FnMut() -> R,
) -> Option<Duration> {
    let mut fastest = None;
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let start = WallTime.start();
            for _ in 0..iterations {
                black_box(routine());
            }
            let elapsed = WallTime.end(start);
            let each = elapsed.div_f64(iterations as f64);
            fastest = Some(fastest.map_or(each, |known: Duration| known.min(each)));
            elapsed
        });
    });
    fastest
}

fn small_chunks(criterion: &mut Criterion) {
    let mut accumulator = Accumulator::new();
    let mut chunk = |value: fn(u64) -> f64, parameters: std::ops::Range<u64>| {
        for parameter in parameters {
            accumulator.add(parameter, value(parameter));
        }
        accumulator.take()
    };

    criterion.bench_function("add_and_take_one_value", |bencher| {
        let mut parameter = 0;
        bencher.iter(|| {
            parameter += 1;
            chunk(ordinary, parameter..parameter + 1)
        });
    });

    let columns: [Column; 2] = [("ordinary", ordinary), ("spread", spread)];
    for (name, value) in columns {
        let chunks: Vec<Aggregate> =
            (0..1000).map(|index| chunk(value, 100 * index..100 * (index + 1))).collect();
        criterion.bench_function(&format!("merge_{name}"), |bencher| {
            let mut total = Aggregate::default();
            let mut next = chunks.iter().cycle();
            bencher.iter(|| next.next().map(|chunk| total.merge(chunk)));
        });
    }
}
