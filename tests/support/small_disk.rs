//! A file system of a few mebibytes, which can be full.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What fills it.
const FILLER: &str = "filler";

/// A file system of 16 mebibytes, unmounted with this.
pub struct SmallDisk {
    place: PathBuf,
}

impl SmallDisk {
    /// One at `place`, a folder that is made for it. `None`, with the reason printed, where this
    /// process may mount nothing.
    ///
    /// # Panics
    /// If the folder cannot be made.
    #[expect(clippy::print_stderr, reason = "what a test leaves out is told to whoever runs it")]
    pub fn mount(place: PathBuf) -> Option<Self> {
        fs::create_dir(&place).expect("the folder is ours");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(&place);
        let mounted = mount.output();
        if mounted.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self { place });
        }
        eprintln!("skipped: no small file system can be mounted here: {mounted:?}");
        None
    }

    /// Leaves no byte free.
    ///
    /// # Panics
    /// If there is room for more than it has.
    pub fn fill(&self) {
        let all = vec![0; 17 << 20];
        fs::write(self.place.join(FILLER), all).expect_err("it is full now");
    }

    /// Takes away what fills it.
    ///
    /// # Panics
    /// If it was not filled.
    pub fn free(&self) {
        fs::remove_file(self.place.join(FILLER)).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What is left in use goes with the last process that uses it.
        drop(Command::new("umount").arg("--lazy").arg(&self.place).output());
    }
}
