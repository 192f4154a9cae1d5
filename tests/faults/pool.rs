//! The workers: those that end are replaced.

use std::process::Command;
use std::time::Duration;

use ttg_runtime::{Clock, Randomness, SystemClock};
use ttg_tests::{Running, Signal};

use crate::broker::Backend;
use crate::way::Way;

/// Shorter than faults last that are to outlast it.
const LINE: &str = "worker --concurrency 2 --lease 2s";

/// How long one worker is looked at before the next.
const TURN: Duration = Duration::from_millis(10);

/// Ended by SIGTERM, with nothing left undone.
const DRAINED: i32 = 0;

/// Its broker could not be reached when it started.
const UNAVAILABLE: i32 = 69;

/// Some workers, the oldest first.
pub(crate) struct Pool {
    workers: Vec<Worker>,
    started: u64,
}

/// A worker, and its own way to the broker, if there is one between them.
struct Worker {
    number: Number,
    running: Running,
    way: Option<Way>,
    /// Whether a fault may be why it ends.
    doomed: bool,
}

/// Which of all that were started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(u64);

impl Worker {
    fn start(backend: &Backend, number: u64) -> Self {
        let way = backend.server().map(|server| Way::to(server.port()));
        let mut command = backend.sandbox.command(LINE);
        if let (Some(server), Some(way)) = (backend.server(), &way) {
            command.env("TTG_BROKER", server.url_by(way.port()));
        }
        let running = Running::start(command, LINE.to_owned());
        Self { number: Number(number), running, way, doomed: false }
    }

    /// From now on it may have `more` memory than it has.
    fn limit_memory(&self) {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.running.id()));
        let pages = statm.ok().and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let limit = pages.map_or_else(|| "0".to_owned(), |pages| (pages * 4_096).to_string());
        self.limit(&limit);
    }

    fn limit(&self, bytes: &str) {
        let process = format!("--pid={}", self.running.id());
        // Of a process that has just ended nothing can be limited.
        drop(Command::new("prlimit").args([process, format!("--as={bytes}:unlimited")]).output());
    }
}

impl Pool {
    pub(crate) fn start(backend: &Backend, size: u64) -> Self {
        let workers = (0..size).map(|number| Worker::start(backend, number)).collect();
        Self { workers, started: size }
    }

    /// Replaces what ends, for `time`.
    ///
    /// # Panics
    /// If one ends for which there was no reason.
    pub(crate) fn tend(&mut self, backend: &Backend, time: Duration) {
        let until = SystemClock.now().after(time);
        while SystemClock.now() < until {
            for worker in &mut self.workers {
                if worker.running.ends_within(TURN) {
                    let next = Worker::start(backend, self.started);
                    self.started += 1;
                    let Worker { running, doomed, .. } = std::mem::replace(worker, next);
                    let ended = running.end();
                    // One that is started while its broker is away gives up after a while, and is
                    // started again, as a cluster would.
                    let in_vain = backend.server().is_some() && ended.code == Some(UNAVAILABLE);
                    assert!(doomed || in_vain, "nothing was done to it: {ended:#?}");
                }
            }
        }
    }

    /// Ends them all as a scale-down to zero does.
    ///
    /// # Panics
    /// If one does not end as it should.
    pub(crate) fn end(self) {
        for worker in &self.workers {
            worker.running.signal(Signal::SIGTERM);
        }
        for Worker { running, doomed, .. } in self.workers {
            let ended = running.end();
            assert!(doomed || ended.code == Some(DRAINED), "{ended:#?}");
        }
    }

    fn any(&mut self, by: &dyn Randomness) -> &mut Worker {
        let at = by.next_u64() % self.workers.len() as u64;
        &mut self.workers[usize::try_from(at).expect("it is small")]
    }

    /// One that may end from now on.
    fn doom(&mut self, by: &dyn Randomness) -> &Worker {
        let worker = self.any(by);
        worker.doomed = true;
        worker
    }

    pub(crate) fn kill(&mut self, by: &dyn Randomness) {
        self.doom(by).running.signal(Signal::SIGKILL);
    }

    /// Tells half of them to stop.
    pub(crate) fn scale_down(&mut self) {
        let half = self.workers.len().div_ceil(2);
        for worker in &mut self.workers[..half] {
            worker.doomed = true;
            worker.running.signal(Signal::SIGTERM);
        }
    }

    pub(crate) fn limit_memory(&mut self, by: &dyn Randomness) -> Number {
        let worker = self.doom(by);
        worker.limit_memory();
        worker.number
    }

    pub(crate) fn freeze(&mut self, by: &dyn Randomness) -> Number {
        let worker = self.any(by);
        worker.running.signal(Signal::SIGSTOP);
        worker.number
    }

    pub(crate) fn cut(&mut self, by: &dyn Randomness) -> Number {
        self.on_way(by, Way::cut)
    }

    pub(crate) fn slow_down(&mut self, by: &dyn Randomness, delay: Duration) -> Number {
        self.on_way(by, |way| way.delay(delay))
    }

    fn on_way(&mut self, by: &dyn Randomness, change: impl FnOnce(&Way)) -> Number {
        let worker = self.any(by);
        if let Some(way) = &worker.way {
            change(way);
        }
        worker.number
    }

    pub(crate) fn reset_all(&self) {
        self.workers.iter().filter_map(|worker| worker.way.as_ref()).for_each(Way::reset);
    }

    /// Undoes what was done to a worker, if it is still there.
    pub(crate) fn mend(&self, number: Number) {
        for worker in self.workers.iter().filter(|worker| worker.number == number) {
            worker.running.thaw();
            worker.limit("unlimited");
            worker.way.iter().for_each(Way::mend);
        }
    }
}
