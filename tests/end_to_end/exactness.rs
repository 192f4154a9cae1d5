//! The result is right, and the same to the last bit for every cut and every number of threads.

use ttg_tests::{Report, python};

use crate::sandbox;

#[test]
fn ten_million_parameters_of_reference_have_the_known_result() {
    let report = sandbox().ttg("run --parameters 10000000 --json").expect_code(0).report();
    report.assert_complete(10_000_000, 0);
    let known = [
        ("count", "10000000"),
        ("sum", "5000355000.0"),
        ("mean", "500.0355"),
        ("min", "0.41"),
        ("argmin", "141"),
        ("max", "999.98"),
        ("argmax", "998"),
    ];
    for (field, value) in known {
        assert_eq!(report.result(field), value, "{field}");
    }
    let chunks = report.chunks;
    assert_eq!((chunks.dead, chunks.redelivered), (0, 0));
}

#[test]
fn there_are_664_579_primes_below_ten_million() {
    let report =
        sandbox().ttg("run --kernel primes --parameters 10000000 --json").expect_code(0).report();
    report.assert_complete(10_000_000, 0);
    assert_eq!(report.result("sum"), "664579.0");
}

#[test]
fn the_longest_collatz_sequence_below_ten_million_has_685_steps() {
    let report =
        sandbox().ttg("run --kernel collatz --range 1..10000000 --json").expect_code(0).report();
    report.assert_complete(9_999_999, 0);
    assert_eq!(report.result("max"), "685.0");
    assert_eq!(report.result("argmax"), "8400511");
}

/// Runs `job` in every cut and on every number of threads, and returns the report that they share.
fn same_bits_for_every_cut(job: &str, total: u64) -> Report {
    let sandbox = sandbox();
    let cuts = ["1", "7", "1000", "99999", "auto"].map(|size| format!("--chunk-size {size}"));
    let threads = ["1", "2", "8"].map(|threads| format!("--chunk-size 64 --concurrency {threads}"));
    let mut reports = cuts.iter().chain(&threads).map(|options| {
        let ended = sandbox.ttg(&format!("run {job} {options} --json"));
        let report = ended.expect_code(0).report();
        report.assert_complete(total, 0);
        (options, report)
    });
    let (_, first) = reports.next().expect("there are cuts");
    for (options, report) in reports {
        assert_eq!(report.result.get(), first.result.get(), "{options}");
        assert_eq!(report.columns.get(), first.columns.get(), "{options}");
    }
    first
}

#[test]
fn the_result_of_reference_is_the_same_text_for_every_cut_and_number_of_threads() {
    let report = same_bits_for_every_cut("--parameters 100000", 100_000);
    assert_eq!(report.result("sum"), "50003550.0");
}

#[test]
fn hostile_values_in_two_columns_have_the_nearest_double_for_every_cut_and_number_of_threads() {
    // The first range cancels at 1e308; in the second, both ends of it are cut off.
    for (start, end) in [(0, 20_000), (1, 12_345)] {
        let job = format!("--kernel hostile --range {start}..{end}");
        let report = same_bits_for_every_cut(&job, end - start);
        let report = format!(r#"{{"result":{},"columns":{}}}"#, report.result, report.columns);
        let range = [start.to_string(), end.to_string()];
        let differences = python(include_str!("hostile.py"), &[&range[0], &range[1]], &report);
        assert_eq!(differences, "", "{start}..{end}");
    }
}
