//! Workers are killed at random, one a second, and started again: no parameter dies of that.

use std::time::Duration;

use ttg_runtime::{Randomness, SeededRandomness};
use ttg_tests::{Fleet, Signal};

use crate::sandbox;

/// For how long, about, if the environment does not say otherwise: as long as a gate may wait.
const SECONDS: u64 = 8;

/// What three workers of two slots compute in a second while they are killed: 140 chunks of 40 ms.
const PARAMETERS_PER_SECOND: u64 = 1_400;

#[test]
fn workers_that_are_killed_every_second_cost_no_parameter_its_life() {
    let seconds = seconds();
    let parameters = PARAMETERS_PER_SECOND * seconds;
    let sandbox = sandbox();
    let job = "submit --job worn --chunk-size 10 --set simulate-work-ms=4";
    sandbox.ttg(&format!("{job} --parameters {parameters}")).expect_code(0);
    let worker = "worker --until-complete worn --concurrency 2 --lease 1s";
    let mut fleet = Fleet::new(3, || sandbox.start(worker));
    let randomness = SeededRandomness::new(seconds);
    let mut kills = 0;
    while !fleet.tend(Duration::from_secs(1)) {
        let running = fleet.running();
        let victim = randomness.next_u64() % running.len() as u64;
        running[usize::try_from(victim).expect("it is small")].signal(Signal::SIGKILL);
        kills += 1;
    }
    let (deaths, done) = fleet.end();
    assert!(kills >= seconds / 2, "{kills} kills");
    let killed = |ended: &&ttg_tests::Ended| ended.signal == Some(Signal::SIGKILL as i32);
    assert_eq!(deaths.iter().filter(killed).count(), deaths.len(), "{deaths:#?}");
    for worker in done {
        worker.expect_code(0);
    }

    let report = sandbox.look("worn").expect("it was submitted");
    report.assert_complete(parameters, 0);
    let calm = sandbox.ttg(&format!("run --parameters {parameters} --json")).expect_code(0);
    assert_eq!(report.result.get(), calm.report().result.get());
    for outcome in sandbox.store().outcomes("worn").values() {
        assert_eq!(outcome.attempt, 1, "nobody is charged: {outcome:#?}");
    }
}

/// `TTG_TEST_SECONDS`, for who wants a longer run.
fn seconds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
    let asked = std::env::var("TTG_TEST_SECONDS");
    asked.map_or(SECONDS, |asked| asked.parse().expect("a number of seconds"))
}
