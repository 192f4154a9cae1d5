//! The worker processes of a demonstration, and where they listen.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::Child;

use ttg_runtime::JobName;
use ttg_runtime::broker::JobProgress;

use super::Stage;
use crate::cli::DemoArguments;
use crate::error::CommandError;
use crate::report::{self, Killed};

/// Where each worker listens, in both rounds; nowhere unless that was asked for.
pub(super) struct Addresses(Vec<SocketAddr>);

impl Addresses {
    /// The address that was asked for and, for each further worker, the next port.
    pub(super) fn of(arguments: &DemoArguments) -> Result<Self, CommandError> {
        let Some(first) = arguments.listen else { return Ok(Self(Vec::new())) };
        let ports = (first.port()..=u16::MAX).take(arguments.workers.get() as usize);
        let addresses: Vec<_> = ports.map(|port| SocketAddr::new(first.ip(), port)).collect();
        if addresses.len() < arguments.workers.get() as usize {
            let cause = io::Error::other("there are too few ports after it, one for each worker");
            return Err(CommandError::Listen { address: first, cause });
        }
        // Now rather than by a worker, in the middle of it.
        for address in addresses.iter().copied() {
            let listens = TcpListener::bind(address);
            listens.map_err(|cause| CommandError::Listen { address, cause })?;
        }
        Ok(Self(addresses))
    }

    pub(super) fn tell(&self) {
        if let (Some(first), Some(last)) = (self.0.first(), self.0.last()) {
            report::note(&format!("workers serve metrics and probes at {first} to {last}"));
        }
    }

    fn of_worker(&self, number: u32) -> Option<SocketAddr> {
        self.0.get(number as usize).copied()
    }
}

/// Worker processes. They are killed with the value, if they have not ended.
pub(super) struct Workers(Vec<Worker>);

struct Worker {
    process: Child,
    listens: Option<SocketAddr>,
}

impl Workers {
    pub(super) fn start(stage: &Stage<'_>, job: &JobName) -> Result<Self, CommandError> {
        let DemoArguments { workers, concurrency, lease, .. } = stage.arguments;
        let mut started = Self(Vec::new());
        for number in 0..workers.get() {
            let mut command = stage.ttg()?;
            command.args(["worker", "--until-complete", job.as_str()]);
            command.args(["--concurrency", &concurrency.to_string()]);
            command.args(["--lease", &format!("{}ms", lease.0.as_millis())]);
            let listens = stage.addresses.of_worker(number);
            command.args(listens.iter().flat_map(|at| ["--listen".to_owned(), at.to_string()]));
            let process = command.spawn().map_err(CommandError::Demo)?;
            started.0.push(Worker { process, listens });
        }
        Ok(started)
    }

    /// Kills one of them if so much of the job is done, and not all.
    pub(super) fn kill_at(
        &mut self,
        percent: f64,
        progress: &JobProgress,
    ) -> Result<Option<Killed>, CommandError> {
        let parameters = progress.parameters;
        let settled = parameters.completed + parameters.dead;
        let done = settled as f64 / parameters.total as f64 * 100.0;
        if done < percent || progress.chunks.in_flight == 0 {
            return Ok(None);
        }
        let Some(Worker { mut process, listens }) = self.0.pop() else { return Ok(None) };
        process.kill().and_then(|()| process.wait()).map_err(CommandError::Demo)?;
        let killed =
            Killed { pid: process.id(), at_percent: done, in_flight: progress.chunks.in_flight };
        let told = listens.map(|address| format!(", which listened at {address},"));
        let told = told.unwrap_or_default();
        report::note(&format!("killed process {}{told} at {done:.1} %", killed.pid));
        Ok(Some(killed))
    }

    /// A worker that ended although its job has not.
    pub(super) fn check(&mut self) -> Result<(), CommandError> {
        for worker in &mut self.0 {
            if let Some(status) = worker.process.try_wait().map_err(CommandError::Demo)?
                && !status.success()
            {
                return Err(CommandError::DemoStep("worker", status));
            }
        }
        Ok(())
    }

    /// They end by themselves once the job is complete.
    pub(super) fn end(mut self) -> Result<(), CommandError> {
        let ended: io::Result<Vec<_>> =
            self.0.iter_mut().map(|worker| worker.process.wait()).collect();
        match ended.map_err(CommandError::Demo)?.into_iter().find(|status| !status.success()) {
            Some(status) => Err(CommandError::DemoStep("worker", status)),
            None => Ok(()),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            // Of one that has ended, neither has anything to do.
            worker.process.kill().ok();
            worker.process.wait().ok();
        }
    }
}
