//! Static mode: slices of a job in stores of their own, resumed and merged.

use serde_json::Value;
use ttg_tests::{Sandbox, Signal};

use crate::sandbox;

/// Parameter 0 is dead of `collatz`.
const JOB: &str = "--kernel collatz --parameters 10000 --retry-delay 1ms --json";

/// Three shards, each cut differently.
fn three() -> Sandbox {
    let sandbox = sandbox();
    for (index, (total, dead)) in [(3_333, 1), (3_333, 0), (3_334, 0)].into_iter().enumerate() {
        let size = 50 + 7 * index;
        let line = format!("run {JOB} --shard {index}/3 --chunk-size {size} --data-dir s{index}");
        let ended = sandbox.ttg(&line).expect_code(if dead == 0 { 0 } else { 3 });
        ended.report().assert_complete(total, dead);
    }
    sandbox
}

#[test]
fn three_shards_compute_their_slices_and_merge_to_what_one_run_gives() {
    let sandbox = three();
    let whole = sandbox.ttg(&format!("run {JOB} --job whole")).expect_code(3).report();
    // In any order.
    let stores = "--broker embedded:s2 --broker embedded:s0 --broker embedded:s1";
    let line = format!("results collatz-0-10000 {stores}");
    let merged = sandbox.ttg(&format!("{line} --json")).expect_code(3).report();
    merged.assert_complete(10_000, 1);
    assert_eq!(merged.result.get(), whole.result.get());
    assert_eq!(merged.columns.get(), whole.columns.get());
    assert_eq!(merged.parameters, whole.parameters);
    assert_eq!(merged.chunks.total, 67 + 59 + 53);
    assert_eq!(merged.workers.len(), 3);

    let rows = sandbox.ttg(&format!("{line} --format jsonl")).expect_code(3).stdout;
    let range = |row: &str| {
        let row: Value = serde_json::from_str(row).expect("one object");
        let number = |field: &str| row[field].as_u64().expect("a number");
        (number("start"), number("end"))
    };
    let mut ranges: Vec<_> = rows.lines().map(range).collect();
    ranges.sort_unstable();
    let bounds = ranges.iter().map(|(start, _)| *start).chain([10_000]);
    assert!(ranges.iter().map(|(_, end)| *end).eq(bounds.skip(1)), "{ranges:?}");
    for bound in [0, 3_333, 6_666] {
        assert!(ranges.iter().any(|(start, _)| *start == bound), "{bound}");
    }
}

#[test]
fn without_a_folder_each_has_one_of_its_own() {
    let sandbox = sandbox();
    let line = "run --parameters 100 --set simulate-work-ms=0 --json --shard";
    let running = [0, 1].map(|index| sandbox.start(&format!("{line} {index}/2")));
    for shard in running {
        shard.end().expect_code(0).report().assert_complete(50, 0);
    }
    let stores = "--data-dir .ttg/shard-0-of-2 --data-dir .ttg/shard-1-of-2";
    let merged = sandbox.ttg(&format!("results reference-0-100 {stores} --json"));
    merged.expect_code(0).report().assert_complete(100, 0);
}

#[test]
fn stores_that_are_no_shards_of_one_job_are_not_merged() {
    let sandbox = three();
    let more = [
        "--shard 1/4 --data-dir quarter",
        "--shard 1/3 --max-attempts 1 --data-dir other",
        "--shard 1/3 --job named --data-dir named",
        "--job collatz-0-10000 --data-dir whole",
    ];
    for options in more {
        let ended = sandbox.ttg(&format!("run {JOB} {options}"));
        assert!(matches!(ended.code, Some(0 | 3)), "{ended:#?}");
    }
    let cases = [
        ("s0 s2", "shard 1/3 of 0..10000 is missing"),
        ("s0 s1", "shard 2/3 of 0..10000 is missing"),
        ("s0 s1 s1 s2", "embedded:s1 and embedded:s1 both hold shard 1/3"),
        ("s0 quarter s2", "do not belong together: 0..10000 in 3 shards, 0..10000 in 4"),
        ("s0 other s2", "do not belong together: max attempts 3, and 1"),
        ("s0 whole s2", "job `collatz-0-10000` in embedded:whole is no shard of a job"),
        ("s0 named s2", "job `collatz-0-10000` is unknown"),
        ("s0 nothing s2", "job `collatz-0-10000` is unknown"),
    ];
    for (stores, why) in cases {
        let stores = stores.split(' ').map(|store| format!("--broker embedded:{store} "));
        let line = format!("results collatz-0-10000 {}", stores.collect::<String>());
        let refused = sandbox.ttg(&line).expect_code(2);
        assert_eq!(refused.stdout, "");
        assert!(refused.stderr.contains(why) && refused.stderr.contains("hint: "), "{refused:#?}");
    }
    assert!(!sandbox.path("nothing").exists(), "looking makes no store");
}

/// Twenty seconds of work for one slot, longer than a store in use is waited for.
const SLOW: &str = "run --parameters 40000 --shard 1/2 --data-dir mine --concurrency 1 --json \
                    --chunk-size 10 --set simulate-work-ms=1 --progress-every 10";

#[test]
fn its_store_is_its_own_and_a_drained_one_is_no_finished_one() {
    let sandbox = sandbox();
    let mut running = sandbox.start(SLOW);
    running.until_line("event=progress");
    let refused = [(SLOW, "another process uses this store"), ("status --data-dir mine", "itself")];
    for (line, why) in refused {
        let refused = sandbox.ttg(line).expect_code(69);
        assert!(refused.stderr.contains(why), "{refused:#?}");
    }
    assert!(!sandbox.path("mine/ttg.db-shm").exists(), "it needs no shared memory");
    running.signal(Signal::SIGTERM);
    let drained = running.end().expect_code(143);
    assert!(drained.stderr.contains("`--job reference-0-40000`"), "{drained:#?}");
    let other = SLOW.replace("1/2", "0/2");
    let refused = sandbox.ttg(&other).expect_code(2);
    assert!(refused.stderr.contains("parameters 20000..40000, not 0..20000"), "{refused:#?}");

    sandbox.start(SLOW).kill();
    let done =
        sandbox.ttg(&SLOW.replace("concurrency 1", "concurrency 32")).expect_code(0).report();
    done.assert_complete(20_000, 0);
    assert!(done.workers.len() >= 2, "what was done before is kept: {done:#?}");
}
