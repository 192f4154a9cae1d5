//! The server is killed while a job runs: the run goes on by itself, and ends exact.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;

use ttg_runtime::broker::RedisServer;

use crate::sandbox;

/// Some five seconds of work.
const LINE: &str = "run --job long --parameters 10000 --chunk-size 20 --concurrency 2 --lease 3s \
                    --set simulate-work-ms=1 --json";
const SUM: &str = "5000355.0";

/// The file to which the server appends.
fn log(server: &RedisServer) -> PathBuf {
    let files = fs::read_dir(server.path("appendonlydir")).expect("the server keeps a log");
    let mut files = files.map(|file| file.expect("a file").path());
    files.find(|path| path.to_string_lossy().ends_with(".incr.aof")).expect("it is appended to")
}

/// Runs the job, kills the server in the middle of it, does `meanwhile`, and starts it again.
fn survives(meanwhile: impl FnOnce(&RedisServer)) {
    let mut server = RedisServer::start_with(&["--appendonly", "yes"]);
    let sandbox = sandbox().on(server.url());
    let mut running = sandbox.start(LINE);
    sandbox.until("long", |report| report.chunks.completed > 100);
    server.kill();
    running.until_line("is unavailable");
    meanwhile(&server);
    server.launch();
    let ended = running.end().expect_code(0);
    let report = ended.report();
    report.assert_complete(10_000, 0);
    assert_eq!(report.result("sum"), SUM);
    sandbox.ttg("verify long").expect_code(0);
}

#[test]
fn a_run_goes_on_when_its_server_was_killed_and_started_again() {
    survives(|_| {});
}

#[test]
fn a_run_ends_exact_though_the_server_lost_its_newest_writes() {
    survives(|server| {
        let file: File = OpenOptions::new().write(true).open(log(server)).expect("the log");
        let length = file.metadata().expect("its length").len();
        // Commits of some tens of chunks, the last of them cut in two.
        file.set_len(length - 20_011).expect("it can be cut");
    });
}

#[test]
fn a_run_publishes_again_what_the_server_lost() {
    survives(|server| {
        let file: File = OpenOptions::new().write(true).open(log(server)).expect("the log");
        // The job is there, and no chunk of it.
        file.set_len(6_000).expect("it can be cut");
    });
}

#[test]
fn a_run_goes_on_when_its_server_stood_still_for_longer_than_a_lease() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    let server = RedisServer::start_with(&["--appendonly", "yes"]);
    let sandbox = sandbox().on(server.url());
    let mut running = sandbox.start(LINE);
    sandbox.until("long", |report| report.chunks.completed > 100);
    let pid = Pid::from_raw(i32::try_from(server.id()).expect("process ids are small"));
    kill(pid, Signal::SIGSTOP).expect("it runs");
    // A call counts as lost after three seconds, as leases here do.
    running.until_line("is unavailable");
    kill(pid, Signal::SIGCONT).expect("it stands still");
    let report = running.end().expect_code(0).report();
    report.assert_complete(10_000, 0);
    assert_eq!(report.result("sum"), SUM);
    assert_eq!(report.chunks.redelivered, 0, "nothing is charged: {report:#?}");
}

/// How often a script called `command`.
fn calls(server: &RedisServer, command: &str) -> u64 {
    let told = server.ask(&["INFO", "commandstats"]);
    let line = told.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:calls=")));
    let count = line.and_then(|line| line.split(['=', ',']).nth(1));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[test]
fn a_run_waits_while_its_server_has_no_room() {
    let server = RedisServer::start_with(&["--appendonly", "yes"]);
    let sandbox = sandbox().on(server.url());
    let mut running = sandbox.start(LINE);
    sandbox.until("long", |report| report.chunks.completed > 100);
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    running.until_line("has no room left");
    let (renewed, settled) = (calls(&server, "xclaim"), calls(&server, "xack"));
    ttg_tests::until("leases are renewed for longer than they last", || {
        (calls(&server, "xclaim") > renewed + 6).then_some(())
    });
    assert_eq!(calls(&server, "xack"), settled, "nothing is settled without room");
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    let report = running.end().expect_code(0).report();
    report.assert_complete(10_000, 0);
    assert_eq!(report.result("sum"), SUM);
    assert_eq!(report.chunks.redelivered, 0, "nothing is charged: {report:#?}");
    sandbox.ttg("verify long").expect_code(0);
}
