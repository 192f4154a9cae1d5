//! Disks that are full, and folders that may not be read: told with what to do, and nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use nix::unistd::geteuid;
use ttg_tests::{Running, Sandbox};

use crate::sandbox;

/// A file system of 16 mebibytes in a sandbox, unmounted with this.
struct Small {
    sandbox: Sandbox,
    place: PathBuf,
}

impl Small {
    /// `None`, with the reason printed, where this process may mount nothing.
    #[expect(clippy::print_stderr, reason = "a test that is left out is told to whoever runs it")]
    fn mount() -> Option<Self> {
        let sandbox = sandbox();
        let place = sandbox.path("small");
        fs::create_dir(&place).expect("the folder is ours");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(&place);
        let mounted = mount.output();
        if mounted.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self { sandbox, place });
        }
        eprintln!("skipped: no small file system can be mounted here: {mounted:?}");
        None
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let all = vec![0; 17 << 20];
        fs::write(self.place.join("filler"), all).expect_err("it is full now");
    }

    fn free(&self) {
        fs::remove_file(self.place.join("filler")).expect("it was filled");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What is left in use goes with the last process that uses it.
        drop(Command::new("umount").arg("--lazy").arg(&self.place).output());
    }
}

#[test]
fn a_disk_that_is_full_from_the_start_is_told_with_what_to_do() {
    let Some(small) = Small::mount() else { return };
    small.fill();
    let line = "run --parameters 1000 --job full --data-dir small/store";
    let ended = small.sandbox.ttg(line).expect_code(69);
    for part in ["error: ", "full", "hint: free some space"] {
        assert!(ended.stderr.contains(part), "{part}: {ended:#?}");
    }
    assert_eq!(ended.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1);
    small.free();
    small.sandbox.ttg(line).expect_code(0);
}

#[test]
fn a_disk_that_fills_up_is_waited_for_and_costs_nothing() {
    let Some(small) = Small::mount() else { return };
    let sandbox = &small.sandbox;
    let line = "run --job tight --parameters 4000 --chunk-size 1 --concurrency 2 --json \
                --set simulate-work-ms=1 --data-dir small/store";
    let mut running = sandbox.start(line);
    running.until_line("event=running");
    small.fill();
    running.until_line("event=broker_lost");
    small.free();
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
