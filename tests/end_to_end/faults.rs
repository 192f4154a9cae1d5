//! What a kernel does wrong costs the parameter that it does it for, and no other.

use crate::sandbox;

/// Runs `faulty` over 0..2000 in chunks of 100 and asserts that of it only `bad` die. Retries wait
/// a moment only.
fn only_these_die(options: &str, bad: &[u64]) {
    let ended = sandbox().ttg(&format!(
        "run --kernel faulty --parameters 2000 --chunk-size 100 --retry-delay 1ms \
         --set {options} --json"
    ));
    let report = ended.expect_code(3).report();
    report.assert_complete(2_000, bad.len() as u64);
    let sum: u64 = (0..2_000).filter(|parameter| !bad.contains(parameter)).sum();
    assert_eq!(report.result("sum"), format!("{sum}.0"));
    let chunks = report.chunks;
    assert_eq!((chunks.completed, chunks.dead), (20, 0));
    // Three attempts each, the first of which is no redelivery; the other chunks have one.
    let mut hit: Vec<u64> = bad.iter().map(|parameter| parameter / 100).collect();
    hit.dedup();
    assert_eq!(chunks.redelivered, 2 * hit.len() as u64);
}

#[test]
fn a_parameter_that_panics_dies_alone() {
    only_these_die("panic=1234", &[1_234]);
}

#[test]
fn twenty_panics_in_twenty_chunks_do_not_end_the_worker() {
    let bad: Vec<u64> = (0..20).map(|chunk| chunk * 100 + 3 * chunk).collect();
    let list: Vec<_> = bad.iter().map(ToString::to_string).collect();
    only_these_die(&format!("panic={}", list.join("+")), &bad);
}

#[test]
fn values_that_are_not_finite_die_alone() {
    only_these_die("nan=7 --set infinite=8+1999", &[7, 8, 1_999]);
}

#[test]
fn every_way_to_fail_within_one_chunk_costs_the_parameters_that_fail() {
    only_these_die(
        "panic=500+599 --set nan=501+550 --set infinite=598",
        &[500, 501, 550, 598, 599],
    );
}

#[test]
fn a_chunk_of_which_every_parameter_dies_is_dead_and_the_job_ends() {
    let ended = sandbox().ttg(
        "run --kernel faulty --parameters 3 --chunk-size 1 --retry-delay 1ms \
         --set panic=0 --set nan=2 --json",
    );
    let report = ended.expect_code(3).report();
    report.assert_complete(3, 2);
    assert_eq!((report.chunks.completed, report.chunks.dead), (1, 2));
    assert_eq!(report.result("argmax"), "1");
}

#[test]
fn zero_never_reaches_one_and_is_the_only_dead_parameter_of_collatz() {
    let sandbox = sandbox();
    let line = "run --kernel collatz --range 0..1000 --retry-delay 1ms --job zero --json";
    let report = sandbox.ttg(line).expect_code(3).report();
    report.assert_complete(1_000, 1);
    assert_eq!(report.result("max"), "178.0");
    assert_eq!(report.result("argmax"), "871");
    // Resumed or looked at, it has dead letters still.
    sandbox.ttg(line).expect_code(3);
    sandbox.ttg("results zero").expect_code(3);
}

#[test]
fn faults_that_a_retry_heals_leave_no_trace_in_the_result() {
    let healed = sandbox().ttg(
        "run --parameters 10000 --chunk-size 10 --retry-delay 1ms --max-attempts 9 \
         --set simulate-fault-rate=0.02 --json",
    );
    let report = healed.expect_code(0).report();
    report.assert_complete(10_000, 0);
    assert_eq!(report.result("sum"), "5000355.0");
    assert!(report.chunks.redelivered > 0);
}
