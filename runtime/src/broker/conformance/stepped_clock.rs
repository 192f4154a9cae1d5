//! The wall clock of a server, which a test steps as an administrator does.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

/// A wall clock for the processes that are started under it. Their monotonic clocks, and all clocks of
/// others, stay as they are.
pub struct SteppedClock {
    folder: TempDir,
    /// Nanoseconds, as processes read it from the file.
    ahead: AtomicI64,
}

impl SteppedClock {
    /// One that is right.
    ///
    /// # Panics
    /// If there is no C compiler.
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let clock = Self { folder, ahead: AtomicI64::new(0) };
        std::fs::write(clock.path("clock.c"), include_str!("stepped_clock.c"))
            .expect("the folder is ours");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(clock.library());
        let ended = compiler.arg(clock.path("clock.c")).output();
        let ended = ended.expect("cc can be run: apt-get install gcc libc6-dev");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        File::create(clock.path("ahead")).expect("the folder is ours");
        clock.write(0);
        clock
    }

    /// Has what `command` starts read this clock.
    pub fn rule(&self, command: &mut Command) {
        command.env("LD_PRELOAD", self.library()).env("TTG_TEST_CLOCK", self.path("ahead"));
    }

    /// Steps it `by` forward.
    pub fn forward(&self, by: Duration) {
        self.step(nanos(by));
    }

    /// Steps it `by` back.
    pub fn back(&self, by: Duration) {
        self.step(-nanos(by));
    }

    fn step(&self, by: i64) {
        self.write(self.ahead.fetch_add(by, Ordering::SeqCst) + by);
    }

    fn write(&self, ahead: i64) {
        // In place: processes have mapped this file.
        let file = File::options().write(true).open(self.path("ahead"));
        let file = file.expect("it was created");
        file.write_all_at(&ahead.to_ne_bytes(), 0).expect("the folder is ours");
    }

    fn library(&self) -> PathBuf {
        self.path("clock.so")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for SteppedClock {
    fn default() -> Self {
        Self::new()
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).expect("a step is no longer than a life")
}
