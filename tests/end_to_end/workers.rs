//! `ttg worker` from its start to its end: it waits for work, computes what others submit, and ends
//! when it was told to.

use ttg_tests::{Ended, Running, Sandbox, Signal, WorkerReport, until};

use crate::sandbox;

/// Starts a worker, and returns when it works.
fn worker(sandbox: &Sandbox, options: &str) -> Running {
    let mut worker = sandbox.start(&format!("worker {options} --json"));
    worker.until_line("event=running");
    worker
}

/// Returns when workers hold exactly this many chunks of `job`.
fn until_held(sandbox: &Sandbox, job: &str, chunks: u64) {
    let store = sandbox.store();
    until("workers have the chunks", || (store.in_flight(job) == chunks).then_some(()));
}

/// The report of a worker that ended with `code`, for `status`.
#[track_caller]
fn reported(ended: Ended, code: i32, status: &str) -> WorkerReport {
    let report = ended.expect_code(code).worker_report();
    assert_eq!(report.status, status, "{report:#?}");
    report
}

/// Sends `signal` to a worker that holds all there is, in chunks of more than a second, while another
/// is idle; which then computes all of it.
#[track_caller]
fn a_signal_hands_the_work_over(signal: Signal) {
    let sandbox = sandbox();
    // Its lease would not end in time.
    let options = "--concurrency 2 --lease 10m";
    sandbox
        .ttg("submit --job handed --parameters 600 --chunk-size 300 --set simulate-work-ms=4")
        .expect_code(0);
    let leaving = worker(&sandbox, options);
    until_held(&sandbox, "handed", 2);
    let staying = worker(&sandbox, &format!("{options} --until-complete handed"));

    leaving.signal(signal);
    let left = reported(leaving.end(), 0, "drained");
    assert_eq!((left.chunks, left.leases_lost), (0, 0), "{left:#?}");
    // The other has it at once.
    until_held(&sandbox, "handed", 2);
    let stayed = reported(staying.end(), 0, "complete");
    assert_eq!((stayed.chunks, stayed.redelivered), (2, 0), "{stayed:#?}");

    let report = sandbox.look("handed").expect("it was submitted");
    report.assert_complete(600, 0);
    let chunks = report.chunks;
    assert_eq!((chunks.redelivered, chunks.duplicates_dropped), (0, 0), "nothing is charged");
    for outcome in sandbox.store().outcomes("handed").values() {
        assert_eq!(outcome.attempt, 1, "{outcome:#?}");
    }
}

#[test]
fn sigterm_hands_the_work_over_to_another_worker() {
    a_signal_hands_the_work_over(Signal::SIGTERM);
}

#[test]
fn sigint_hands_the_work_over_to_another_worker() {
    a_signal_hands_the_work_over(Signal::SIGINT);
}

#[test]
fn a_second_signal_ends_a_worker_whose_kernel_does_not() {
    let sandbox = sandbox();
    // One parameter takes ten minutes, and a slice is never cut.
    let job = "submit --job stuck --parameters 1 --chunk-size 1 --set simulate-work-ms=600000";
    sandbox.ttg(job).expect_code(0);
    let worker = worker(&sandbox, "--lease 10m");
    until_held(&sandbox, "stuck", 1);
    // Two of a kind could arrive as one. Of two kinds, either may be seen first.
    worker.signal(Signal::SIGTERM);
    worker.signal(Signal::SIGINT);
    let ended = worker.end();
    assert!(matches!(ended.code, Some(130 | 143)), "{ended:#?}");
    assert_eq!(ended.stdout, "", "it does not know what became of its work");
}

#[test]
fn a_worker_without_work_ends_after_its_idle_timeout() {
    let sandbox = sandbox();
    let idle = reported(sandbox.ttg("worker --idle-timeout 300ms --json"), 0, "idle");
    assert!(idle.chunks == 0 && idle.elapsed_seconds >= 0.3, "{idle:#?}");
}

#[test]
fn a_worker_that_computes_is_not_idle() {
    let sandbox = sandbox();
    // One chunk, longer than the timeout.
    sandbox
        .ttg("submit --job long --parameters 200 --chunk-size 200 --set simulate-work-ms=4")
        .expect_code(0);
    let worked = reported(sandbox.ttg("worker --idle-timeout 300ms --json"), 0, "idle");
    assert!(worked.chunks == 1 && worked.elapsed_seconds >= 1.1, "{worked:#?}");
    sandbox.look("long").expect("it was submitted").assert_complete(200, 0);
}

#[test]
fn a_worker_waits_for_a_job_that_is_not_yet_submitted() {
    let sandbox = sandbox();
    let [first, second] = ["good", "holed"]
        .map(|job| worker(&sandbox, &format!("--until-complete {job} --concurrency 1")));
    let submit = "submit --retry-delay 1ms --chunk-size 10 --job";
    sandbox.ttg(&format!("{submit} good --parameters 1000")).expect_code(0);
    let first = reported(first.end(), 0, "complete");
    // The other's job is not there yet; what there was, both have computed.
    sandbox.ttg(&format!("{submit} holed --kernel collatz --range 0..1000")).expect_code(0);
    let second = reported(second.end(), 3, "complete");
    assert_eq!(first.chunks + second.chunks, 200);
    assert_eq!((first.parameters + second.parameters, second.dead), (1_999, 1));
    sandbox.look("good").expect("it was submitted").assert_complete(1_000, 0);
    sandbox.look("holed").expect("it was submitted").assert_complete(1_000, 1);
}

#[test]
fn a_worker_whose_job_was_complete_before_ends_at_once() {
    let sandbox = sandbox();
    sandbox.ttg("run --job past --parameters 100").expect_code(0);
    let late = reported(sandbox.ttg("worker --until-complete past --json"), 0, "complete");
    assert_eq!(late.chunks, 0, "{late:#?}");
}

#[test]
fn a_worker_whose_job_is_cancelled_ends_with_an_error() {
    let sandbox = sandbox();
    sandbox
        .ttg("submit --job off --parameters 100000 --chunk-size 100 --set simulate-work-ms=4")
        .expect_code(0);
    let worker = worker(&sandbox, "--until-complete off");
    sandbox.until("off", |report| report.chunks.completed > 0);
    sandbox.store().cancel("off");
    let ended = worker.end();
    assert!(ended.stderr.contains("error: job `off` was cancelled"), "{ended:#?}");
    let report = reported(ended, 2, "cancelled");
    assert!(report.chunks > 0, "{report:#?}");
}
