//! `ttg submit` publishes for others to compute.

use crate::sandbox;

#[test]
fn what_one_process_submits_another_computes_while_a_third_waits() {
    let sandbox = sandbox();
    let line = "submit --job shared --kernel collatz --range 1..100001 --chunk-size 1000 --json";
    let submitted = sandbox.ttg(line).expect_code(0).report();
    assert_eq!((submitted.status.as_str(), submitted.chunks.total), ("running", 100));
    let mut waiting = sandbox.start(&format!("{line} --wait"));
    waiting.until_line("event=starting");
    sandbox.ttg("worker --until-complete shared").expect_code(0);
    let report = waiting.end().expect_code(0).report();
    report.assert_complete(100_000, 0);
    let alone =
        sandbox.ttg("run --kernel collatz --range 1..100001 --json").expect_code(0).report();
    assert_eq!(report.result.get(), alone.result.get());
    // Submitted again, it is only reported.
    sandbox.ttg(line).expect_code(0).report().assert_complete(100_000, 0);
    let other = "submit --job shared --kernel collatz --range 1..100002 --chunk-size 1000";
    sandbox.ttg(other).expect_code(2);
}

#[test]
fn a_submission_that_was_killed_is_completed_by_the_same_command() {
    let sandbox = sandbox();
    let line = "submit --job large --parameters 300000 --chunk-size 1";
    let running = sandbox.start(line);
    sandbox.until("large", |_| true);
    running.kill();
    sandbox.ttg(line).expect_code(0);
    // All 300 000 chunks are there, each once.
    let worker =
        sandbox.ttg("run --job large --parameters 300000 --chunk-size 1 --log-level error --json");
    worker.expect_code(0).report().assert_complete(300_000, 0);
}

#[test]
fn a_kernel_that_nobody_has_is_a_warning_and_not_an_error() {
    let sandbox = sandbox();
    let ended = sandbox.ttg("submit --job foreign --kernel elsewhere --parameters 20000");
    let ended = ended.expect_code(0);
    assert!(ended.stderr.contains("this program lacks the kernel"), "{ended:#?}");
    let report = sandbox.look("foreign").expect("it is there");
    assert_eq!(report.chunks.total, 10_000, "a ten-thousandth of the job");
}

#[test]
fn waiting_ends_by_a_signal_and_the_job_goes_on() {
    let sandbox = sandbox();
    let mut waiting = sandbox.start("submit --job patient --parameters 10 --wait");
    waiting.until_line("event=starting");
    sandbox.until("patient", |_| true);
    waiting.signal(ttg_tests::Signal::SIGINT);
    let ended = waiting.end().expect_code(130);
    assert!(ended.stderr.contains("waits on"), "{ended:#?}");
    sandbox.ttg("worker --until-complete patient").expect_code(0);
}
