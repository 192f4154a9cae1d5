//! What other programs rely on: one JSON object from every command, and no error when they read no
//! further.

use std::process::{Command, Stdio};

use serde_json::Value;
use ttg_tests::Sandbox;

use crate::sandbox;

fn two_jobs() -> Sandbox {
    let sandbox = sandbox();
    sandbox.ttg("run --job good --parameters 100000 --chunk-size 100 --values").expect_code(0);
    let holed = "run --kernel collatz --range 0..1000 --job holed --max-attempts 1";
    sandbox.ttg(holed).expect_code(3);
    sandbox
}

#[test]
fn every_command_answers_with_one_json_object_and_nothing_else() {
    let sandbox = two_jobs();
    // Each with its exit code and a field of its answer, in an order in which they can follow.
    let lines = [
        ("run --parameters 100 --json", 0, "result"),
        ("run --parameters 100 --shard 0/2 --data-dir shard --json", 0, "result"),
        ("submit --parameters 100 --job later --json", 0, "chunks"),
        (
            "submit --parameters 100000 --chunk-size 100 --values --job good --wait --json",
            0,
            "result",
        ),
        ("worker --until-complete later --json", 0, "leases_lost"),
        ("status --json", 0, "jobs"),
        ("status later --json", 0, "workers"),
        ("status later --watch --json", 0, "workers"),
        ("results holed --json", 3, "columns"),
        ("verify good --json", 0, "proven"),
        ("dlq list holed --json", 0, "groups"),
        ("dlq retry holed --json", 0, "retried"),
        ("worker --until-complete holed --json", 3, "leases_lost"),
        ("dlq drop holed --json", 0, "dropped"),
        ("cancel holed --json", 0, "job"),
        ("check --json", 0, "findings"),
        ("config --json", 0, "settings"),
        ("purge holed --json", 0, "purged"),
    ];
    for (line, code, field) in lines {
        let ended = sandbox.ttg(line).expect_code(code);
        let answer: Value = serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("{line}: {error}: {ended:#?}"));
        assert!(answer.get(field).is_some(), "{line}: {answer}");
        assert_eq!(ended.stdout.lines().count(), 1, "{line}");
    }
}

#[test]
fn a_reader_that_is_gone_is_no_error_of_any_command() {
    let sandbox = two_jobs();
    let lines = [
        ("results good --format csv", 0),
        ("results good --format json", 0),
        ("results good --format jsonl", 0),
        ("results good --values", 0),
        ("results good --values --format csv", 0),
        ("results good --values --format jsonl", 0),
        ("results good --values --format json", 0),
        ("status", 0),
        ("status good", 0),
        ("verify good", 0),
        ("dlq list holed", 0),
        ("check", 0),
        ("config", 0),
        ("completions bash", 0),
        ("run --help", 0),
        ("results holed", 3),
    ];
    for (line, code) in lines {
        let mut command: Command = sandbox.command(line);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("error: "), "{line}: {stderr}");
    }
}
