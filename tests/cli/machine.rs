//! The commands about this machine and this command line.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use super::{sandbox, transcript};

#[test]
fn help_of_the_commands_about_this_machine() {
    let lines = ["check -h", "config --help", "completions --help"];
    assert_snapshot!(transcript(&sandbox(), &lines));
}

#[test]
fn the_version_tells_commit_and_day() {
    let version = sandbox().ttg("--version").expect_code(0).stdout;
    let start = concat!("ttg ", env!("CARGO_PKG_VERSION"), " (");
    let rest = version.strip_prefix(start).and_then(|rest| rest.strip_suffix(")\n"));
    let (commit, day) = rest.and_then(|rest| rest.split_once(", built ")).expect(&version);
    assert!(commit == "unknown" || commit.len() == 12, "{version}");
    let digits: Vec<usize> = day.split('-').map(str::len).collect();
    assert_eq!(digits, [4, 2, 2], "{version}");
    assert!(day.starts_with("20"), "{version}");
}

/// Each finding as `level check`; `check --json` with this exit code.
fn findings(sandbox: &ttg_tests::Sandbox, code: i32, line: &str) -> Vec<String> {
    let ended = sandbox.ttg(&format!("check --json {line}")).expect_code(code);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one object");
    let findings = report["findings"].as_array().expect("a list");
    let worst = ["ok", "warning", "error"];
    let rank = |level: &str| worst.iter().position(|it| *it == level).expect("a level");
    let level = |finding: &serde_json::Value| finding["level"].as_str().expect("text").to_owned();
    let most = findings.iter().map(|finding| rank(&level(finding))).max();
    assert_eq!(rank(report["status"].as_str().expect("text")), most.expect("some"));
    for finding in findings {
        assert_eq!(finding["remedy"].is_null(), finding["level"] == "ok", "{finding}");
    }
    let text = |finding| format!("{} {}", level(finding), finding["check"].as_str().expect("text"));
    findings.iter().map(text).collect()
}

#[test]
fn check_finds_what_would_stop_a_job_and_leaves_no_trace() {
    let sandbox = sandbox();
    let has = |code, line: &str, expected: &[&str]| {
        let found = findings(&sandbox, code, line);
        for expected in expected {
            assert!(found.iter().any(|found| found == expected), "{line}: {expected}: {found:?}");
        }
    };
    has(0, "--concurrency 1", &["ok store", "ok kernel", "ok clock", "ok concurrency"]);
    assert!(!sandbox.path(".ttg").exists(), "looking makes no store");
    has(0, "--concurrency 4000", &["warning concurrency"]);
    has(0, "--kernel collatz --range 0..10", &["warning kernel"]);
    has(0, "--kernel collatz --range 1..10", &["ok kernel"]);
    has(78, "--kernel unknown", &["error kernel", "ok store"]);
    has(78, "--set simulate-work=1", &["error kernel"]);
    has(78, "--lease 1ms --job a/b", &["error settings", "ok store"]);
    has(78, "--broker kafka", &["error store"]);
    has(69, "--broker amqp://127.0.0.1:1", &["error broker"]);
    has(69, "--broker redis://127.0.0.1:1", &["error broker"]);
    fs::write(sandbox.path("file"), "mine").expect("the folder is ours");
    has(78, "--data-dir file", &["error store"]);
    has(78, "--data-dir file/below", &["error store"]);
    has(78, "--data-dir /proc/ttg", &["error store"]);

    sandbox.ttg("run --parameters 1000 --job whole").expect_code(0);
    has(0, "", &["ok store"]);
    let jobs = sandbox.ttg("status").expect_code(0).stdout;
    assert_eq!(jobs.lines().count(), 2, "{jobs}");
    let file = sandbox.path(".ttg/ttg.db");
    let mut bytes = fs::read(&file).expect("it is there");
    bytes[4_096..].fill(0xAA);
    fs::write(&file, bytes).expect("the file is ours");
    has(69, "", &["error store"]);
    // What is invalid comes before what is unavailable.
    has(78, "--kernel unknown", &["error store", "error kernel"]);
}

#[test]
fn check_tells_a_folder_that_may_not_be_written() {
    let sandbox = sandbox();
    let locked = sandbox.path("locked");
    fs::create_dir(&locked).expect("the folder is ours");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).expect("it is ours");
    // Who may write everywhere is not refused.
    if fs::write(locked.join("probe"), "").is_err() {
        assert_eq!(findings(&sandbox, 78, "--data-dir locked/store")[0], "error store");
    }
}

#[test]
fn a_finding_is_told_with_its_remedy() {
    let text = transcript(&sandbox(), &["check --kernel unknown --data-dir /proc/ttg"]);
    let varies = ["disk", "file system", "open files", "clock", "concurrency"];
    let mut told = Vec::new();
    let mut is_constant = true;
    for line in text.lines() {
        // A remedy belongs to the finding above it.
        if !line.trim_start().starts_with("-> ") {
            is_constant = !varies.iter().any(|check| line.contains(&format!(" {check} ")));
        }
        told.extend(is_constant.then_some(line));
    }
    assert_snapshot!(told.join("\n"));
}

#[test]
fn completions_know_every_command() {
    let sandbox = sandbox();
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.ttg(&format!("completions {shell}")).expect_code(0).stdout;
        for word in ["run", "status", "purge", "until-complete", "progress-every"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        for hidden in ["set-defaults", "set-reference", "pod-name", "child-of-a-worker"] {
            assert!(!script.contains(hidden), "{shell}: {hidden}");
        }
    }
    sandbox.ttg("completions tcsh").expect_code(2);
}
