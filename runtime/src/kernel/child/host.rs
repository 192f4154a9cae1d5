//! The worker's side: one child, asked one thing at a time, and ended when it must be.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{self, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};

use super::parts::{AskChild, NoAnswer};
use super::wire::{Assembly, CursorCell, Incoming, Reply, Request, send};
use crate::chunk::Chunk;
use crate::clock::{Clock, Timestamp};
use crate::delivery::FailureKind;
use crate::invariants::evaluation_is_whole;
use crate::kernel::{Cancel, Evaluated};

/// How long a child that has nothing to say is left alone before cancellation and time are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The pause before a child that could not be started is tried again.
const START_RETRY: Duration = Duration::from_millis(500);

/// How a child process is started: it must call [`serve`](super::serve) with the kernels that its
/// worker has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildCommand {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl ChildCommand {
    /// The program that this process runs, even if its file was replaced since, with `arguments`.
    pub fn this_program(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { program: "/proc/self/exe".into(), arguments }
    }
}

/// A child, started when it is first asked something.
pub(crate) struct Child<'a> {
    pub(crate) command: &'a ChildCommand,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) cancel: &'a Cancel,
    /// When the attempt began.
    pub(crate) started: Timestamp,
    /// Outlives the attempt, since starting a process and a kernel costs time.
    pub(crate) running: &'a mut Option<Running>,
}

/// A child that runs; dropping it ends it.
pub(crate) struct Running {
    process: process::Child,
    socket: UnixStream,
    cursor: CursorCell,
}

impl AskChild for Child<'_> {
    fn ask(&mut self, part: Chunk, last_attempt: bool) -> Result<Evaluated, NoAnswer> {
        let patience = Patience::new(&part, last_attempt, self.started, self.clock.now());
        let mut running = self.start()?;
        let answer = running.ask(&Request { chunk: part, last_attempt }, |cursor| {
            let now = self.clock.now();
            if self.cancel.is_set() { Look::Cancelled } else { patience.look(cursor, now) }
        });
        if answer.is_ok() {
            *self.running = Some(running);
        }
        answer
    }
}

impl Child<'_> {
    /// The child that runs, or a fresh one. That none can be started is nobody's fault, so it is
    /// tried until it works or the work is cancelled.
    fn start(&mut self) -> Result<Running, NoAnswer> {
        let mut told = false;
        loop {
            if let Some(running) = self.running.take() {
                return Ok(running);
            }
            if self.cancel.is_set() {
                return Err(NoAnswer::Cancelled);
            }
            match Running::start(self.command) {
                Ok(running) => *self.running = Some(running),
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%error, "could not start a child process, trying on");
                    }
                    thread::sleep(START_RETRY);
                }
            }
        }
    }
}

/// In a longer gap between two looks nothing ran: the worker was stopped, or its machine slept.
const LOOK_GAP_MAX: Duration = Duration::from_secs(2);

/// How long a child may be silent. An attempt as a whole has the job's timeout; in the last attempt
/// each parameter has, since its good ones are to be kept.
struct Patience {
    timeout: Duration,
    last_attempt: bool,
    since: Cell<(Option<u64>, Timestamp)>,
    /// The last look.
    looked: Cell<Timestamp>,
}

enum Look {
    Wait,
    Overdue,
    Cancelled,
}

impl Patience {
    fn new(part: &Chunk, last_attempt: bool, started: Timestamp, now: Timestamp) -> Self {
        let since = if last_attempt { now } else { started };
        let timeout = part.spec.policy.timeout;
        Self { timeout, last_attempt, since: Cell::new((None, since)), looked: Cell::new(now) }
    }

    fn look(&self, cursor: Option<u64>, now: Timestamp) -> Look {
        let gap = now.since(self.looked.replace(now));
        let (seen, mut since) = self.since.get();
        if gap > LOOK_GAP_MAX {
            since = since.after(gap);
            self.since.set((seen, since));
        }
        if self.last_attempt && cursor != seen {
            self.since.set((cursor, now));
            return Look::Wait;
        }
        if now.since(since) < self.timeout { Look::Wait } else { Look::Overdue }
    }
}

impl Running {
    fn start(command: &ChildCommand) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(LOOK_EVERY))?;
        let memory = File::from(memfd_create("ttg-cursor", MemfdFlags::CLOEXEC)?);
        let cursor = CursorCell::new(memory.try_clone()?);
        cursor.write(None)?;
        let process = Command::new(&command.program)
            .arg0("ttg")
            .args(&command.arguments)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::from(memory))
            // A Ctrl-C at the terminal is for the worker, which ends the child when it is time.
            .process_group(0)
            .spawn()?;
        Ok(Self { process, socket, cursor })
    }

    fn ask(
        &mut self,
        request: &Request,
        look: impl Fn(Option<u64>) -> Look,
    ) -> Result<Evaluated, NoAnswer> {
        let timeout = request.chunk.spec.policy.timeout;
        let parameters = usize::try_from(request.chunk.range.len()).unwrap_or(usize::MAX);
        let (mut incoming, mut assembly) = (Incoming::default(), Assembly::of(parameters));
        // A child that is dead does not read; how it died is told below.
        let mut received = send(&self.socket, request).map(|()| None);
        loop {
            match received {
                Ok(Some(reply)) => match assembly.take(reply) {
                    Ok(None) => {}
                    Ok(Some(evaluated)) if is_whole(&evaluated, request) => return Ok(evaluated),
                    _ => return Err(self.lost()),
                },
                Err(error) if !is_pause(&error) => return Err(self.lost()),
                _ => {}
            }
            received = match incoming.receive::<Reply>(&self.socket) {
                Ok(None) => return Err(self.lost()),
                other => other,
            };
            if received.as_ref().is_err_and(is_pause) {
                match look(self.cursor.read()) {
                    Look::Wait => {}
                    Look::Cancelled => return Err(NoAnswer::Cancelled),
                    Look::Overdue => {
                        let message = format!("it took longer than {timeout:?}");
                        let cursor = self.cursor.read();
                        return Err(NoAnswer::Lost { kind: FailureKind::Timeout, message, cursor });
                    }
                }
            }
        }
    }

    /// It has closed its socket, so it is dead or as good as dead.
    fn lost(&mut self) -> NoAnswer {
        let cursor = self.cursor.read();
        let message = match self.end() {
            Ok(status) => how_it_ended(status),
            Err(error) => format!("its process is lost: {error}"),
        };
        NoAnswer::Lost { kind: FailureKind::Killed, message, cursor }
    }

    /// Ends it and all that it started, if it has not ended by itself.
    fn end(&mut self) -> io::Result<ExitStatus> {
        // By itself it may take a moment to be gone after its socket is.
        for _ in 0..50 {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.kill();
        self.process.wait()
    }

    fn kill(&mut self) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It is gone if this fails.
            kill_process_group(pid, Signal::KILL).ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.process.try_wait(), Ok(Some(_))) {
            self.kill();
            self.process.wait().ok();
        }
    }
}

/// Whether it speaks of all parameters asked about, and of no others.
fn is_whole(evaluated: &Evaluated, request: &Request) -> bool {
    match evaluated {
        Evaluated::Completed { columns, dead, .. } => {
            evaluation_is_whole(request.chunk.range, columns, dead)
        }
        _ => true,
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn how_it_ended(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        let code = status.code().unwrap_or_default();
        return format!("it ended its process with exit code {code}");
    };
    // The numbers that Linux has on every architecture it shares with us (signal(7)).
    let name = match signal {
        4 => " (illegal instruction)",
        6 => " (abort)",
        7 => " (bus error)",
        8 => " (arithmetic exception)",
        9 => " (killed, perhaps for want of memory)",
        11 => " (invalid memory reference)",
        _ => "",
    };
    format!("it killed its process by signal {signal}{name}")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::sync::Arc;

    use super::*;
    use crate::chunk::{ParameterRange, TraceContext};
    use crate::ids::{ChunkIndex, JobUid};
    use crate::job::{JobPolicy, JobSpec};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::since_boot(Duration::from_secs(seconds))
    }

    fn patience(last_attempt: bool) -> Patience {
        let spec = Arc::new(JobSpec {
            parameters: ParameterRange::new(0, 10).unwrap(),
            kernel: "reference".parse().unwrap(),
            options: std::collections::BTreeMap::new(),
            chunk_size: NonZeroU64::new(10).unwrap(),
            policy: JobPolicy { timeout: Duration::from_secs(10), ..JobPolicy::default() },
            values: false,
        });
        let job = JobUid::from([0; 16]);
        let chunk = Chunk::cut(job, &spec, ChunkIndex(0), &TraceContext::default()).unwrap();
        Patience::new(&chunk, last_attempt, at(0), at(0))
    }

    fn overdue_at(patience: &Patience, looks: impl IntoIterator<Item = (u64, u64)>) -> Option<u64> {
        let is_overdue = |(second, cursor): &(u64, u64)| {
            matches!(patience.look(Some(*cursor), at(*second)), Look::Overdue)
        };
        looks.into_iter().find(is_overdue).map(|(second, _)| second)
    }

    #[test]
    fn an_attempt_has_its_timeout_and_at_the_last_one_each_parameter_has() {
        let looks = || (1..30).map(|second| (second, second / 6));
        assert_eq!(overdue_at(&patience(false), looks()), Some(10));
        assert_eq!(overdue_at(&patience(true), looks()), None);
        assert_eq!(overdue_at(&patience(true), (1..30).map(|second| (second, 0))), Some(11));
    }

    #[test]
    fn a_machine_that_slept_makes_no_child_overdue() {
        for last_attempt in [false, true] {
            let looks = [1, 2, 3, 9_000, 9_001].into_iter().map(|second| (second, 0));
            assert_eq!(overdue_at(&patience(last_attempt), looks), None);
        }
    }
}
