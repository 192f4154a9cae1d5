//! The store of a sandbox, seen from outside of its processes.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_UNLCK, F_WRLCK, SEEK_SET, flock};
use tokio::runtime::{Builder, Runtime};
use ttg_runtime::broker::{EmbeddedBroker, EmbeddedConfig, OutcomeCursor};
use ttg_runtime::{Broker, DeadReason, JobUid, Outcome, SystemClock, SystemRandomness, WorkerId};

use crate::oracle::python;
use crate::process::Running;

/// The byte of the log's index that whoever is inside of a writing transaction has locked:
/// `WAL_WRITE_LOCK` of <https://www.sqlite.org/walformat.html#wal_locks>.
const WRITE_LOCK: i64 = 120;

/// The store in a folder. It is opened for each look: an open one would hold locks of its own.
pub struct Store<'a>(pub(crate) &'a Path);

impl Store<'_> {
    /// Every outcome of `job`, by chunk.
    ///
    /// # Panics
    /// If there is no such job, or a chunk has two.
    pub fn outcomes(&self, job: &str) -> BTreeMap<u64, Outcome> {
        let (runtime, broker) = self.open();
        let uid = uid(&runtime, &broker, job);
        let mut outcomes = BTreeMap::new();
        let mut cursor = Some(OutcomeCursor::START);
        while let Some(from) = cursor {
            let page = runtime.block_on(broker.outcomes(uid, from, 1_000));
            let page = page.expect("outcomes can be read");
            for outcome in page.outcomes {
                let twice = outcomes.insert(outcome.key.chunk.0, outcome);
                assert_eq!(twice, None, "one outcome a chunk");
            }
            cursor = page.next;
        }
        outcomes
    }

    /// How many chunks of `job` workers hold.
    ///
    /// # Panics
    /// If there is no such job.
    pub fn in_flight(&self, job: &str) -> u64 {
        let (runtime, broker) = self.open();
        let uid = uid(&runtime, &broker, job);
        let progress = runtime.block_on(broker.progress(uid)).expect("progress can be read");
        progress.expect("the job is known").chunks.in_flight
    }

    /// Stops `job`, as a user may.
    ///
    /// # Panics
    /// If there is no such job.
    pub fn cancel(&self, job: &str) {
        let (runtime, broker) = self.open();
        let uid = uid(&runtime, &broker, job);
        let known = runtime.block_on(broker.cancel(uid)).expect("a job can be cancelled");
        assert!(known, "{job}");
    }

    /// The process that is inside of a transaction which writes, if one is.
    ///
    /// # Panics
    /// If no process has the store open.
    pub fn writer(&self) -> Option<u32> {
        let index = File::open(self.0.join("ttg.db-shm")).expect("the store is in use");
        let mut lock = flock {
            l_type: i16::try_from(F_WRLCK).expect("it is small"),
            l_whence: i16::try_from(SEEK_SET).expect("it is small"),
            l_start: WRITE_LOCK,
            l_len: 1,
            l_pid: 0,
        };
        fcntl(&index, FcntlArg::F_GETLK(&mut lock)).expect("every process may ask");
        let is_free = i32::from(lock.l_type) == F_UNLCK;
        (!is_free).then(|| u32::try_from(lock.l_pid).expect("a process holds it"))
    }

    /// Keeps everybody from writing for as long as the value lives.
    pub fn hold(&self) -> Running {
        let script = "
import signal, sqlite3, sys
store = sqlite3.connect(sys.argv[1], timeout=100, isolation_level=None)
store.execute('BEGIN IMMEDIATE')
print('held', flush=True)
signal.pause()
";
        let mut command = Command::new("python3");
        command.args(["-c", script]).arg(self.0.join("ttg.db"));
        let mut holder = Running::start(command, "python3 # holds the store".into());
        holder.until_output("held");
        holder
    }

    /// What `statement` reads: a line a row, its values separated by `|`.
    pub fn query(&self, statement: &str) -> String {
        let script = "
import sqlite3, sys
store = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)
for row in store.execute(sys.argv[2]):
    print(*row, sep='|')
";
        let file = self.0.join("ttg.db");
        python(script, &[file.to_str().expect("its name is text"), statement], "")
    }

    fn open(&self) -> (Runtime, EmbeddedBroker) {
        let runtime = Builder::new_current_thread().enable_all().build().expect("it can be built");
        let config = EmbeddedConfig {
            dir: self.0.to_owned(),
            worker: WorkerId::fresh("onlooker", &SystemRandomness),
            lease: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
        };
        let broker = runtime.block_on(EmbeddedBroker::open_existing(config));
        (runtime, broker.expect("the store can be opened"))
    }
}

fn uid(runtime: &Runtime, broker: &EmbeddedBroker, job: &str) -> JobUid {
    let name = job.parse().expect("it is a name");
    let found = runtime.block_on(broker.job(&name)).expect("jobs can be looked up");
    found.unwrap_or_else(|| panic!("there is no job {job}")).uid
}

/// Every dead parameter among `outcomes`, with its reason.
pub fn dead_letters(outcomes: &BTreeMap<u64, Outcome>) -> BTreeMap<u64, DeadReason> {
    let runs = outcomes.values().flat_map(|outcome| outcome.dead.runs());
    runs.flat_map(|(run, why)| run.into_iter().map(|parameter| (parameter, why.clone()))).collect()
}
