//! One run: rounds of faults, each around a job that must end exact.

use std::collections::BTreeMap;
use std::time::Duration;

use ttg_runtime::{Clock, Randomness, SeededRandomness, SystemClock, Timestamp};

use crate::broker::{Backend, sandbox};
use crate::fault::Fault;
use crate::pool::{Number, Pool};

/// Faults of one round, if there are no more kinds of them. A round is as many as a gate may wait for.
const FAULTS_A_ROUND: usize = 10;

const WORKERS: u64 = 4;

/// A job that takes four workers of two slots 20 seconds at least, each parameter being a millisecond of
/// work: longer than a round's faults with the last of them.
const PARAMETERS: u64 = 160_000;

/// From one fault to the next.
const PACE: Duration = Duration::from_millis(900);

/// How long those last that are to outlast a lease, and the others.
const LONG: Duration = Duration::from_secs(3);
const SHORT: Duration = Duration::from_millis(1_500);

/// How late what passes is while the network is slow.
const DELAY: Duration = Duration::from_millis(80);

/// Of parameters, at each attempt. None of them fails so often that it dies.
const FAULT_RATE: f64 = 0.000_5;

/// By how much clocks are stepped: by more than a lease, or as by a wrong zone.
const STEPS: [Duration; 2] = [Duration::from_millis(2_500), Duration::from_hours(1)];

/// What is to be undone.
enum Mend {
    Worker(Number),
    Launch,
    Thaw,
    Free,
}

/// Injects faults of every kind that can befall the broker, and proves that nothing came of it.
///
/// # Panics
/// If a parameter is lost, counted twice or dead.
pub(crate) fn run(mut backend: Backend) {
    let a_round = kinds(&backend).len().max(FAULTS_A_ROUND) as u64;
    let wanted = wanted().unwrap_or(a_round);
    let randomness = SeededRandomness::new(wanted);
    let calm = sandbox().ttg(&format!("run --parameters {PARAMETERS} --json")).expect_code(0);
    let calm = calm.report();
    let mut injected = BTreeMap::<Fault, u64>::new();
    let (mut rounds, mut redelivered, mut duplicates) = (0, 0, 0);
    while injected.values().sum::<u64>() < wanted {
        let left = wanted - injected.values().sum::<u64>();
        for fault in round(&mut backend, rounds, left.min(a_round), &randomness) {
            *injected.entry(fault).or_default() += 1;
        }
        let job = format!("round-{rounds}");
        let report = backend.sandbox.look(&job).expect("it was submitted");
        report.assert_complete(PARAMETERS, 0);
        assert_eq!(report.result.get(), calm.result.get(), "{job}");
        backend.sandbox.ttg(&format!("verify {job}")).expect_code(0);
        backend.sandbox.ttg(&format!("purge {job}")).expect_code(0);
        redelivered += report.chunks.redelivered;
        duplicates += report.chunks.duplicates_dropped;
        rounds += 1;
    }
    tell(backend.name, &injected, rounds, redelivered, duplicates);
}

/// The table of what was injected, for `tests/README.md`.
#[expect(clippy::print_stdout, reason = "it is what a long run is for")]
fn tell(broker: &str, injected: &BTreeMap<Fault, u64>, jobs: u64, again: u64, twice: u64) {
    for (fault, count) in injected {
        println!("| {broker} | {fault:42} | {count:5} |");
    }
    let all: u64 = injected.values().sum();
    let parameters = jobs * PARAMETERS;
    println!(
        "{broker}: {all} faults in {jobs} jobs of {parameters} parameters; none lost, none counted \
         twice, none dead; {again} chunks delivered again, {twice} duplicates dropped"
    );
}

/// Injects `count` faults while a job is computed, mends them, and waits for its end.
fn round(
    backend: &mut Backend,
    number: u64,
    count: u64,
    randomness: &dyn Randomness,
) -> Vec<Fault> {
    let job = format!("round-{number}");
    // Some fail and are tried again, so that deadlines of the broker's are part of it.
    let submit = format!(
        "submit --job {job} --parameters {PARAMETERS} --chunk-size 40 --set simulate-work-ms=1 \
         --set simulate-fault-rate={FAULT_RATE}"
    );
    backend.sandbox.ttg(&submit).expect_code(0);
    let mut pool = Pool::start(backend, WORKERS);
    // Once somebody works on it.
    backend.sandbox.until(&job, |report| report.chunks.completed > 0);
    let mut faults = Vec::new();
    let mut lasting: Vec<(Timestamp, Mend)> = Vec::new();
    while faults.len() < usize::try_from(count).expect("it is small") || !lasting.is_empty() {
        if faults.len() < usize::try_from(count).expect("it is small") {
            let fault = choose(&kinds(backend), &faults, randomness);
            if fault.is_of_the_broker() {
                // One at a time: what is frozen cannot be asked, what is away cannot be frozen.
                let of_the_broker =
                    |(_, mend): &mut (Timestamp, Mend)| !matches!(mend, Mend::Worker(_));
                for (_, what) in lasting.extract_if(.., of_the_broker) {
                    mend(&what, backend, &pool);
                }
            }
            if let Some((mend, after)) = inject(fault, backend, &mut pool, randomness) {
                lasting.push((SystemClock.now().after(after), mend));
            }
            faults.push(fault);
        }
        pool.tend(backend, PACE);
        let now = SystemClock.now();
        for (_, what) in lasting.extract_if(.., |(until, _)| *until <= now) {
            mend(&what, backend, &pool);
        }
    }
    // What is complete stays so: if it is not by now, none of the faults came too late.
    let report = backend.sandbox.look(&job).expect("it was submitted");
    assert_eq!(report.status, "running", "{job} was over before its last fault was");
    // The job goes on while somebody looks.
    while backend.sandbox.look(&job).is_none_or(|report| report.status != "complete") {
        pool.tend(backend, PACE);
    }
    pool.end();
    faults
}

/// Every kind in turn, in an order by chance.
fn choose(kinds: &[Fault], before: &[Fault], randomness: &dyn Randomness) -> Fault {
    let times = |kind: &Fault| before.iter().filter(|fault| *fault == kind).count();
    let fewest = kinds.iter().map(times).min().unwrap_or(0);
    let next: Vec<_> = kinds.iter().filter(|kind| times(kind) == fewest).collect();
    **one_of(&next, randomness)
}

fn one_of<'a, T>(these: &'a [T], by: &dyn Randomness) -> &'a T {
    let at = by.next_u64() % these.len() as u64;
    &these[usize::try_from(at).expect("it is small")]
}

/// What is to be undone, and after how long.
fn inject(
    fault: Fault,
    backend: &mut Backend,
    pool: &mut Pool,
    by: &dyn Randomness,
) -> Option<(Mend, Duration)> {
    match fault {
        Fault::Kill => pool.kill(by),
        Fault::ScaleDown => pool.scale_down(),
        Fault::Reset => pool.reset_all(),
        Fault::ClockForward => backend.clock().forward(*one_of(&STEPS, by)),
        Fault::ClockBack => backend.clock().back(*one_of(&STEPS, by)),
        Fault::Freeze => return Some((Mend::Worker(pool.freeze(by)), LONG)),
        Fault::MemoryLimit => return Some((Mend::Worker(pool.limit_memory(by)), SHORT)),
        Fault::CutOff => return Some((Mend::Worker(pool.cut(by)), LONG)),
        Fault::Delay => return Some((Mend::Worker(pool.slow_down(by, DELAY)), LONG)),
        Fault::BrokerKill => {
            backend.kill();
            return Some((Mend::Launch, SHORT));
        }
        Fault::BrokerFreeze => {
            backend.freeze();
            return Some((Mend::Thaw, SHORT));
        }
        Fault::NoRoom => {
            backend.fill();
            return Some((Mend::Free, SHORT));
        }
    }
    None
}

fn mend(what: &Mend, backend: &mut Backend, pool: &Pool) {
    match what {
        Mend::Worker(number) => pool.mend(*number),
        Mend::Launch => backend.launch(),
        Mend::Thaw => backend.thaw(),
        Mend::Free => backend.free(),
    }
}

/// `TTG_TEST_FAULTS`, for who wants a longer run than one round.
fn wanted() -> Option<u64> {
    asked("TTG_TEST_FAULTS").map(|asked| asked.parse().expect("a number of faults"))
}

/// What can happen to the broker; of that, where `TTG_TEST_FAULT` says a word, what has it in its name.
fn kinds(backend: &Backend) -> Vec<Fault> {
    let word = asked("TTG_TEST_FAULT").unwrap_or_default();
    let mut kinds = backend.faults();
    kinds.retain(|fault| fault.to_string().contains(&word));
    assert!(!kinds.is_empty(), "nothing that can happen here is called `{word}`");
    kinds
}

#[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
