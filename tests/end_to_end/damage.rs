//! What is damaged in a store costs the job that it belongs to, and no other.

use ttg_tests::{Sandbox, python};

use crate::sandbox;

/// Twenty seconds of work for one slot.
const BAD: &str =
    "run --job bad --parameters 1000 --chunk-size 1 --set simulate-work-ms=20 --concurrency 1";

/// A store in which `bad` is older and unfinished, and its record is overwritten with `bytes`.
fn damaged(bytes: &str) -> Sandbox {
    let sandbox = sandbox();
    let running = sandbox.start(BAD);
    sandbox.until("bad", |report| report.chunks.completed >= 1);
    running.kill();
    let script = "
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
found = store.execute('UPDATE jobs SET record = ? WHERE name = ?', (bytes.fromhex(sys.argv[2]), 'bad'))
assert found.rowcount == 1
store.commit()
";
    let file = sandbox.path(".ttg/ttg.db");
    python(script, &[file.to_str().expect("its name is text"), bytes], "");
    sandbox
}

#[test]
fn a_job_whose_record_is_damaged_costs_that_job_and_one_line_in_the_log() {
    let sandbox = damaged("01c1");
    let good = sandbox.ttg(
        "run --job good --parameters 3000 --chunk-size 10 --set simulate-work-ms=1 \
         --log-format json --json",
    );
    let good = good.expect_code(0);
    good.report().assert_complete(3_000, 0);
    let told = good.stderr.lines().filter(|line| line.contains("job_passed_over"));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    for part in [r#""level":"ERROR""#, r#""job":"bad""#, "does not decode"] {
        assert!(told[0].contains(part), "{}", told[0]);
    }
    sandbox.ttg("results good").expect_code(0);
}

#[test]
fn the_damaged_job_itself_is_told_with_what_to_do() {
    let cases = [
        ("01c1", 69, "the record does not decode", "restore the store from a copy"),
        ("", 69, "the record is empty", "restore the store from a copy"),
        ("02", 78, "format version 2", "use the version of ttg that wrote it"),
    ];
    for (bytes, code, why, hint) in cases {
        let sandbox = damaged(bytes);
        for line in [BAD, "results bad", "results bad --json"] {
            let ended = sandbox.ttg(line).expect_code(code);
            assert_eq!(ended.stdout, "");
            let words = ["error: the job could not be looked up", "a record of job", why, "hint: "];
            for part in words.into_iter().chain([hint]) {
                assert!(ended.stderr.contains(part), "{part}: {ended:#?}");
            }
        }
    }
}

#[test]
fn an_outcome_that_is_too_large_to_be_read_is_no_damage() {
    // One and a half million lone dead parameters in one record.
    let line = "run --job large --kernel faulty --set odd=true --parameters 3000000 \
                --chunk-size 3000000 --max-attempts 1";
    let sandbox = sandbox();
    for line in [line, "results large"] {
        let ended = sandbox.ttg(line).expect_code(78);
        for part in ["the outcomes could not be read", "hint: submit", "smaller `--chunk-size`"] {
            assert!(ended.stderr.contains(part), "{part}: {ended:#?}");
        }
    }
}
