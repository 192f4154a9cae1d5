//! A folder of its own, and processes of `ttg` in it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use ttg_runtime::{Clock, SystemClock};

use crate::process::{DEADLINE, Ended, Running};
use crate::report::Report;
use crate::store::Store;

/// A temporary folder in which `ttg` runs, without the environment of the tests.
pub struct Sandbox {
    program: PathBuf,
    dir: TempDir,
    data: PathBuf,
    /// The broker of its processes, if it is not the store in its folder.
    broker: Option<String>,
    /// The namespace of its processes, if it is not the default.
    namespace: Option<String>,
}

impl Sandbox {
    /// A fresh one for the `ttg` at `program`.
    ///
    /// # Panics
    /// If no temporary folder can be made.
    pub fn new(program: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let (program, data) = (program.into(), dir.path().join(".ttg"));
        Self { program, dir, data, broker: None, namespace: None }
    }

    /// The same, its processes using the broker at `url`.
    #[must_use]
    pub fn on(self, url: String) -> Self {
        Self { broker: Some(url), ..self }
    }

    /// The same, its processes using this namespace.
    #[must_use]
    pub fn within(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self }
    }

    /// The path of `name` in the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `ttg` with the words of `line`, to be started.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg0("ttg").args(line.split_whitespace()).current_dir(self.dir.path()).env_clear();
        command.envs(self.broker.iter().map(|url| ("TTG_BROKER", url)));
        command.envs(self.namespace.iter().map(|name| ("TTG_NAMESPACE", name)));
        command
    }

    /// Starts `ttg` with the words of `line`.
    pub fn start(&self, line: &str) -> Running {
        Running::start(self.command(line), format!("ttg {line}").trim_end().to_owned())
    }

    /// Starts `ttg` with the words of `line` and at most this much address space.
    pub fn start_within(&self, mebibytes: u64, line: &str) -> Running {
        let script = format!(r#"ulimit -v {} && exec "$0" "$@""#, mebibytes * 1_024);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]).arg(&self.program).args(line.split_whitespace());
        command.current_dir(self.dir.path()).env_clear();
        Running::start(command, format!("ttg {line} # within {mebibytes} MiB"))
    }

    /// Runs `ttg` with the words of `line` to its end.
    pub fn ttg(&self, line: &str) -> Ended {
        self.start(line).end()
    }

    /// The store that `ttg` uses if it is not told another.
    pub fn store(&self) -> Store<'_> {
        Store(self.data.as_path())
    }

    /// What the store has of `job` by now; `None` before it is submitted. A broker that is away is waited
    /// for: after a kill it may take longer to start than a command waits.
    ///
    /// # Panics
    /// If `ttg results` fails otherwise, or the broker is away for too long.
    pub fn look(&self, job: &str) -> Option<Report> {
        let deadline = SystemClock.now().after(DEADLINE);
        loop {
            let ended = self.ttg(&format!("results {job} --json"));
            match ended.code {
                Some(0 | 3) => return Some(ended.report()),
                Some(2) if ended.stderr.contains("is unknown") => return None,
                Some(69) if SystemClock.now() < deadline => {}
                _ => panic!("{ended:#?}"),
            }
        }
    }

    /// Looks at `job` until `is_so`; each look is a process of its own.
    ///
    /// # Panics
    /// If the deadline comes before it.
    pub fn until(&self, job: &str, is_so: impl Fn(&Report) -> bool) -> Report {
        let deadline = SystemClock.now().after(DEADLINE);
        loop {
            let report = self.look(job);
            match report {
                Some(report) if is_so(&report) => return report,
                _ => assert!(SystemClock.now() < deadline, "too late: {report:#?}"),
            }
        }
    }
}
