//! Workers that are started again when they die, as a cluster would.

use std::time::Duration;

use ttg_runtime::{Clock, SystemClock};

use crate::process::{DEADLINE, Ended, Running};

/// How long one worker is watched before the next.
const TURN: Duration = Duration::from_millis(10);

/// Some workers. One that ends otherwise than by exit code 0 or 3 is replaced.
pub struct Fleet<'a> {
    start: Box<dyn Fn() -> Running + 'a>,
    running: Vec<Running>,
    /// Those that died, in the order of their deaths.
    deaths: Vec<Ended>,
    /// Those that are done.
    done: Vec<Ended>,
}

impl<'a> Fleet<'a> {
    /// `size` workers, each started by `start`.
    pub fn new(size: usize, start: impl Fn() -> Running + 'a) -> Self {
        let running = (0..size).map(|_| start()).collect();
        Self { start: Box::new(start), running, deaths: Vec::new(), done: Vec::new() }
    }

    /// The workers that run now.
    pub fn running(&self) -> &[Running] {
        &self.running
    }

    /// Replaces what dies, for `time` or until all are done. Returns whether they are.
    ///
    /// # Panics
    /// If a worker takes longer than the deadline.
    pub fn tend(&mut self, time: Duration) -> bool {
        let until = SystemClock.now().after(time);
        while !self.running.is_empty() && SystemClock.now() < until {
            let mut at = 0;
            while let Some(worker) = self.running.get_mut(at) {
                if !worker.ends_within(TURN) {
                    at += 1;
                    continue;
                }
                let ended = self.running.remove(at).end();
                if matches!(ended.code, Some(0 | 3)) {
                    self.done.push(ended);
                } else {
                    self.deaths.push(ended);
                    self.running.push((self.start)());
                }
            }
        }
        self.running.is_empty()
    }

    /// Replaces what dies until all are done. Returns the deaths, and how the others ended.
    ///
    /// # Panics
    /// If the deadline comes before it.
    pub fn end(mut self) -> (Vec<Ended>, Vec<Ended>) {
        let all_done = self.tend(DEADLINE);
        assert!(all_done, "{DEADLINE:?} were not enough; deaths: {:#?}", self.deaths);
        (self.deaths, self.done)
    }
}
