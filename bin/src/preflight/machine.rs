//! Whether this machine is fit to work.

use rustix::process::{Resource, getrlimit};
use ttg_runtime::{Clock, SystemClock};

use crate::build;
use crate::report::Finding;
use crate::settings::{WorkerSettings, granted_cpus};

/// Files that a worker has open beside those of its children: the store's, sockets, pipes.
const FILES: u64 = 64;

/// Files for each slot, which may have a child process.
const FILES_PER_SLOT: u64 = 8;

/// Whether the clock is not before the time that this program was built.
pub(crate) fn clock() -> Finding {
    const CHECK: &str = "clock";
    if SystemClock.wall().0 / 1_000 < build::SECONDS {
        let found = format!("the clock is before the day of this build, {}", build::DATE);
        let remedy = "set it: the times of jobs are told by it (leases do not depend on it)";
        return Finding::warning(CHECK, found, remedy);
    }
    Finding::ok(CHECK, format!("the clock is after the day of this build, {}", build::DATE))
}

/// Whether there are as many CPUs as slots.
pub(crate) fn concurrency(settings: WorkerSettings) -> Finding {
    const CHECK: &str = "concurrency";
    let (slots, cpus) = (settings.concurrency, granted_cpus());
    let found = format!("{slots} chunks at once on {cpus} CPUs");
    if slots > cpus {
        let remedy = "a kernel that computes gains nothing from it: lower `--concurrency`";
        return Finding::warning(CHECK, found, remedy);
    }
    Finding::ok(CHECK, found)
}

/// Whether the process may open enough files.
pub(crate) fn open_files(settings: WorkerSettings) -> Finding {
    const CHECK: &str = "open files";
    let needed = FILES + FILES_PER_SLOT * u64::from(settings.concurrency.get());
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return Finding::ok(CHECK, "without limit".to_owned());
    };
    let found = format!("at most {limit}, {needed} may be needed");
    if limit < needed {
        return Finding::warning(
            CHECK,
            found,
            "raise it with `ulimit -n`, or lower `--concurrency`",
        );
    }
    Finding::ok(CHECK, found)
}
