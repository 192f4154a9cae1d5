//! Who is alive, told by the operating system: a consumer holds an exclusive lock on a file of its
//! name, and the kernel lets go of it the moment that its process dies, however it dies. A stopped
//! process keeps its lock; for that one its leases decide.
//!
//! A file is removed only by who holds its lock, and a lock counts only if the file still has its
//! name. So of two that reach for one name, one holds it and the other sees that it does not.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::fault::Fault;
use crate::ids::WorkerId;

/// Who looks whether a worker is dead holds its lock for a moment; longer is a living worker.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// The longest name of a lock file before its ending; file systems allow 255 bytes in all.
const STEM_BYTES_MAX: usize = 240;

/// A held lock file. Dropping it removes the file, then lets go.
#[derive(Debug)]
pub(super) struct Presence {
    path: PathBuf,
    /// Not inherited by children: the standard library opens files close-on-exec.
    _lock: File,
}

impl Drop for Presence {
    fn drop(&mut self) {
        // If it cannot be removed, the next to look finds it unlocked.
        drop(fs::remove_file(&self.path));
    }
}

impl Presence {
    /// Makes `worker` present, until this is dropped or the process dies.
    pub(super) fn announce(folder: &Path, worker: &WorkerId) -> Result<Self, Fault> {
        fs::create_dir_all(folder)?;
        let path = lock_file(folder, worker.as_str());
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            if let Some(presence) = lock(options.open(&path)?, &path)? {
                return Ok(presence);
            }
        }
        Err(Fault::Refused(format!("another running process is worker `{worker}`")))
    }
}

/// Whether a worker lives.
pub(super) enum Pulse {
    Alive,
    /// It is dead, and nobody becomes present under its name while this lives. It left no file if
    /// it went in order, or if another saw its death first.
    Dead(#[expect(dead_code, reason = "held until it is dropped")] Option<Presence>),
}

/// Looks whether `worker` lives. Whose file cannot be looked at is left to its leases.
pub(super) fn pulse(folder: &Path, worker: &str) -> Pulse {
    pulse_of(&lock_file(folder, worker))
}

fn pulse_of(path: &Path) -> Pulse {
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Pulse::Dead(None),
        Err(_) => return Pulse::Alive,
    };
    match lock(file, path) {
        Ok(Some(presence)) => Pulse::Dead(Some(presence)),
        Ok(None) | Err(_) => Pulse::Alive,
    }
}

/// Removes the files of the dead, so that they do not pile up.
pub(super) fn bury(folder: &Path) -> Result<(), Fault> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "lock") {
            drop(pulse_of(&path));
        }
    }
    Ok(())
}

/// The lock, if it is free and its file still has its name.
pub(super) fn lock(file: File, path: &Path) -> Result<Option<Presence>, Fault> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let ours = file.metadata()?;
    let named = match fs::metadata(path) {
        Ok(named) => named,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let same = (ours.dev(), ours.ino()) == (named.dev(), named.ino());
    Ok(same.then(|| Presence { path: path.to_owned(), _lock: file }))
}

/// A long name is known by its end, where the incarnation is.
fn lock_file(folder: &Path, worker: &str) -> PathBuf {
    // Names of workers are ASCII; any other is not ours and stays as it is.
    let start = worker.len().saturating_sub(STEM_BYTES_MAX);
    let stem = worker.get(start..).unwrap_or(worker);
    folder.join(format!("{stem}.lock"))
}
