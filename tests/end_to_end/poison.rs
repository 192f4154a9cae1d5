//! Whatever a parameter does to the process that evaluates it, it dies of it alone: no other is
//! charged for it, and the workers go on.

use std::collections::BTreeMap;

use ttg_runtime::{DeadReason, FailureKind};
use ttg_tests::{Ended, Fleet, Running, Sandbox, Signal, dead_letters};

use crate::sandbox;

const PARAMETERS: u64 = 2_000;
const JOB: &str = "submit --job poison --kernel deadly --parameters 2000 --retry-delay 1ms";
const WORKER: &str = "worker --until-complete poison --concurrency 4";

/// How the job is cut.
#[derive(Clone, Copy)]
struct Cut {
    chunk_size: u64,
    work_us: u64,
}

/// A hundred chunks of 5 ms: a worker holds tens of them beside those that it evaluates.
const HUNDRED: Cut = Cut { chunk_size: 20, work_us: 200 };

/// Chunks that take no time: a slot is handed hundreds at once, and reports them together.
const TINY: Cut = Cut { chunk_size: 1, work_us: 0 };

/// What a parameter is expected to be dead of: the kind, and a part of the reason.
type Death = (FailureKind, &'static str);

/// Has two workers compute [`JOB`] with these options and this cut, and asserts that the parameters which `dead`
/// names are dead of what it says, that all others have their value, and that no chunk is charged
/// but theirs. Returns the deaths of workers.
#[track_caller]
fn only_these_die(
    sandbox: &Sandbox,
    (cut, options): (Cut, &str),
    dead: &BTreeMap<u64, Death>,
    start: impl Fn(&str) -> Running,
) -> Vec<Ended> {
    let Cut { chunk_size, work_us } = cut;
    let cut = format!("--chunk-size {chunk_size} --set work-us={work_us}");
    sandbox.ttg(&format!("{JOB} {cut} {options}")).expect_code(0);
    let (deaths, done) = Fleet::new(2, || start(WORKER)).end();
    for worker in done {
        worker.expect_code(3);
    }

    let report = sandbox.look("poison").expect("it was submitted");
    report.assert_complete(PARAMETERS, dead.len() as u64);
    let sum: u64 = (0..PARAMETERS).filter(|parameter| !dead.contains_key(parameter)).sum();
    assert_eq!(report.result("sum"), format!("{sum}.0"));

    let outcomes = sandbox.store().outcomes("poison");
    let letters = dead_letters(&outcomes);
    assert!(letters.keys().eq(dead.keys()), "{letters:#?}");
    for (parameter, (kind, why)) in dead {
        let DeadReason { kind: found, message } = &letters[parameter];
        assert!(found == kind && message.contains(why), "{parameter}: {letters:#?}");
    }
    for (chunk, outcome) in outcomes {
        let is_hit = dead.keys().any(|parameter| parameter / chunk_size == chunk);
        let attempts = if is_hit { 3 } else { 1 };
        assert_eq!(outcome.attempt, attempts, "{outcome:#?}");
    }
    deaths
}

/// One parameter, 1 234, in the middle of all others.
#[track_caller]
fn one_dies(options: &str, death: Death, start: impl Fn(&Sandbox, &str) -> Running) -> Vec<Ended> {
    let sandbox = sandbox();
    let start = |line: &str| start(&sandbox, line);
    only_these_die(&sandbox, (HUNDRED, options), &[(1_234, death)].into(), start)
}

/// Of all workers one died, by the first evaluation; from then on it was children.
#[track_caller]
fn one_death(deaths: &[Ended], how: impl Fn(&Ended) -> bool) {
    assert!(deaths.len() == 1 && deaths.iter().all(how), "{deaths:#?}");
}

fn by_abort(ended: &Ended) -> bool {
    ended.signal == Some(Signal::SIGABRT as i32)
}

const ABORT: Death = (FailureKind::Killed, "it killed its process by signal 6 (abort)");
const TIMEOUT: Death = (FailureKind::Timeout, "it took longer than 1s");

#[test]
fn a_parameter_that_aborts_dies_alone() {
    let deaths = one_dies("--set abort=1234", ABORT, Sandbox::start);
    one_death(&deaths, by_abort);
}

#[test]
fn a_parameter_that_overflows_the_stack_dies_alone() {
    let deaths = one_dies("--set overflow=1234", ABORT, Sandbox::start);
    one_death(&deaths, by_abort);
}

#[test]
fn a_parameter_that_exits_dies_alone() {
    let death = (FailureKind::Killed, "it ended its process with exit code 7");
    let deaths = one_dies("--set exit=1234", death, Sandbox::start);
    one_death(&deaths, |ended| ended.code == Some(7));
}

#[test]
fn a_parameter_that_takes_all_memory_dies_alone() {
    let deaths = one_dies("--set hog=1234", ABORT, |sandbox, line| sandbox.start_within(256, line));
    one_death(&deaths, |ended| ended.stderr.contains("memory allocation of"));
}

#[test]
fn a_parameter_that_hangs_dies_alone_and_no_worker_with_it() {
    let deaths = one_dies("--timeout 1s --set hang=1234", TIMEOUT, Sandbox::start);
    assert!(deaths.is_empty(), "{deaths:#?}");
}

#[test]
fn a_hang_among_tiny_chunks_is_charged_to_the_one_that_hangs() {
    let sandbox = sandbox();
    let options = "--timeout 1s --set hang=1234";
    let dead = [(1_234, TIMEOUT)].into();
    only_these_die(&sandbox, (TINY, options), &dead, |line| sandbox.start(line));
}

#[test]
fn a_parameter_that_panics_dies_alone_and_no_worker_with_it() {
    let deaths =
        one_dies("--set panic=1234", (FailureKind::Panic, "1234 is poison"), Sandbox::start);
    assert!(deaths.is_empty(), "{deaths:#?}");
}

#[test]
fn a_parameter_that_fails_dies_alone_and_no_worker_with_it() {
    let deaths = one_dies("--set error=1234", (FailureKind::Error, "no root"), Sandbox::start);
    assert!(deaths.is_empty(), "{deaths:#?}");
}

#[test]
fn twenty_that_abort_hang_or_panic_die_and_no_innocent_does() {
    let deeds: [(&str, u64, Death); 3] = [
        ("abort", 7, ABORT),
        ("hang", 6, TIMEOUT),
        ("panic", 7, (FailureKind::Panic, "is poison")),
    ];
    let mut dead = BTreeMap::new();
    let mut options = "--timeout 1s ".to_owned();
    for (at, (deed, count, death)) in (0..).zip(deeds) {
        // One in every fourth chunk, the deeds by turns, each elsewhere in its chunk.
        let whose =
            (0..count).map(|number| (3 * number + at) * 4 * HUNDRED.chunk_size + 3 * number);
        let list: Vec<_> = whose.clone().map(|parameter| parameter.to_string()).collect();
        options += &format!("--set {deed}={} ", list.join("+"));
        dead.extend(whose.map(|parameter| (parameter, death)));
    }
    assert_eq!(dead.len(), 20);
    let sandbox = sandbox();
    let deaths = only_these_die(&sandbox, (HUNDRED, &options), &dead, |line| sandbox.start(line));
    // A worker that gave up for too many restarts would have ended with code 1.
    assert!(deaths.len() <= 7 && deaths.iter().all(by_abort), "{deaths:#?}");
}
