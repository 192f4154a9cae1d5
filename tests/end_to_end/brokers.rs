//! What holds whatever the broker is: each test runs on all of them.

use ttg_tests::{Fleet, Running, Sandbox, Signal};

use crate::places::Place;

/// A test on all brokers, and one on all that are servers: a process that stands still may do so with
/// the lock of a file in its hands.
macro_rules! tests {
    (all: $($all:ident)+; servers: $($server:ident)+;) => {
        tests! { @ embedded crate::places::Embedded: $($all)+ }
        tests! { @ redis ttg_runtime::broker::RedisServer: $($all)+ $($server)+ }
        tests! { @ rabbitmq ttg_runtime::broker::RabbitSpace: $($all)+ $($server)+ }
    };
    (@ $name:ident $place:ty: $($test:ident)+) => {
        mod $name {
            $(
                #[test]
                fn $test() {
                    super::$test::<$place>();
                }
            )+
        }
    };
}

tests! {
    all:
        every_command_does_its_work
        when_one_of_three_workers_is_killed_the_others_finish_the_job
        a_submission_that_is_killed_goes_on_and_nothing_counts_twice
        a_parameter_that_kills_its_worker_dies_alone
        a_parameter_that_hangs_or_panics_dies_alone
        dead_letters_are_listed_as_often_as_wanted_and_retried;
    servers:
        a_worker_that_was_frozen_past_its_lease_changes_nothing
        a_zombie_of_a_purged_job_touches_nothing_of_the_next;
}

fn every_command_does_its_work<P: Place>() {
    let place = P::start();
    let sandbox = place.sandbox();
    let line = "run --job swept --parameters 10000 --chunk-size 100 --json";
    let report = sandbox.ttg(line).expect_code(0).report();
    report.assert_complete(10_000, 0);
    assert_eq!((report.chunks.total, report.result("sum")), (100, "5000355.0".to_owned()));
    let again = sandbox.ttg(line).expect_code(0).report();
    assert_eq!((again.uid, again.result.get()), (report.uid, report.result.get()));
    sandbox.ttg("verify swept").expect_code(0);

    sandbox.ttg("submit --job waits --parameters 1000 --chunk-size 10").expect_code(0);
    let listed = sandbox.ttg("status").expect_code(0).stdout;
    assert!(listed.contains("swept") && listed.contains("waits"), "{listed}");
    sandbox.ttg("cancel waits").expect_code(0);
    let cancelled = sandbox.look("waits").expect("it was submitted");
    assert_eq!(cancelled.status, "cancelled");
    sandbox.ttg("check").expect_code(0);

    sandbox.ttg("purge swept").expect_code(0);
    sandbox.ttg("results swept").expect_code(2);
    sandbox.ttg("purge --all").expect_code(0);
    assert!(sandbox.look("waits").is_none());
}

fn worker(sandbox: &Sandbox, options: &str) -> Running {
    let mut worker = sandbox.start(&format!("worker --concurrency 2 {options}"));
    worker.until_line("event=running");
    worker
}

fn when_one_of_three_workers_is_killed_the_others_finish_the_job<P: Place>() {
    let place = P::start();
    let sandbox = place.sandbox();
    let stay = ["--until-complete shared", "--until-complete shared"];
    let staying = stay.map(|options| worker(&sandbox, options));
    let victim = worker(&sandbox, "");
    let submit = "submit --job shared --parameters 10000 --chunk-size 20 --set simulate-work-ms=1";
    sandbox.ttg(submit).expect_code(0);
    sandbox.until("shared", |report| report.chunks.completed > 50 && report.workers.len() == 3);
    victim.kill();
    for worker in staying {
        worker.end().expect_code(0);
    }
    let report = sandbox.look("shared").expect("it was submitted");
    report.assert_complete(10_000, 0);
    assert_eq!(report.result("sum"), "5000355.0");
    assert!(report.workers.iter().all(|worker| worker.chunks > 0), "{report:#?}");
    sandbox.ttg("verify shared").expect_code(0);
}

fn a_worker_that_was_frozen_past_its_lease_changes_nothing<P: Place>() {
    let place = P::start();
    let sandbox = place.sandbox();
    let frozen = worker(&sandbox, "--lease 2s");
    let submit = "submit --job fenced --parameters 4000 --chunk-size 20 --set simulate-work-ms=1";
    sandbox.ttg(submit).expect_code(0);
    sandbox.until("fenced", |report| report.chunks.completed > 5);
    frozen.freeze();
    worker(&sandbox, "--lease 2s --until-complete fenced").end().expect_code(0);
    let before = sandbox.look("fenced").expect("it was submitted");
    before.assert_complete(4_000, 0);
    assert!(before.chunks.redelivered >= 1, "{before:#?}");
    frozen.thaw();
    frozen.signal(Signal::SIGTERM);
    frozen.end();
    let after = sandbox.look("fenced").expect("it was submitted");
    assert_eq!(after.result.get(), before.result.get());
    sandbox.ttg("verify fenced").expect_code(0);
}

fn a_submission_that_is_killed_goes_on_and_nothing_counts_twice<P: Place>() {
    let place = P::start();
    let sandbox = place.sandbox();
    let line = "submit --job fine --parameters 30000 --chunk-size 1";
    let submitter = sandbox.start(line);
    sandbox.until("fine", |report| report.parameters.total == 30_000);
    submitter.kill();
    sandbox.ttg(line).expect_code(0);
    sandbox.ttg("worker --until-complete fine").expect_code(0);
    let report = sandbox.look("fine").expect("it was submitted");
    report.assert_complete(30_000, 0);
    assert_eq!(report.chunks.total, 30_000);
    sandbox.ttg("verify fine").expect_code(0);
}

const POISON: &str = "submit --job poison --kernel deadly --parameters 400 --chunk-size 20 \
                      --retry-delay 1ms --set work-us=200";

/// Two workers compute [`POISON`], of which one parameter dies.
fn one_dies<P: Place>(options: &str) -> usize {
    let place = P::start();
    let sandbox = place.sandbox();
    sandbox.ttg(&format!("{POISON} {options}")).expect_code(0);
    let line = "worker --until-complete poison --concurrency 2 --lease 2s";
    let (deaths, done) = Fleet::new(2, || sandbox.start(line)).end();
    for worker in done {
        worker.expect_code(3);
    }
    let report = sandbox.look("poison").expect("it was submitted");
    report.assert_complete(400, 1);
    let letters = sandbox.ttg("dlq list poison").expect_code(0).stdout;
    assert!(letters.contains("123"), "{letters}");
    deaths.len()
}

fn a_parameter_that_kills_its_worker_dies_alone<P: Place>() {
    assert_eq!(one_dies::<P>("--set abort=123"), 1, "the next deaths are of children");
}

fn a_parameter_that_hangs_or_panics_dies_alone<P: Place>() {
    assert_eq!(one_dies::<P>("--timeout 1s --set hang=123"), 0);
    assert_eq!(one_dies::<P>("--set panic=123"), 0);
}

fn a_zombie_of_a_purged_job_touches_nothing_of_the_next<P: Place>() {
    let place = P::start();
    let sandbox = place.sandbox();
    let line = "--parameters 400 --chunk-size 20 --set simulate-work-ms=5";
    sandbox.ttg(&format!("submit --job phoenix {line}")).expect_code(0);
    let zombie = worker(&sandbox, "--lease 2s");
    sandbox.until("phoenix", |report| report.chunks.completed > 0);
    zombie.freeze();
    sandbox.ttg("purge phoenix --force").expect_code(0);
    let submit = "submit --job phoenix --parameters 1000 --chunk-size 10";
    sandbox.ttg(submit).expect_code(0);
    zombie.thaw();
    sandbox.ttg("worker --until-complete phoenix --lease 2s").expect_code(0);
    zombie.signal(Signal::SIGTERM);
    zombie.end();
    let report = sandbox.look("phoenix").expect("it was submitted");
    report.assert_complete(1_000, 0);
    assert_eq!(report.chunks.total, 100);
    sandbox.ttg("verify phoenix").expect_code(0);
}

fn dead_letters_are_listed_as_often_as_wanted_and_retried<P: Place>() {
    let place = P::start();
    let sandbox = place.sandbox();
    // Of collatz, 0 is a parameter that dies.
    let line = "run --job holed --kernel collatz --range 0..1000 --retry-delay 1ms";
    sandbox.ttg(line).expect_code(3);
    let listed = sandbox.ttg("dlq list holed").expect_code(0).stdout;
    assert!(listed.contains('0'), "{listed}");
    for _ in 0..3 {
        assert_eq!(sandbox.ttg("dlq list holed").expect_code(0).stdout, listed);
    }
    sandbox.ttg("dlq retry holed").expect_code(0);
    sandbox.ttg("worker --until-complete holed").expect_code(3);
    let report = sandbox.look("holed").expect("it was submitted");
    assert_eq!((report.parameters.completed, report.parameters.dead), (999, 1), "{report:#?}");
    sandbox.ttg("verify holed").expect_code(0);
}
