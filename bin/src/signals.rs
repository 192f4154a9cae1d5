//! SIGINT, SIGTERM and SIGHUP: the first asks for a drain, the second ends at once.

use std::{fs, future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;

/// The signals that end a command.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// The terminal or the connection to it is gone. `None` if that is to be outlived.
    hang_up: Option<Signal>,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    pub(crate) fn catch() -> io::Result<Self> {
        // Caught, it would not be ignored any more.
        let hang_up = (!ignores_hang_up()).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up,
        })
    }

    /// The next one, as the exit that it asks for. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Exit {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
            _ = hang_up => Exit::Terminated,
        }
    }
}

/// Whether who started this process wants it to outlive its terminal, as `nohup` does.
fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    // The lowest bit is that of signal 1.
    ignored.is_some_and(|set| set & 1 == 1)
}
