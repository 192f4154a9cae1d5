//! `ttg verify` proves a job, and disproves one whose store somebody changed.

use ttg_tests::{Sandbox, python};

use crate::sandbox;

fn finished() -> Sandbox {
    let sandbox = sandbox();
    let line = "run --job done --kernel collatz --range 1..5001 --chunk-size 100 --json";
    sandbox.ttg(line).expect_code(0).report().assert_complete(5_000, 0);
    sandbox
}

/// Runs `change` with the store as `store`.
fn change(sandbox: &Sandbox, change: &str) {
    let file = sandbox.path(".ttg/ttg.db");
    let script = format!(
        "import sqlite3, sys\nstore = sqlite3.connect(sys.argv[1])\n{change}\nstore.commit()\n"
    );
    python(&script, &[file.to_str().expect("its name is text")], "");
}

#[track_caller]
fn disproved(sandbox: &Sandbox, line: &str, why: &str) {
    let ended = sandbox.ttg(line).expect_code(4);
    assert!(ended.stdout.contains("DISPROVED") && ended.stdout.contains(why), "{ended:#?}");
    let ended = sandbox.ttg(&format!("{line} --json")).expect_code(4);
    assert!(ended.stdout.contains(r#""proven":false"#), "{ended:#?}");
}

#[test]
fn a_finished_job_is_proven() {
    let sandbox = finished();
    for line in ["verify done", "verify done --recompute", "verify done --recompute=10%"] {
        let ended = sandbox.ttg(line).expect_code(0);
        assert!(ended.stdout.starts_with("job done is proven\n"), "{ended:#?}");
    }
    let ended = sandbox.ttg("verify done --recompute=7 --json").expect_code(0);
    assert!(ended.stdout.contains(r#""recomputed":7"#), "{ended:#?}");
    sandbox.ttg("verify done --recompute=0").expect_code(2);
}

#[test]
fn an_outcome_that_was_altered_by_hand_is_found_by_computing_it_again() {
    let sandbox = finished();
    // The lowest bit that the sum of chunk 7 has.
    change(
        &sandbox,
        "
found, record = store.execute('SELECT id, record FROM outcomes WHERE chunk = 7').fetchone()
at = record.index(b'\\xa1s\\xc4') + 3
at += record[at] - 1
changed = record[:at] + bytes([record[at] ^ 1]) + record[at + 1:]
store.execute('UPDATE outcomes SET record = ? WHERE id = ?', (changed, found))",
    );
    sandbox.ttg("verify done").expect_code(0);
    disproved(&sandbox, "verify done --recompute", "/7/0 differs in column `value`");
}

#[test]
fn an_outcome_that_is_gone_or_there_twice_disproves_the_job() {
    let sandbox = finished();
    change(&sandbox, "store.execute('DELETE FROM outcomes WHERE chunk = 11')");
    disproved(&sandbox, "verify done", "1 of 50 chunks have no outcome; the first is chunk 11");
    let sandbox = finished();
    change(
        &sandbox,
        "store.execute('UPDATE outcomes SET record = '
            '(SELECT record FROM outcomes WHERE chunk = 3) WHERE chunk = 4')",
    );
    disproved(&sandbox, "verify done", "chunk 3 has two outcomes");
}

#[test]
fn books_that_do_not_agree_with_the_outcomes_disprove_the_job() {
    let sandbox = finished();
    change(&sandbox, "store.execute('UPDATE jobs SET parameters_completed = 4999')");
    disproved(&sandbox, "verify done", "the broker counted 4999 completed and 0 dead parameters");
}
