//! A worker's child processes end with it, however it ends, and none is left behind.

use ttg_tests::{Descendant, Running, Sandbox, Signal, adopt_orphans, until};

use crate::sandbox;

/// Parameter 0 does not come back.
const HANGS: &str = "submit --job hangs --kernel deadly --parameters 10 --chunk-size 10 \
                     --set hang=0 --timeout 10m";

/// A store whose only chunk hangs and is suspect: a worker died with it.
fn suspect() -> Sandbox {
    let sandbox = sandbox();
    sandbox.ttg(HANGS).expect_code(0);
    let victim = sandbox.start("worker --concurrency 1 --lease 10m");
    until("a worker has it", || (sandbox.store().in_flight("hangs") == 1).then_some(()));
    victim.kill();
    sandbox
}

/// Starts a worker with one slot, and returns it with its first child that `is_so`.
fn with_child(sandbox: &Sandbox, is_so: impl Fn(&Descendant) -> bool) -> (Running, Descendant) {
    let worker = sandbox.start("worker --concurrency 1 --lease 10m --json");
    let child = until("it has a child", || worker.children().into_iter().find(&is_so));
    (worker, child)
}

fn is_child(process: &Descendant) -> bool {
    process.command.contains("child-of-a-worker")
}

/// Its thread for kernels runs.
fn evaluates(process: &Descendant) -> bool {
    process.threads.iter().any(|name| name == "ttg-child")
}

#[test]
fn a_child_ends_with_its_worker_that_is_killed() {
    adopt_orphans();
    let sandbox = suspect();
    let (worker, child) = with_child(&sandbox, evaluates);
    // It has the worker's standard error, so that this waits for both.
    worker.kill();
    assert_eq!(child.end(), Some(Signal::SIGKILL));
}

#[test]
fn a_child_whose_worker_is_killed_before_it_has_begun_ends_too() {
    adopt_orphans();
    let sandbox = suspect();
    let (worker, child) = loop {
        let (worker, child) = with_child(&sandbox, is_child);
        child.signal(Signal::SIGSTOP);
        // Its worker asks it meanwhile.
        sandbox.look("hangs");
        if child.again().is_some_and(|child| child.state == 'T' && !evaluates(&child)) {
            break (worker, child);
        }
        // It was faster.
        worker.kill();
        child.end();
    };
    worker.signal(Signal::SIGKILL);
    until("its worker is gone", || child.is_left().then_some(()));
    child.signal(Signal::SIGCONT);
    // Again, this waits for both.
    worker.end();
    child.end();
}

#[test]
fn a_worker_that_is_told_to_end_ends_its_child_and_gives_back_what_hangs_there() {
    adopt_orphans();
    let sandbox = suspect();
    let (worker, child) = with_child(&sandbox, evaluates);
    worker.signal(Signal::SIGTERM);
    let report = worker.end().expect_code(0).worker_report();
    assert_eq!((report.status.as_str(), report.dead), ("drained", 0), "{report:#?}");
    assert!(child.again().is_none(), "{:#?}", child.again());
    let counters = "SELECT failures, silent_deliveries, give_backs, suspect FROM tasks";
    assert_eq!(sandbox.store().query(counters), "0|1|1|1\n", "suspect, and no more charged");
}

#[test]
fn children_that_died_or_were_ended_are_no_zombies_of_their_worker() {
    let sandbox = sandbox();
    sandbox
        .ttg(
            "submit --job dies --kernel deadly --parameters 10 --chunk-size 1 --retry-delay 1ms \
             --set abort=3 --set hang=7 --timeout 500ms",
        )
        .expect_code(0);
    let start = || sandbox.start("worker --concurrency 1");
    let died = start().end();
    assert_eq!(died.signal, Some(Signal::SIGABRT as i32), "{died:#?}");
    let worker = start();
    sandbox.until("dies", |report| report.status == "complete");
    let children = worker.children();
    assert!(children.iter().all(|child| child.state != 'Z'), "{children:#?}");
}
