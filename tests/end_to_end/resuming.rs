//! A name belongs to one job: its own options resume it, any others leave it alone.

use ttg_tests::{Sandbox, python};

use crate::sandbox;

/// A job that kernel, options, space and cut tell from others.
const JOB: &str = "--job named --parameters 1000 --chunk-size 100 --kernel reference \
                   --set simulate-fault-rate=0";

/// Everything that the store has of jobs, as SQL.
fn stored(sandbox: &Sandbox) -> String {
    let script = "
import sqlite3, sys
store = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)
for table in ('jobs', 'runs', 'tasks', 'outcomes'):
    for row in store.execute(f'SELECT * FROM {table} ORDER BY 1, 2'):
        print(table, row)
";
    let file = sandbox.path(".ttg/ttg.db");
    let stored = python(script, &[file.to_str().expect("its name is text")], "");
    assert!(stored.contains("outcomes (") && stored.contains("jobs ("), "{stored}");
    stored
}

#[test]
fn another_job_of_the_same_name_is_refused_and_changes_nothing() {
    let sandbox = sandbox();
    sandbox.ttg(&format!("run {JOB}")).expect_code(0);
    let before = (sandbox.ttg("results named --json").stdout, stored(&sandbox));
    let others = [
        ("--parameters 1000", "--parameters 1001", "parameters 0..1000, not 0..1001"),
        ("--parameters 1000", "--range 1..1001", "parameters 0..1000, not 1..1001"),
        ("--chunk-size 100", "--chunk-size 99", "chunk size 100, not 99"),
        ("--set simulate-fault-rate=0", "", "options simulate-fault-rate=0, not none"),
        (
            "fault-rate=0",
            "fault-rate=1",
            "options simulate-fault-rate=0, not simulate-fault-rate=1",
        ),
        ("reference --set simulate-fault-rate=0", "primes", "kernel reference, not primes"),
        ("--job", "--max-attempts 5 --job", "max attempts 3, not 5"),
        ("--job", "--max-deliveries 5 --job", "max deliveries 20, not 5"),
        ("--job", "--retry-delay 2s --job", "retry delay 1s, not 2s"),
        ("--job", "--timeout 1m --job", "timeout 600s, not 60s"),
    ];
    for (mine, other, difference) in others {
        let line = JOB.replace(mine, other);
        let refused = sandbox.ttg(&format!("run {line} --json")).expect_code(2);
        let message = format!("job `named` exists with {difference}");
        assert!(refused.stderr.contains(&message), "{refused:#?}");
        assert!(refused.stderr.contains("hint: "), "{refused:#?}");
        assert_eq!(refused.stdout, "");
    }
    let after = (sandbox.ttg("results named --json").stdout, stored(&sandbox));
    assert_eq!(after, before);
}

#[test]
fn a_complete_job_is_only_reported_again() {
    let sandbox = sandbox();
    let first = sandbox.ttg(&format!("run {JOB} --json")).expect_code(0);
    let before = stored(&sandbox);
    // Left to TTG, the cut is the stored one.
    for line in [JOB.to_owned(), JOB.replace("--chunk-size 100", "")] {
        let again = sandbox.ttg(&format!("run {line} --json")).expect_code(0);
        assert_eq!(again.stdout, first.stdout, "time and workers are those of the work");
        assert_eq!(stored(&sandbox), before);
    }
    let results = sandbox.ttg("results named --json").expect_code(0);
    assert_eq!(results.stdout, first.stdout);
}

#[test]
fn runs_without_a_name_are_jobs_of_their_own_in_one_store() {
    let sandbox = sandbox();
    let [first, second] = ["--parameters 1000", "--parameters 2000"].map(|space| {
        let ended = sandbox.ttg(&format!("run {space} --json"));
        ended.expect_code(0).report()
    });
    first.assert_complete(1_000, 0);
    second.assert_complete(2_000, 0);
    assert_ne!(first.job, second.job);
    let again = sandbox.look(&first.job).expect("it is kept");
    assert_eq!(again.result.get(), first.result.get());
}
