//! A process under test: its lines as they come, signals to it, its end.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use ttg_runtime::{Clock, SystemClock, Timestamp};

use crate::report::{Report, WorkerReport};

/// What takes longer hangs.
pub const DEADLINE: Duration = Duration::from_secs(100);

/// Looks until it sees something.
///
/// # Panics
/// If the deadline comes before it; then `what` did not happen.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = SystemClock.now().after(DEADLINE);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(SystemClock.now() < deadline, "{DEADLINE:?} were not enough: {what}");
    }
}

/// A line, with its line break, of one of the two streams.
enum Line {
    Out(String),
    Err(String),
}

/// A process that was started. It does not outlive this value.
pub struct Running {
    child: Child,
    command: String,
    lines: Receiver<Line>,
    stdout: String,
    stderr: String,
    deadline: Timestamp,
}

/// A process that ended.
#[derive(Debug)]
pub struct Ended {
    /// What was run.
    pub command: String,
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Running {
    /// Starts `command`, which errors call `name`.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut command: Command, name: String) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (sender, lines) = mpsc::channel();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        forward(stdout.expect("it is piped"), sender.clone(), Line::Out);
        forward(stderr.expect("it is piped"), sender, Line::Err);
        Self {
            child,
            command: name,
            lines,
            stdout: String::new(),
            stderr: String::new(),
            deadline: SystemClock.now().after(DEADLINE),
        }
    }

    /// Lets it live for so long in all: it is there while others are waited for.
    #[must_use]
    pub fn for_at_most(mut self, time: Duration) -> Self {
        self.deadline = SystemClock.now().after(time);
        self
    }

    /// Waits for a line on standard error that contains `part`.
    ///
    /// # Panics
    /// If the process ends or the deadline comes before it.
    pub fn until_line(&mut self, part: &str) {
        let mut from = 0;
        while !self.stderr[from..].contains(part) {
            from = self.stderr.len();
            assert!(self.take_line(), "no line with `{part}`: {self}");
        }
    }

    /// Waits for a line on standard output that contains `part`.
    ///
    /// # Panics
    /// If the process ends or the deadline comes before it.
    pub fn until_output(&mut self, part: &str) {
        while !self.stdout.contains(part) {
            assert!(self.take_line(), "no output with `{part}`: {self}");
        }
    }

    /// Whether a line on standard error that was read by now contains `part`.
    pub fn has_told(&self, part: &str) -> bool {
        self.stderr.contains(part)
    }

    /// The worker's id, from its log lines in JSON.
    ///
    /// # Panics
    /// If it ends before it tells.
    pub fn worker_id(&mut self) -> String {
        self.field(r#""worker":""#)
    }

    /// What follows `field` in its log lines, up to a quote or white space.
    ///
    /// # Panics
    /// If it ends before it tells.
    pub(crate) fn field(&mut self, field: &str) -> String {
        self.until_line(field);
        let (_, rest) = self.stderr.split_once(field).expect("there is such a line");
        let end = |c: char| c == '"' || c.is_whitespace();
        rest.split(end).next().unwrap_or_default().to_owned()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids are small"))
    }

    /// Sends `signal`.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn signal(&self, signal: Signal) {
        // Until it is waited for its id is its own, even if it has ended.
        kill(self.pid(), signal).expect("a child can be signalled");
    }

    /// Stops it where it is. When this returns, all of its threads stand still.
    ///
    /// # Panics
    /// If it has ended.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        waitid(Id::Pid(self.pid()), WaitPidFlag::WSTOPPED).expect("it runs");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Kills it as the kernel does, without a warning.
    pub fn kill(self) -> Ended {
        self.signal(Signal::SIGKILL);
        self.end()
    }

    /// Whether it has ended, or does within `wait`.
    ///
    /// # Panics
    /// If its deadline is over.
    pub fn ends_within(&mut self, wait: Duration) -> bool {
        let now = SystemClock.now();
        assert!(now < self.deadline, "{DEADLINE:?} were not enough: {self}");
        let until = now.after(wait);
        loop {
            match self.lines.recv_timeout(until.since(SystemClock.now())) {
                Ok(line) => self.keep(line),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If the deadline comes before it.
    pub fn end(mut self) -> Ended {
        while self.take_line() {}
        let status = self.child.wait().expect("a child can be waited for");
        Ended {
            command: std::mem::take(&mut self.command),
            code: status.code(),
            signal: status.signal(),
            stdout: std::mem::take(&mut self.stdout),
            stderr: std::mem::take(&mut self.stderr),
        }
    }

    /// Takes the next line; false if both streams are closed.
    fn take_line(&mut self) -> bool {
        let left = self.deadline.since(SystemClock.now());
        match self.lines.recv_timeout(left) {
            Ok(line) => self.keep(line),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => panic!("{DEADLINE:?} were not enough: {self}"),
        }
        true
    }

    fn keep(&mut self, line: Line) {
        match line {
            Line::Out(line) => self.stdout += &line,
            Line::Err(line) => self.stderr += &line,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of one that has ended, neither has anything to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl std::fmt::Display for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (command, stdout, stderr) = (&self.command, &self.stdout, &self.stderr);
        write!(f, "{command}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

impl Ended {
    /// This, if it exited with `code`.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "often the check is all that is wanted")]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The report on its standard output, which holds nothing else.
    ///
    /// # Panics
    /// If it is not exactly one.
    #[track_caller]
    pub fn report(&self) -> Report {
        assert_eq!(self.stdout.lines().count(), 1, "{self:#?}");
        Report::parse(&self.stdout)
    }

    /// The same, of a worker.
    ///
    /// # Panics
    /// If it is not exactly one.
    #[track_caller]
    pub fn worker_report(&self) -> WorkerReport {
        assert_eq!(self.stdout.lines().count(), 1, "{self:#?}");
        WorkerReport::parse(&self.stdout)
    }
}

/// The most resident memory that any ended child of this process had, in bytes.
///
/// # Panics
/// If the system does not tell.
pub fn peak_memory_of_children() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("every process may ask");
    u64::try_from(usage.max_rss()).expect("a size is positive") * 1_024
}

/// Sends every line of `stream` to `lines`, until it ends.
fn forward(stream: impl Read + Send + 'static, lines: Sender<Line>, of: fn(String) -> Line) {
    let mut stream = BufReader::new(stream);
    thread::spawn(move || {
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            if lines.send(of(text)).is_err() {
                return;
            }
            line.clear();
        }
    });
}
