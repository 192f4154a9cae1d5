//! Dead letters are found, tried again once their kernel is mended, or given up.

use serde_json::Value;
use ttg_tests::{Ended, Sandbox};

use crate::sandbox;

/// Three dead parameters of two kinds, in two chunks, until there is a file called `mended`.
const LINE: &str = "run --job sick --kernel deadly --set error=7+8+250 --set panic=9 \
                    --set mended-by=mended --parameters 400 --chunk-size 100 --retry-delay 1ms --json";

fn sick() -> Sandbox {
    let sandbox = sandbox();
    sandbox.ttg(LINE).expect_code(3).report().assert_complete(400, 4);
    sandbox
}

#[track_caller]
fn answer(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:#?}"))
}

#[test]
fn they_are_listed_by_reason_with_the_command_that_reproduces_one() {
    let sandbox = sick();
    let list = answer(&sandbox.ttg("dlq list sick --json").expect_code(0));
    assert_eq!((&list["dead"], &list["dropped"]), (&4.into(), &0.into()));
    let groups: Vec<_> = list["groups"].as_array().expect("groups").iter().collect();
    assert_eq!(groups.len(), 2);
    assert_eq!((&groups[0]["kind"], &groups[0]["reason"]), (&"error".into(), &"no root".into()));
    assert_eq!(groups[0]["ranges"], serde_json::json!([[7, 9], [250, 251]]));
    assert_eq!(groups[1]["reason"], "9 is poison");

    let command = groups[1]["reproduce"].as_str().expect("a command");
    let line = command.strip_prefix("ttg ").expect("it is ours");
    let line = line.replace("\"$(mktemp -d)\"", "alone");
    let alone = sandbox.ttg(&format!("{line} --json")).expect_code(3).report();
    assert_eq!((alone.parameters.total, alone.parameters.dead), (1, 1));
}

#[test]
fn once_the_kernel_is_mended_a_retry_completes_the_job() {
    let sandbox = sick();
    let before = sandbox.look("sick").expect("it is there");
    std::fs::write(sandbox.path("mended"), "").expect("a file can be made");
    let done = answer(&sandbox.ttg("dlq retry sick --json").expect_code(0));
    assert_eq!((&done["retried"], &done["chunks"]), (&4.into(), &2.into()));
    // Before they are settled they are not published again.
    sandbox.ttg("dlq retry sick").expect_code(2);
    sandbox.ttg("worker --until-complete sick").expect_code(0);

    let after = sandbox.look("sick").expect("it is there");
    assert_eq!(after.status, "complete");
    assert_eq!((after.parameters.completed, after.parameters.dead), (400, 0));
    assert_eq!(after.chunks.total, before.chunks.total);
    let whole = sandbox.ttg("run --kernel deadly --parameters 400 --json").expect_code(0).report();
    assert_eq!(after.result.get(), whole.result.get());
    sandbox.ttg("verify sick --recompute").expect_code(0);
    assert_eq!(answer(&sandbox.ttg("dlq list sick --json"))["dead"], 0);
    let nothing = answer(&sandbox.ttg("dlq retry sick --json").expect_code(0));
    assert_eq!(nothing["retried"], 0);
}

#[test]
fn a_retry_of_what_is_still_sick_leaves_it_dead_and_the_books_right() {
    let sandbox = sick();
    for _ in 0..2 {
        sandbox.ttg("dlq retry sick").expect_code(0);
        sandbox.ttg("worker --until-complete sick").expect_code(3);
        let report = sandbox.look("sick").expect("it is there");
        assert_eq!((report.parameters.completed, report.parameters.dead), (396, 4));
        sandbox.ttg("verify sick").expect_code(0);
    }
}

#[test]
fn what_is_dropped_stays_dead_and_is_not_tried_again() {
    let sandbox = sick();
    let done = answer(&sandbox.ttg("dlq drop sick --json").expect_code(0));
    assert_eq!(done["dropped"], 4);
    let list = answer(&sandbox.ttg("dlq list sick --json").expect_code(0));
    assert_eq!((&list["dead"], &list["dropped"]), (&0.into(), &4.into()));
    std::fs::write(sandbox.path("mended"), "").expect("a file can be made");
    assert_eq!(answer(&sandbox.ttg("dlq retry sick --json"))["retried"], 0);
    let report = sandbox.look("sick").expect("it is there");
    assert_eq!((report.parameters.completed, report.parameters.dead), (396, 4));
    assert_eq!(report.workers.len(), 1, "a person is no worker");
    sandbox.ttg("verify sick").expect_code(0);
}

#[test]
fn an_unfinished_or_unknown_job_is_told_so() {
    let sandbox = sandbox();
    sandbox.ttg("dlq list nothing").expect_code(2);
    sandbox.ttg("submit --job waiting --parameters 10").expect_code(0);
    for command in ["dlq retry", "dlq drop", "verify"] {
        let ended = sandbox.ttg(&format!("{command} waiting")).expect_code(2);
        assert!(ended.stderr.contains("job `waiting` is not finished"), "{ended:#?}");
    }
    sandbox.ttg("dlq list waiting").expect_code(0);
}
