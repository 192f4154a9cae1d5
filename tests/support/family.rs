//! The processes that a process under test has started, as `/proc` shows them.

use std::fs;
use std::path::Path;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::process::Running;

/// A process that a process under test has started.
#[derive(Debug)]
pub struct Descendant {
    id: i32,
    /// As `ps` shows it: `T` is stopped, `Z` dead and not waited for.
    pub state: char,
    /// The words that it was started with.
    pub command: String,
    /// The names of its threads.
    pub threads: Vec<String>,
}

/// From now on, what the processes under test leave behind is handed to this process, which can tell
/// how it ended.
///
/// # Panics
/// If the system refuses.
pub fn adopt_orphans() {
    set_child_subreaper(true).expect("every process may ask for it");
}

/// The processes of this machine that are in the folder `path`, or have it in their environment, which
/// those inherit that they start, too.
///
/// # Panics
/// If `/proc` cannot be read.
pub fn processes_with(path: &Path) -> Vec<Descendant> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let ids = fs::read_dir("/proc").expect("there is one").flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let with = ids.filter(|id: &i32| {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        // Some write over it.
        let place = fs::read_link(format!("/proc/{id}/cwd")).unwrap_or_default();
        place.starts_with(path) || environment.windows(bytes.len()).any(|part| part == bytes)
    });
    with.filter_map(Descendant::look).collect()
}

impl Running {
    /// The processes that it has started and that it has not waited for.
    pub fn children(&self) -> Vec<Descendant> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).into_iter().flatten();
        let lists = tasks.flatten().filter_map(|task| {
            // A thread may have ended meanwhile.
            fs::read_to_string(task.path().join("children")).ok()
        });
        let ids: Vec<i32> = lists
            .flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>())
            .collect();
        ids.into_iter().filter_map(Descendant::look).collect()
    }
}

impl Descendant {
    /// `None` if there is no such process any more.
    fn look(id: i32) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).ok();
        let stat = read("stat")?;
        // The name before it may hold anything.
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        let command = read("cmdline")?.replace('\0', " ");
        let tasks = fs::read_dir(format!("/proc/{id}/task")).ok()?.flatten();
        let threads = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        let threads = threads.map(|name| name.trim().to_owned()).collect();
        Some(Self { id, state, command, threads })
    }

    /// Sends `signal`; false if it is gone.
    pub fn signal(&self, signal: Signal) -> bool {
        kill(Pid::from_raw(self.id), signal).is_ok()
    }

    /// What it is now; `None` if it is gone.
    pub fn again(&self) -> Option<Self> {
        Self::look(self.id)
    }

    /// Whether whoever started it is gone, so that it was handed to this process.
    pub fn is_left(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap_or_default();
        status.contains(&format!("\nPPid:\t{}\n", std::process::id()))
    }

    /// Waits for its end, once it was left behind. Returns the signal that ended it, if one did.
    ///
    /// # Panics
    /// If [`adopt_orphans`] was not called before.
    pub fn end(self) -> Option<Signal> {
        match waitpid(Pid::from_raw(self.id), None).expect("it was handed to us") {
            WaitStatus::Signaled(_, signal, _) => Some(signal),
            _ => None,
        }
    }
}
