//! A process on a terminal of its own, and what it shows there.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;

use nix::pty::{Winsize, openpty};
use ttg_runtime::{Clock, SystemClock, Timestamp};

use crate::process::DEADLINE;
use crate::sandbox::Sandbox;

/// A process that was started on a pseudo terminal, which controls it: Ctrl-C is typed.
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<String>,
    shown: String,
    deadline: Timestamp,
}

impl Sandbox {
    /// Starts `ttg` with the words of `line` on a terminal of this width, with `variables`.
    ///
    /// # Panics
    /// If there is no pseudo terminal, or no `setsid` of util-linux.
    pub fn on_terminal(&self, columns: u16, line: &str, variables: &[(&str, &str)]) -> Terminal {
        let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).expect("a pseudo terminal can be made");
        let stdio = || Stdio::from(pty.slave.try_clone().expect("it can be shared"));
        let bare = self.command(line);
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(bare.get_program()).args(bare.get_args());
        command.current_dir(self.path("")).env_clear().env("TERM", "xterm");
        command.envs(variables.iter().copied());
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        let child = command.spawn().expect("setsid starts");
        drop((command, pty.slave));
        let keyboard = File::from(pty.master);
        let mut shown = keyboard.try_clone().expect("it can be shared");
        let (sender, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4_096];
            // It fails once nobody has the terminal any more.
            while let Ok(read) = shown.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
                if read == 0 || sender.send(text).is_err() {
                    return;
                }
            }
        });
        let deadline = SystemClock.now().after(DEADLINE);
        Terminal { child, keyboard, screen, shown: String::new(), deadline }
    }
}

impl Terminal {
    /// Waits until `part` was shown.
    ///
    /// # Panics
    /// If the process ends or the deadline comes before it.
    pub fn until(&mut self, part: &str) {
        while !self.shown.contains(part) {
            assert!(self.look(), "`{part}` was not shown: {}", self.shown);
        }
    }

    /// Types Ctrl-C.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn interrupt(&mut self) {
        self.keyboard.write_all(b"\x03").expect("the terminal is there");
    }

    /// Waits for the end. Returns the exit code, and all that was shown.
    ///
    /// # Panics
    /// If the deadline comes before it.
    pub fn end(mut self) -> (Option<i32>, String) {
        while self.look() {}
        let status = self.child.wait().expect("a child can be waited for");
        (status.code(), std::mem::take(&mut self.shown))
    }

    /// False if nothing more is shown.
    fn look(&mut self) -> bool {
        match self.screen.recv_timeout(self.deadline.since(SystemClock.now())) {
            Ok(text) => self.shown += &text,
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{DEADLINE:?} were not enough: {}", self.shown)
            }
        }
        true
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Of one that has ended, neither has anything to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
