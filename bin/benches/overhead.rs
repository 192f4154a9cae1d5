//! What does TTG cost over a bare loop on two threads?
//!
//! Each round runs `ttg run` as a process, from start to end, and the bare loop, in turn, so that
//! both see the same machine. The bare loop has the same function and accumulator and shares
//! blocks of parameters by a counter, with nothing else: no store, no leases, no slices. What
//! counts is the ratio of the medians; the aim is at most 1.05 for `collatz` over 10^7 and 1.10
//! for `reference` over 10^9.
//!
//! `cargo bench -p ttg --bench overhead`

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so by a panic")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ttg_runtime::kernel::{Collatz, Reference};
use ttg_runtime::{Accumulator, Aggregate, Clock, SystemClock};

const ROUNDS: usize = 9;
const THREADS: usize = 2;
const BLOCK: u64 = 100_000;

struct Case {
    kernel: &'static str,
    start: u64,
    end: u64,
    bare: fn(u64, u64, &mut Accumulator),
}

fn main() {
    let cases = [
        Case { kernel: "collatz", start: 1, end: 10_000_000, bare: bare_collatz },
        Case { kernel: "reference", start: 0, end: 1_000_000_000, bare: bare_reference },
    ];
    println!("{THREADS} threads, medians of {ROUNDS} rounds in turn");
    for case in cases {
        let (mut ttg, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bare.push(timed(|| {
                assert_eq!(run_bare(&case).count(), case.end - case.start);
            }));
            let dir = tempfile::tempdir().unwrap();
            ttg.push(timed(|| run_ttg(&case, dir.path())));
        }
        let (ttg, bare) = (median(ttg), median(bare));
        let ratio = ttg.as_secs_f64() / bare.as_secs_f64();
        let Case { kernel, start, end, .. } = case;
        println!("{kernel} {start}..{end}: ttg {ttg:?}, bare {bare:?}, ratio {ratio:.3}");
    }
    let dir = tempfile::tempdir().unwrap();
    let tiny = Case { kernel: "reference", start: 0, end: 1, bare: bare_reference };
    let starts =
        (0..ROUNDS).map(|round| timed(|| run_ttg(&tiny, &dir.path().join(round.to_string()))));
    let start = median(starts.collect());
    println!("one parameter with an empty data dir, process start to end: {start:?}");
}

fn bare_collatz(start: u64, end: u64, accumulator: &mut Accumulator) {
    let mut values = [0.0; 2_000];
    let mut next = start;
    while next < end {
        let count = (end - next).min(values.len() as u64);
        let values = &mut values[..usize::try_from(count).unwrap()];
        for (value, parameter) in values.iter_mut().zip(next..) {
            *value = Collatz::steps(parameter).unwrap() as f64;
        }
        accumulator.add_slice(next, values);
        next += count;
    }
}

/// The values repeat every 1000 parameters, as the kernel knows, too. `start` is a multiple of it.
fn bare_reference(start: u64, end: u64, accumulator: &mut Accumulator) {
    let table: Vec<f64> = (0..1_000).map(Reference::value).collect();
    let mut next = start;
    while next < end {
        let count = (end - next).min(table.len() as u64);
        accumulator.add_slice(next, &table[..usize::try_from(count).unwrap()]);
        next += count;
    }
}

fn run_bare(case: &Case) -> Aggregate {
    let next = AtomicU64::new(case.start);
    let work = || {
        let mut accumulator = Accumulator::new();
        loop {
            let start = next.fetch_add(BLOCK, Ordering::Relaxed);
            if start >= case.end {
                return accumulator.take();
            }
            (case.bare)(start, case.end.min(start + BLOCK), &mut accumulator);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().fold(Aggregate::default(), |mut sum, thread| {
            sum.merge(&thread.join().unwrap());
            sum
        })
    })
}

fn run_ttg(case: &Case, dir: &Path) {
    let range = format!("{}..{}", case.start, case.end);
    let threads = THREADS.to_string();
    let status = Command::new(env!("CARGO_BIN_EXE_ttg"))
        .args(["run", "--kernel", case.kernel, "--range", &range, "--concurrency", &threads])
        .args(["--json", "--log-level", "error", "--data-dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

fn timed(run: impl FnOnce()) -> Duration {
    let started = SystemClock.now();
    run();
    SystemClock.now().since(started)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
