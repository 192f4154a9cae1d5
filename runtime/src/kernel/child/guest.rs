//! The child's side: evaluates what it is asked to until its host is gone.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::stdio::{dup2_stdin, dup2_stdout};

use super::memory;
use super::wire::{CursorCell, Incoming, Request, send_evaluated};
use crate::clock::SystemClock;
use crate::delivery::{Failure, FailureKind};
use crate::kernel::{Evaluated, Evaluation, Kernels, Limits, Scratch};

/// Makes this process the child of a worker: evaluates with `kernels` what comes in by standard
/// input, a socket, until it is closed. Standard output is the cursor's memory.
///
/// # Errors
/// These are not a socket and a memory file, or the host said something that is no request.
pub fn serve(kernels: Kernels) -> io::Result<()> {
    let host = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let cursor = CursorCell::new(File::from(io::stdout().as_fd().try_clone_to_owned()?));
    // What a kernel prints must not change the cursor, and what it reads not be its host's words.
    dup2_stdout(io::stderr())?;
    dup2_stdin(File::open("/dev/null")?)?;
    // A host that is killed takes its child along; one that was killed before it could does not.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if is_closed(&host)? {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    // Where memory runs out, this process goes and not the worker. A refusal changes the odds only.
    memory::bound(Path::new("/"));
    fs::write("/proc/self/oom_score_adj", "1000").ok();
    // On a thread like those of the worker, so that what overflows a stack there does so here.
    let guest = Guest { kernels, host, cursor };
    let guest = thread::Builder::new().name("ttg-child".to_owned()).spawn(|| guest.run())?;
    guest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Whether nobody has the other end any more.
fn is_closed(socket: &UnixStream) -> io::Result<bool> {
    let mut ends = [PollFd::new(socket, PollFlags::HUP)];
    poll(&mut ends, Some(&Timespec::default()))?;
    Ok(ends[0].revents().contains(PollFlags::HUP))
}

struct Guest {
    kernels: Kernels,
    host: UnixStream,
    cursor: CursorCell,
}

impl Guest {
    fn run(self) -> io::Result<()> {
        let mut scratch = Scratch::new();
        let mut incoming = Incoming::default();
        while let Some(request) = incoming.receive(&self.host)? {
            let evaluated = self.evaluate(&request, &mut scratch);
            self.cursor.write(None)?;
            send_evaluated(&self.host, evaluated)?;
        }
        Ok(())
    }

    fn evaluate(&self, request: &Request, scratch: &mut Scratch) -> Evaluated {
        let Some(kernel) = self.kernels.get(&request.chunk.spec.kernel) else {
            // The host is the same binary and has it.
            return Evaluated::Failed(Failure::new(FailureKind::Kernel, None, "it is not here"));
        };
        // What cannot be written is noticed by the host, which then knows no culprit.
        let watch = |parameter| drop(self.cursor.write(Some(parameter)));
        let evaluation = Evaluation {
            chunk: &request.chunk,
            kernel: &**kernel,
            limits: &Limits { last_attempt: request.last_attempt, ..Limits::default() },
            clock: &SystemClock,
            watch: Some(&watch),
        };
        let run = catch_unwind(AssertUnwindSafe(|| evaluation.run(scratch)));
        run.unwrap_or_else(|panic| Evaluated::Failed(std::mem::take(scratch).panicked(&*panic)))
    }
}
