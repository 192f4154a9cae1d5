//! Disks that are full, and folders that may not be read: told with what to do, and nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::unistd::geteuid;
use ttg_tests::{Running, Sandbox, SmallDisk};

use crate::sandbox;

/// A sandbox with a small disk in it.
fn small() -> Option<(Sandbox, SmallDisk)> {
    let sandbox = sandbox();
    let disk = SmallDisk::mount(sandbox.path("small"))?;
    Some((sandbox, disk))
}

#[test]
fn a_disk_that_is_full_from_the_start_is_told_with_what_to_do() {
    let Some((sandbox, disk)) = small() else { return };
    disk.fill();
    let line = "run --parameters 1000 --job full --data-dir small/store";
    let ended = sandbox.ttg(line).expect_code(69);
    for part in ["error: ", "full", "hint: free some space"] {
        assert!(ended.stderr.contains(part), "{part}: {ended:#?}");
    }
    assert_eq!(ended.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1);
    disk.free();
    sandbox.ttg(line).expect_code(0);
}

#[test]
fn a_disk_that_fills_up_is_waited_for_and_costs_nothing() {
    let Some((sandbox, disk)) = small() else { return };
    let line = "run --job tight --parameters 4000 --chunk-size 1 --concurrency 2 --json \
                --set simulate-work-ms=1 --data-dir small/store";
    let mut running = sandbox.start(line);
    running.until_line("event=running");
    disk.fill();
    running.until_line("event=broker_lost");
    disk.free();
    let report = running.end().expect_code(0).report();
    report.assert_complete(4_000, 0);
    assert_eq!((report.chunks.redelivered, report.chunks.duplicates_dropped), (0, 0));
    sandbox.ttg("verify tight --data-dir small/store").expect_code(0);
}

#[test]
fn a_store_that_may_not_be_read_is_refused_and_kept() {
    let sandbox = sandbox();
    sandbox.ttg("run --parameters 1000 --job kept").expect_code(0);
    let program = sandbox.path("ttg");
    fs::copy(env!("CARGO_BIN_EXE_ttg-under-test"), &program).expect("it can be copied");
    let chmod = |path: &str, mode| {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(sandbox.path(path), mode).expect("it is ours");
    };
    chmod("", 0o755);
    for (path, mode) in [(".ttg", 0o000), (".ttg/ttg.db", 0o000)] {
        chmod(path, mode);
        for line in ["run --parameters 1000 --job kept", "results kept", "status"] {
            // As somebody who may not read everything.
            let mut command = Command::new("setpriv");
            if geteuid().is_root() {
                command.args(["--reuid", "65534", "--clear-groups"]);
            }
            command.arg(&program).args(line.split(' ')).current_dir(sandbox.path("")).env_clear();
            let ended = Running::start(command, format!("ttg {line} # {path}")).end();
            let ended = ended.expect_code(78);
            for part in ["error: the store could not be opened", "ermission denied", "hint: "] {
                assert!(ended.stderr.contains(part), "{part}: {ended:#?}");
            }
        }
        chmod(path, 0o755);
    }
    sandbox.ttg("verify kept").expect_code(0);
}
