//! `ttg demo`: a worker is killed, the answer is the same, and nothing is left behind.

use std::fs;
use std::process::Command;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;
use ttg_runtime::broker::RedisServer;
use ttg_tests::{Descendant, Running, Sandbox, Signal, processes_with, until};

use crate::sandbox;
use crate::signals::hang_up_is;

/// Starts a demonstration whose temporary folders are in the sandbox.
fn start(sandbox: &Sandbox, options: &str) -> Running {
    Running::start(command(sandbox, options), format!("ttg demo {options}"))
}

pub(crate) fn command(sandbox: &Sandbox, options: &str) -> Command {
    let folder = sandbox.path("tmp");
    fs::create_dir(&folder).expect("the sandbox is ours");
    let mut command = sandbox.command(&format!("demo {options}"));
    command.env("TMPDIR", folder);
    command
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
    starts_a_server_that_ends_with_it("redis", &["redis-server"]);
}

#[test]
fn it_starts_a_rabbitmq_server_that_ends_with_it() {
    // The server itself, and what maps its name to its port, which is in a group of its own.
    starts_a_server_that_ends_with_it("rabbitmq", &["beam.smp", "epmd"]);
}

/// Waits until a process with each of these words in its command line runs for the demonstration.
fn until_they_run(sandbox: &Sandbox, words: &[&str]) {
    for word in words {
        let is_one = |process: &Descendant| process.command.contains(word);
        until(word, || processes_with(&sandbox.path("tmp")).into_iter().find(is_one));
    }
}

/// Those that are killed are gone soon.
fn until_no_process_is_left(sandbox: &Sandbox) {
    until("all have ended", || processes_with(&sandbox.path("tmp")).is_empty().then_some(()));
}

fn starts_a_server_that_ends_with_it(kind: &str, processes: &[&str]) {
    let sandbox = sandbox();
    let options = format!("--scale large --start-broker {kind} --json");
    let mut demo = start(&sandbox, &options);
    until_they_run(&sandbox, processes);
    demo.until_line("killed process");
    let ended = demo.end().expect_code(0);
    let report: Value = serde_json::from_str(&ended.stdout).expect("it is one object");
    assert_eq!((&report["equal"], &report["workers"]), (&true.into(), &3.into()), "{report:#}");
    until_no_process_is_left(&sandbox);
    assert_nothing_is_left(&sandbox);
}

#[test]
fn one_whose_terminal_closes_takes_its_server_with_it() {
    let sandbox = sandbox();
    let command = command(&sandbox, "--scale small --start-broker redis");
    let command = hang_up_is("default", &command);
    let mut demo = Running::start(command, "ttg demo".to_owned());
    demo.until_output("in flight");
    until_they_run(&sandbox, &["redis-server"]);
    demo.signal(Signal::SIGHUP);
    demo.end().expect_code(143);
    until_no_process_is_left(&sandbox);
    assert_nothing_is_left(&sandbox);
}

#[test]
fn one_that_cannot_clear_its_jobs_away_ends_at_the_second_signal_and_says_what_is_left() {
    let server = RedisServer::start();
    let sandbox = sandbox().on(server.url());
    let mut demo = start(&sandbox, "--workers 2 --scale small");
    demo.until_output("in flight");
    let id = i32::try_from(server.id()).expect("process ids are small");
    let to_server = |signal| kill(Pid::from_raw(id), signal).expect("a child can be signalled");
    to_server(Signal::SIGSTOP);
    demo.signal(Signal::SIGINT);
    demo.until_line("interrupted; what it made is removed");
    demo.signal(Signal::SIGINT);
    let ended = demo.end().expect_code(130);
    to_server(Signal::SIGCONT);
    let (_, left) = ended.stderr.split_once("left behind: `ttg ").expect("it says so");
    let (purge, _) = left.split_once('`').expect("in full");
    assert!(sandbox.ttg("status --json").expect_code(0).stdout.contains("demo-undisturbed-"));
    sandbox.ttg(purge).expect_code(0);
    assert!(!sandbox.ttg("status --json").expect_code(0).stdout.contains("demo-"));
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
