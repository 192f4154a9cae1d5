//! The workers: those that end are replaced.

use std::process::Command;
use std::time::Duration;

use ttg_runtime::{Clock, Randomness, SystemClock};
use ttg_tests::{Running, Signal};

use crate::broker::Backend;
use crate::way::Way;

/// Shorter than faults last that are to outlast it.
const LINE: &str = "worker --concurrency 2 --lease 2s";

/// The longest that a round may last, in which a server is started again several times.
const ROUND: Duration = Duration::from_mins(5);

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
    fate: Fate,
}

/// What was done to a worker that may be why it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// Nothing.
    Spared,
    /// It was told to stop, once it had begun, and has to leave in good order.
    Dismissed,
    /// It may end anyhow.
    Doomed,
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
        let running = Running::start(command, LINE.to_owned()).for_at_most(ROUND);
        Self { number: Number(number), running, way, fate: Fate::Spared }
    }

    fn suffers(&mut self, fate: Fate) {
        self.fate = self.fate.max(fate);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it ends otherwise than by what was done to it; `in_vain` if its broker may have been away.
    fn end(self, in_vain: bool) {
        let ended = self.running.end();
        let as_told = match self.fate {
            Fate::Spared => false,
            Fate::Dismissed => ended.code == Some(DRAINED),
            Fate::Doomed => true,
        };
        // One that is started while its broker is away gives up after a while, and is started again,
        // as a cluster would.
        let in_vain = in_vain && ended.code == Some(UNAVAILABLE);
        assert!(as_told || in_vain, "{:?}: {ended:#?}", self.fate);
    }

    /// From now on it may have no more memory than it has.
    fn limit_memory(&self) {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.running.id()));
        let statm = statm.expect("nobody has waited for it");
        let pages: u64 = statm.split(' ').next().and_then(|it| it.parse().ok()).expect("a size");
        self.limit(&(pages * 4_096).to_string());
    }

    fn limit(&self, bytes: &str) {
        let process = format!("--pid={}", self.running.id());
        let mut command = Command::new("prlimit");
        let ended = command.args([process, format!("--as={bytes}:unlimited")]).output();
        let ended = ended.expect("prlimit can be run: apt-get install util-linux");
        assert!(ended.status.success(), "{ended:?}");
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
                    std::mem::replace(worker, next).end(backend.server().is_some());
                }
            }
        }
    }

    /// Ends them all as a scale-down to zero does.
    ///
    /// # Panics
    /// If one does not end as it should.
    pub(crate) fn end(mut self) {
        for worker in &mut self.workers {
            worker.running.signal(Signal::SIGTERM);
            worker.suffers(Fate::Dismissed);
        }
        self.workers.into_iter().for_each(|worker| worker.end(false));
    }

    /// One that has not ended, or what is done to it would be done to nobody.
    fn any(&mut self, by: &dyn Randomness) -> &mut Worker {
        let living = self.workers.iter_mut().filter_map(|worker| {
            let has_ended = worker.running.ends_within(Duration::ZERO);
            (!has_ended).then_some(worker)
        });
        let mut living: Vec<_> = living.collect();
        assert!(!living.is_empty(), "what ends is replaced");
        let at = by.next_u64() % living.len() as u64;
        living.swap_remove(usize::try_from(at).expect("it is small"))
    }

    /// One that may end from now on.
    fn doom(&mut self, by: &dyn Randomness) -> &Worker {
        let worker = self.any(by);
        worker.suffers(Fate::Doomed);
        worker
    }

    pub(crate) fn kill(&mut self, by: &dyn Randomness) {
        self.doom(by).running.signal(Signal::SIGKILL);
    }

    /// Tells half of them to stop. One that has just been started does so as it may.
    pub(crate) fn scale_down(&mut self) {
        let half = self.workers.len().div_ceil(2);
        for worker in &mut self.workers[..half] {
            let has_ended = worker.running.ends_within(Duration::ZERO);
            let has_begun = !has_ended && worker.running.has_told("event=running");
            worker.suffers(if has_begun { Fate::Dismissed } else { Fate::Doomed });
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
