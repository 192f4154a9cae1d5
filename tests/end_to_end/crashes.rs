//! Workers are killed at any moment, or share their store with others: every parameter is counted
//! once all the same.

use ttg_tests::{Running, Sandbox, Signal};

use crate::sandbox;

/// Three seconds of work: 300 chunks of 40 ms on four slots.
const SLOW: &str = "run --job slow --parameters 3000 --chunk-size 10 --set simulate-work-ms=4 \
                    --concurrency 4 --log-format json --json";

/// What a worker of [`SLOW`] holds at most: a chunk a slot, and 100 ms of work a slot ahead, which
/// are two chunks.
const HELD: u64 = 4 + 8;

/// The sum over 0..3000, three periods of `reference`.
const SUM: &str = "1500106.5";

fn event(name: &str) -> String {
    format!(r#""event":"{name}""#)
}

/// Kills what `start` started when its log tells `moment`.
fn kill_at_event(mut running: Running, moment: &str) {
    running.until_line(&event(moment));
    let killed = running.kill();
    assert_eq!(killed.signal, Some(Signal::SIGKILL as i32), "{killed:#?}");
}

/// Kills a run of [`SLOW`] when at least `chunks` of it are committed.
fn kill_at(sandbox: &Sandbox, chunks: u64) {
    let running = sandbox.start(SLOW);
    sandbox.until("slow", |report| report.chunks.completed >= chunks);
    let killed = running.kill();
    assert_eq!(killed.signal, Some(Signal::SIGKILL as i32), "{killed:#?}");
}

#[test]
fn a_run_that_is_killed_again_and_again_resumes_and_counts_every_parameter_once() {
    let sandbox = sandbox();
    for moment in ["starting", "initialized", "running"] {
        kill_at_event(sandbox.start(SLOW), moment);
    }
    let moments = [1, 60, 120, 180];
    for chunks in moments {
        kill_at(&sandbox, chunks);
    }
    let left = sandbox.look("slow").expect("it was submitted");
    assert_eq!(left.status, "running");

    let report = sandbox.ttg(SLOW).expect_code(0).report();
    report.assert_complete(3_000, 0);
    assert_eq!(report.result("sum"), SUM);
    assert_eq!(report.uid, left.uid);
    let chunks = report.chunks;
    assert_eq!((chunks.total, chunks.dead), (300, 0));
    assert_eq!(chunks.duplicates_dropped, 0, "nobody computes what another holds");
    // The one that was killed when it began to run may have held chunks, too.
    let rounds = moments.len() as u64 + 1;
    assert!(chunks.redelivered >= 1, "{chunks:?}");
    assert!(chunks.redelivered <= rounds * HELD, "{chunks:?}");
}

#[test]
fn a_run_that_is_killed_while_it_publishes_resumes_without_a_chunk_more_or_less() {
    let sandbox = sandbox();
    let line = "run --job fine --parameters 200000 --chunk-size 1 --log-format json --json";
    kill_at_event(sandbox.start(line), "running");
    for chunks in [1, 5_000, 20_000] {
        let running = sandbox.start(line);
        sandbox.until("fine", |report| report.chunks.completed >= chunks);
        running.kill();
    }
    let report = sandbox.ttg(line).expect_code(0).report();
    report.assert_complete(200_000, 0);
    assert_eq!(report.chunks.total, 200_000);
    assert_eq!(report.result("sum"), "100007100.0");
}

/// Starts two runs of [`SLOW`], and returns when both have committed a chunk.
fn two_at_work(sandbox: &Sandbox) -> [Running; 2] {
    let mut first = sandbox.start(SLOW);
    first.until_line(&event("running"));
    let second = sandbox.start(SLOW);
    sandbox.until("slow", |report| report.workers.len() == 2);
    [first, second]
}

#[test]
fn two_runs_of_one_job_share_its_work_and_both_report_it_whole() {
    let sandbox = sandbox();
    let [first, second] = two_at_work(&sandbox).map(|running| running.end().expect_code(0));
    let (first, second) = (first.report(), second.report());
    first.assert_complete(3_000, 0);
    second.assert_complete(3_000, 0);
    assert_eq!(first.result("sum"), SUM);
    assert_eq!(first.columns.get(), second.columns.get());
    assert_eq!(first.uid, second.uid);
    let chunks = first.chunks;
    assert_eq!((chunks.redelivered, chunks.duplicates_dropped), (0, 0));
}

#[test]
fn when_one_of_two_runs_is_killed_the_other_finishes_the_job() {
    let sandbox = sandbox();
    let [survivor, victim] = two_at_work(&sandbox);
    victim.kill();
    let report = survivor.end().expect_code(0).report();
    report.assert_complete(3_000, 0);
    assert_eq!(report.result("sum"), SUM);
    assert!(report.chunks.redelivered <= HELD, "{:?}", report.chunks);
    assert_eq!(report.workers.len(), 2);
}
