//! Who settled how much of late, by when outcomes say that they were computed.

use std::collections::BTreeMap;

use ttg_runtime::WallTime;

/// Of late: within this many seconds.
const WINDOW_SECONDS: u64 = 60;

/// Parameters by second and worker. Memory grows with the workers of a minute, not with outcomes.
#[derive(Default)]
pub(super) struct Throughput {
    seconds: BTreeMap<u64, BTreeMap<String, u64>>,
}

impl Throughput {
    /// Adds what was settled `at` a time, by the clock of `worker`, which may be ahead of `now`.
    pub(super) fn add(&mut self, worker: &str, parameters: u64, at: WallTime, now: WallTime) {
        let second = at.min(now).0 / 1_000;
        let newest = self.seconds.last_key_value().map_or(second, |(newest, _)| *newest);
        if second + WINDOW_SECONDS < newest {
            return;
        }
        let workers = self.seconds.entry(second).or_default();
        match workers.get_mut(worker) {
            Some(settled) => *settled += parameters,
            None => drop(workers.insert(worker.to_owned(), parameters)),
        }
        while let Some(oldest) = self.seconds.first_entry()
            && oldest.key() + WINDOW_SECONDS < second
        {
            oldest.remove();
        }
    }

    /// Parameters per second of `worker`.
    pub(super) fn of(&self, worker: &str, now: WallTime) -> f64 {
        self.per_second(now, |workers| workers.get(worker).copied().unwrap_or_default())
    }

    /// Parameters per second of all workers.
    pub(super) fn of_all(&self, now: WallTime) -> f64 {
        self.per_second(now, |workers| workers.values().sum())
    }

    /// Over the time since the first outcome in the window, so that a job that was paused before is
    /// not taken for slow.
    fn per_second(&self, now: WallTime, settled: impl Fn(&BTreeMap<String, u64>) -> u64) -> f64 {
        let now = now.0 / 1_000;
        let from = now.saturating_sub(WINDOW_SECONDS);
        let mut window = self.seconds.range(from..).peekable();
        let Some((first, _)) = window.peek() else { return 0.0 };
        let seconds = now.saturating_sub(**first) + 1;
        window.map(|(_, workers)| settled(workers)).sum::<u64>() as f64 / seconds as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> WallTime {
        WallTime(second * 1_000 + 500)
    }

    #[test]
    fn a_rate_is_that_of_the_last_minute_since_work_began_in_it() {
        let mut throughput = Throughput::default();
        assert_eq!(throughput.of_all(at(10)), 0.0);
        throughput.add("a", 1_000, at(10), at(10));
        throughput.add("a", 10, at(1_000), at(1_003));
        throughput.add("b", 30, at(5_000), at(1_001));
        assert_eq!(throughput.of_all(at(1_003)), 10.0, "40 in the seconds 1000 to 1003");
        assert_eq!(throughput.of("b", at(1_003)), 7.5);
        assert_eq!(throughput.of("c", at(1_003)), 0.0);
        assert_eq!(throughput.of_all(at(2_000)), 0.0, "all of it is long ago");
        throughput.add("late", 5, at(10), at(2_000));
        assert_eq!(throughput.seconds.len(), 2, "what is long ago is not kept");
    }
}
