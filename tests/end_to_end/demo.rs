//! `ttg demo`: a worker is killed, the answer is the same, and nothing is left behind.

use std::fs;

use serde_json::Value;
use ttg_tests::{Running, Sandbox, Signal, until};

use crate::sandbox;

/// Starts a demonstration whose temporary folders are in the sandbox.
fn start(sandbox: &Sandbox, options: &str) -> Running {
    let folder = sandbox.path("tmp");
    fs::create_dir(&folder).expect("the sandbox is ours");
    let mut command = sandbox.command(&format!("demo {options}"));
    command.env("TMPDIR", folder);
    Running::start(command, format!("ttg demo {options}"))
}

#[track_caller]
fn assert_nothing_is_left(sandbox: &Sandbox) {
    let left: Vec<_> = fs::read_dir(sandbox.path("tmp")).expect("it is there").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_answer_of_a_disturbed_run_is_the_same_and_nothing_is_left() {
    let sandbox = sandbox();
    let ended = start(&sandbox, "--scale large --json").end().expect_code(0);
    let report: Value = serde_json::from_str(&ended.stdout).expect("it is one object");
    assert_eq!(report["equal"], true, "{report:#}");
    for run in ["undisturbed", "disturbed"] {
        let run = &report[run];
        assert_eq!(run["proven"], true, "{report:#}");
        assert_eq!(run["parameters"]["completed"], 10_000_000, "{report:#}");
        assert_eq!(run["sum"], 1_552_724_831.0, "{report:#}");
    }
    assert_eq!(report["undisturbed"]["chunks"]["redelivered"], 0, "{report:#}");
    assert!(report["killed"]["at_percent"].as_f64().is_some_and(|at| at >= 30.0), "{report:#}");
    assert_nothing_is_left(&sandbox);
}

#[test]
fn it_starts_a_redis_server_that_ends_with_it() {
    starts_a_server_that_ends_with_it("redis", "redis-server 127.0.0.1:");
}

#[test]
fn it_starts_a_rabbitmq_server_that_ends_with_it() {
    starts_a_server_that_ends_with_it("rabbitmq", "rabbitmq-server");
}

fn starts_a_server_that_ends_with_it(kind: &str, command: &str) {
    let sandbox = sandbox();
    let options = format!("--scale large --start-broker {kind} --json");
    let mut demo = start(&sandbox, &options);
    let servers = |demo: &Running| {
        let children = demo.children().into_iter();
        children.filter(|child| child.command.contains(command)).collect::<Vec<_>>()
    };
    let server = until("its server runs", || servers(&demo).pop());
    demo.until_line("killed process");
    let ended = demo.end().expect_code(0);
    let report: Value = serde_json::from_str(&ended.stdout).expect("it is one object");
    assert_eq!((&report["equal"], &report["workers"]), (&true.into(), &3.into()), "{report:#}");
    assert!(server.again().is_none(), "{server:?}");
    assert_nothing_is_left(&sandbox);
}

#[test]
fn a_server_that_is_not_installed_is_told_with_what_to_do() {
    let sandbox = sandbox();
    fs::create_dir(sandbox.path("tmp")).expect("the sandbox is ours");
    let mut command = sandbox.command("demo --start-broker redis");
    command.env("PATH", "/nowhere").env("TMPDIR", sandbox.path("tmp"));
    let ended = Running::start(command, "ttg demo".to_owned()).end().expect_code(69);
    for part in ["`redis-server` could not be started", "hint: install it: `apt-get install"] {
        assert!(ended.stderr.contains(part), "{part}: {ended:#?}");
    }
    assert_nothing_is_left(&sandbox);
    let named = "demo --start-broker redis --broker redis://localhost";
    assert!(sandbox.ttg(named).expect_code(2).stderr.contains("cannot be used with"));
}

#[test]
fn jobs_of_a_store_that_is_named_outlive_it() {
    let sandbox = sandbox();
    sandbox.ttg("run --job mine --parameters 10").expect_code(0);
    let ended = start(&sandbox, "--scale large --kill-at 20 --data-dir .ttg").end().expect_code(0);
    assert!(ended.stdout.contains("The answers are the same to the last bit."), "{ended:#?}");
    let jobs = sandbox.store().query("SELECT name FROM jobs WHERE uid IS NOT NULL");
    assert_eq!(jobs.trim(), "mine");
}

#[test]
fn an_interrupted_one_leaves_neither_processes_nor_files() {
    let sandbox = sandbox();
    let mut demo = start(&sandbox, "--workers 2 --scale small");
    demo.until_output("in flight");
    demo.signal(Signal::SIGINT);
    // Its end is the end of its pipes, which its workers have, too.
    demo.end().expect_code(130);
    assert_nothing_is_left(&sandbox);
}
