//! What does TTG cost over a bare loop on two threads?
//!
//! Each round runs `ttg run` as a process, from start to end, and the bare loop, one right after the
//! other, so that both see the same machine; the order changes from round to round. The bare loop has the same function and accumulator and shares
//! blocks of parameters by a counter, with nothing else: no store, no leases, no checks. What
//! counts is the median of the rounds' ratios; the aim is at most 1.05 for `collatz` over 10^7 and 1.10
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

const ROUNDS: usize = 21;
const THREADS: usize = 2;
const BLOCK: u64 = 100_000;
/// Values that a bare loop computes before it adds them up; a multiple of the period of
/// `reference`.
const BUFFER: usize = 2_000;

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
    println!("{THREADS} threads, medians of {ROUNDS} rounds");
    for case in cases {
        let rounds: Vec<_> = (0..ROUNDS).map(|round| Round::run(&case, round % 2 == 0)).collect();
        let ratio = median(rounds.iter().map(Round::ratio).collect());
        let seconds = |of: fn(&Round) -> Duration| {
            median(rounds.iter().map(|round| of(round).as_secs_f64()).collect())
        };
        let (ttg, bare) = (seconds(|round| round.ttg), seconds(|round| round.bare));
        let Case { kernel, start, end, .. } = case;
        println!("{kernel} {start}..{end}: ttg {ttg:.3} s, bare {bare:.3} s, ratio {ratio:.3}");
    }
    let dir = tempfile::tempdir().unwrap();
    let tiny = Case { kernel: "reference", start: 0, end: 1, bare: bare_reference };
    let starts = (0..ROUNDS).map(|round| {
        timed(|| run_ttg(&tiny, &dir.path().join(round.to_string()))).as_secs_f64() * 1_000.0
    });
    let start = median(starts.collect());
    println!("one parameter with an empty data dir, process start to end: {start:.1} ms");
}

struct Round {
    ttg: Duration,
    bare: Duration,
}

impl Round {
    fn run(case: &Case, ttg_first: bool) -> Self {
        let bare = || timed(|| assert_eq!(run_bare(case).count(), case.end - case.start));
        let dir = tempfile::tempdir().unwrap();
        let ttg = || timed(|| run_ttg(case, dir.path()));
        if ttg_first {
            let ttg = ttg();
            Self { ttg, bare: bare() }
        } else {
            let bare = bare();
            Self { ttg: ttg(), bare }
        }
    }

    fn ratio(&self) -> f64 {
        self.ttg.as_secs_f64() / self.bare.as_secs_f64()
    }
}

fn bare_collatz(start: u64, end: u64, accumulator: &mut Accumulator) {
    let mut values = [0.0; BUFFER];
    for_blocks(start, end, |first, count| {
        let values = &mut values[..count];
        for (value, parameter) in values.iter_mut().zip(first..) {
            *value = Collatz::steps(parameter).unwrap() as f64;
        }
        accumulator.add_slice(first, values);
    });
}

/// The values repeat every 1000 parameters, as the kernel knows, too. `start` is a multiple of it.
fn bare_reference(start: u64, end: u64, accumulator: &mut Accumulator) {
    let table: Vec<f64> = (0..BUFFER as u64).map(Reference::value).collect();
    let mut values = [0.0; BUFFER];
    for_blocks(start, end, |first, count| {
        values[..count].copy_from_slice(&table[..count]);
        accumulator.add_slice(first, &values[..count]);
    });
}

fn for_blocks(start: u64, end: u64, mut block: impl FnMut(u64, usize)) {
    let mut first = start;
    while first < end {
        let count = (end - first).min(BUFFER as u64);
        block(first, usize::try_from(count).unwrap());
        first += count;
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

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
