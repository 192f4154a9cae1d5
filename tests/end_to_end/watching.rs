//! `ttg status --watch`: it ends with the job, by a signal, or when nobody reads on.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use ttg_tests::{Report, Sandbox, Signal};

use crate::sandbox;

/// Nobody works on it, so that it goes on for ever.
fn waiting() -> Sandbox {
    let sandbox = sandbox();
    sandbox.ttg("submit --parameters 1000 --chunk-size 10 --job waiting").expect_code(0);
    sandbox
}

#[test]
fn it_ends_with_the_job_and_with_its_exit_code() {
    let sandbox = waiting();
    let line = "submit --kernel collatz --range 0..100 --chunk-size 10 --job holed";
    sandbox.ttg(line).expect_code(0);
    let jobs = ["waiting", "holed"];
    let watches = jobs.map(|job| {
        let line = format!("status {job} --watch --interval 100ms --json");
        let mut watch = sandbox.start(&line);
        watch.until_output("\"status\":\"running\"");
        watch
    });
    sandbox.ttg("worker --until-complete waiting").expect_code(0);
    sandbox.ttg("worker --until-complete holed").expect_code(3);
    for (watch, (code, total, dead)) in watches.into_iter().zip([(0, 1_000, 0), (3, 100, 1)]) {
        let ended = watch.end().expect_code(code);
        let last = ended.stdout.lines().last().expect("there are some");
        Report::parse(last).assert_complete(total, dead);
    }
    let ended = sandbox.ttg("status waiting --watch").expect_code(0);
    assert!(ended.stdout.starts_with("waiting complete 100.0 %, 0 dead, "), "{ended:#?}");
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:#?}");
}

#[test]
fn a_signal_ends_it_and_not_the_job() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        for line in ["status waiting --watch --interval 1h", "status --watch --interval 1h"] {
            let sandbox = waiting();
            let mut watch = sandbox.start(line);
            watch.until_output("waiting");
            watch.signal(signal);
            let ended = watch.end().expect_code(code);
            assert!(!ended.stderr.contains("error"), "{ended:#?}");
            assert!(!ended.stdout.contains('\x1b'), "no terminal, no escapes: {ended:#?}");
            assert_eq!(sandbox.look("waiting").expect("it is there").status, "running");
        }
    }
}

#[test]
fn it_ends_when_the_job_is_cancelled_or_removed() {
    for (command, why) in [("cancel", "was cancelled"), ("purge --force", "is unknown")] {
        let sandbox = waiting();
        let mut watch = sandbox.start("status waiting --watch --interval 100ms");
        watch.until_output("waiting running 0.0 %");
        sandbox.ttg(&format!("{command} waiting")).expect_code(0);
        let ended = watch.end().expect_code(2);
        assert!(ended.stderr.contains(&format!("error: job `waiting` {why}")), "{ended:#?}");
    }
}

#[test]
fn it_ends_without_a_word_when_nobody_reads_on() {
    let sandbox = waiting();
    let mut command = sandbox.command("status waiting --watch --interval 100ms");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    stdout.read_line(&mut first).expect("it is text");
    drop(stdout);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
