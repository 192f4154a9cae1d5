//! What the command line says: help, reports and errors, as its users read them.
//!
//! Snapshots are transcripts. After a wanted change: `INSTA_UPDATE=always cargo nextest run --test
//! cli`, then look at the difference.

mod environment;
mod machine;
mod operations;

use std::fs;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use ttg_tests::{Ended, Sandbox, python};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_ttg-under-test"))
}

/// What a person who runs `lines` sees, with every exit code. Log lines are left out: they tell
/// when and where.
fn transcript(sandbox: &Sandbox, lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let ended = sandbox.ttg(line);
        text += &format!("$ {}\n", ended.command);
        for printed in [&ended.stdout, &ended.stderr] {
            for line in printed.lines().filter(|line| !line.contains(" worker=")) {
                text += &format!("{}\n", line.trim_end());
            }
        }
        text += &format!("exit code {}\n\n", ended.code.expect("no signal"));
    }
    text
}

/// The same, of what fails: all of it is on standard error, a hint or a usage among it, and
/// nothing of it is a panic.
fn failures(sandbox: &Sandbox, code: i32, lines: &[&str]) -> String {
    for line in lines {
        let Ended { stdout, stderr, .. } = sandbox.ttg(line).expect_code(code);
        assert_eq!(stdout, "", "{line}");
        let errors = stderr.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{line}: {stderr}");
        let helps = ["hint: ", "--help", "Usage: "];
        assert!(helps.iter().any(|help| stderr.contains(help)), "{line}: {stderr}");
        assert!(!stderr.contains("panicked"), "{line}: {stderr}");
    }
    transcript(sandbox, lines)
}

#[test]
fn help_tells_commands_options_and_exit_codes() {
    let lines = ["", "--help", "run --help", "results --help", "run -h"];
    assert_snapshot!(transcript(&sandbox(), &lines));
}

#[test]
fn wrong_usage_is_told_with_what_to_write_instead() {
    let lines = [
        "rum",
        "run",
        "run --parameters 10 --range 0..10",
        "run --parameters 0",
        "run --parameters -5",
        "run --parameters ten",
        "run --parameters 99999999999999999999",
        "run --range 10..5",
        "run --range 5..5",
        "run --range 5",
        "run --parameters 10 --chunk-size 0",
        "run --parameters 10 --chunk-size some",
        "run --parameters 10 --concurrency 0",
        "run --parameters 10 --retry-delay 5x",
        "run --parameters 10 --lease 1ms --timeout 0s --set a=1 --set a=2",
        "run --parameters 10 --set simulate-work-ms",
        "run --parameters 10 --job a/b",
        "run --parameters 10 --data-dir a --broker embedded:b",
        "run --parameters 10 --log-format xml",
        "run --parameters 10 --log-level loud",
        "run --parameters 10 --values --chunk-size 2_000_000",
        "results any --values --json",
        "run --parameters 10 --shard 3/3",
        "run --parameters 10 --shard 1",
        "run --parameters 10 --shard 4/20",
        "run --parameters 10 --shard 0/3 --broker redis://redis",
        "status --data-dir a --data-dir b",
        "results",
    ];
    assert_snapshot!(failures(&sandbox(), 2, &lines));
}

#[test]
fn a_kernel_that_panics_at_its_start_is_told_with_its_words() {
    let sandbox = sandbox();
    let line = "run --parameters 10 --kernel faulty --set start=true --job none";
    assert_snapshot!(transcript(&sandbox, &[line, "results none"]));
    let stderr = sandbox.ttg(line).stderr;
    assert!(!stderr.contains("thread '"), "{stderr}");
}

#[test]
fn what_is_unknown_is_told_with_what_there_is() {
    let sandbox = sandbox();
    sandbox.ttg("run --parameters 10 --job known").expect_code(0);
    let lines = [
        "run --parameters 10 --kernel unknown",
        "run --parameters 10 --set simulate-work=1",
        "run --parameters 10 --kernel primes --set simulate-work-ms=1",
        "run --parameters 10 --set simulate-work-ms=much",
        "run --parameters 10 --set simulate-work-ms=-1",
        "run --parameters 10 --set simulate-fault-rate=2",
        "run --parameters 11 --job known",
        "results unknown",
        "results known --data-dir elsewhere",
    ];
    assert_snapshot!(failures(&sandbox, 2, &lines));
    assert!(!sandbox.path("elsewhere").exists(), "looking makes no store");
}

#[test]
fn a_place_that_can_be_no_store_is_refused_and_left_as_it_is() {
    let sandbox = sandbox();
    let garbage = "not a database, but of some length. ".repeat(500);
    for folder in ["garbage", "foreign", "newer"] {
        fs::create_dir(sandbox.path(folder)).expect("the folder is ours");
    }
    fs::write(sandbox.path("file"), "mine").expect("the folder is ours");
    fs::write(sandbox.path("garbage/ttg.db"), garbage).expect("the folder is ours");
    sqlite(&sandbox, "foreign/ttg.db", "CREATE TABLE mine (a); PRAGMA user_version = 1");
    sandbox.ttg("run --parameters 10 --data-dir newer").expect_code(0);
    sqlite(&sandbox, "newer/ttg.db", "PRAGMA user_version = 1000000");
    let files = ["file", "garbage/ttg.db", "foreign/ttg.db", "newer/ttg.db"];
    let content = || files.map(|file| fs::read(sandbox.path(file)).expect("it is there"));

    let before = content();
    let lines = [
        "run --parameters 10 --broker elsewhere:5672",
        "run --parameters 10 --broker embedded:",
        "run --parameters 10 --data-dir file",
        "run --parameters 10 --data-dir file/below",
        "run --parameters 10 --data-dir /proc/ttg",
        "run --parameters 10 --data-dir garbage",
        "run --parameters 10 --data-dir foreign",
        "run --parameters 10 --data-dir newer",
        "results any --data-dir garbage",
        "results any --data-dir foreign",
        "results any --data-dir newer",
    ];
    assert_snapshot!(failures(&sandbox, 78, &lines));
    assert_eq!(content(), before);
    for folder in ["garbage", "foreign"] {
        let entries = fs::read_dir(sandbox.path(folder)).expect("it is there");
        assert_eq!(entries.count(), 1, "nothing was added to {folder}");
    }
}

fn sqlite(sandbox: &Sandbox, file: &str, statements: &str) {
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
    let file = sandbox.path(file);
    let file = file.to_str().expect("its name is text");
    python(script, &[file, statements], "");
}

#[test]
fn a_broken_store_is_told_apart_from_a_foreign_one() {
    let sandbox = sandbox();
    sandbox.ttg("run --parameters 1000 --job whole").expect_code(0);
    let file = sandbox.path(".ttg/ttg.db");
    let mut bytes = fs::read(&file).expect("it is there");
    // Whose file it is stands in the first page; the tables are in the next ones.
    bytes[4_096..].fill(0xAA);
    fs::write(&file, bytes).expect("the file is ours");
    let lines = ["results whole", "run --parameters 1000 --job whole"];
    assert_snapshot!(failures(&sandbox, 69, &lines));
}

#[test]
fn a_report_reads_well() {
    let sandbox = sandbox();
    let options = "--chunk-size 10 --retry-delay 1ms";
    let lines = [
        format!("run --parameters 1000 --job good {options}"),
        format!("run --kernel collatz --range 0..100 --job holed {options}"),
        format!("run --kernel hostile --parameters 100 --job wide {options}"),
        format!("run --kernel faulty --parameters 1 --set nan=0 --job none {options}"),
        "results holed".to_owned(),
    ];
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let mut text = String::new();
    for line in transcript(&sandbox, &lines).lines() {
        // How fast, and who, is never the same.
        let constant = match line.split_whitespace().next() {
            Some(label @ ("time" | "workers")) => &format!("{label:<11} […]"),
            _ => line,
        };
        text += &format!("{constant}\n");
    }
    assert_snapshot!(text);
}

#[test]
fn the_json_report_has_the_documented_shape() {
    let sandbox = sandbox();
    let line = "run --kernel hostile --parameters 100 --job wide --chunk-size 10 --json";
    let mut report = sandbox.ttg(line).expect_code(0).stdout;
    for field in ["uid", "elapsed_seconds", "parameters_per_second", "id"] {
        let (before, rest) = report.split_once(&format!("\"{field}\":")).expect(field);
        let end = rest.find([',', '}']).expect("the object goes on or ends");
        report = format!("{before}\"{field}\":[…]{}", &rest[end..]);
    }
    assert_snapshot!(report.replace(",\"", ",\n\""));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let sandbox = sandbox();
    for line in [
        "run --parameters 1000 --job closed",
        "run --parameters 1000 --job closed --json",
        "results closed",
        "--help",
    ] {
        let mut command: Command = sandbox.command(line);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("error: "), "{line}: {stderr}");
    }
}
