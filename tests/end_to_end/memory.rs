//! Memory does not grow with the job.

use ttg_tests::peak_memory_of_children;

use crate::sandbox;

const MIB: u64 = 1 << 20;

/// The promise: a worker of a job of any size.
const RESIDENT_MAX: u64 = 64 * MIB;

#[test]
fn a_billion_parameters_fit_in_64_mib() {
    let report = sandbox().ttg("run --parameters 1000000000 --json").expect_code(0).report();
    report.assert_complete(1_000_000_000, 0);
    assert_eq!(report.result("sum"), "500035500000.0");
    let peak = peak_memory_of_children();
    assert!(peak <= RESIDENT_MAX, "{} MiB", peak / MIB);
}

#[test]
fn millions_of_dead_parameters_in_one_report_fit_in_64_mib() {
    // An outcome of this many lone dead parameters is more than a megabyte.
    let line = "run --kernel faulty --set odd=true --parameters 9000000 --chunk-size 300000 \
                --max-attempts 1 --json";
    let report = sandbox().ttg(line).expect_code(3).report();
    report.assert_complete(9_000_000, 4_500_000);
    let peak = peak_memory_of_children();
    assert!(peak <= RESIDENT_MAX, "{} MiB", peak / MIB);
}

#[test]
fn a_hundred_thousand_chunks_fit_in_64_mib() {
    let report =
        sandbox().ttg("run --parameters 100000 --chunk-size 1 --json").expect_code(0).report();
    report.assert_complete(100_000, 0);
    assert_eq!(report.chunks.total, 100_000);
    let peak = peak_memory_of_children();
    assert!(peak <= RESIDENT_MAX, "{} MiB", peak / MIB);
}
