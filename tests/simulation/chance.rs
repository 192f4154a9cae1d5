//! Every choice of a simulation, from one seed.

use std::time::Duration;

use ttg_runtime::randomness::mix;
use ttg_runtime::{Randomness, SeededRandomness};

/// Who chooses. Each has a sequence of its own, so that one choice more in one place changes none
/// elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whom {
    Plan = 1,
    Nemesis = 2,
    Broker = 3,
    Fleet = 4,
    /// The network of a worker or submitter.
    Network = 5,
    /// The worker itself: its jitter.
    Worker = 6,
    Submitter = 7,
}

/// A sequence of choices.
pub(crate) struct Chance(SeededRandomness);

impl Chance {
    pub(crate) fn of(seed: u64, whom: Whom, number: u64) -> Self {
        Self(Self::randomness(seed, whom, number))
    }

    pub(crate) fn randomness(seed: u64, whom: Whom, number: u64) -> SeededRandomness {
        SeededRandomness::new(mix(mix(seed) ^ mix(((whom as u64) << 48) ^ number)))
    }

    pub(crate) fn happens(&self, probability: f64) -> bool {
        self.0.fraction() < probability
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&self, low: u64, high: u64) -> u64 {
        low + self.0.next_u64() % (high - low + 1)
    }

    pub(crate) fn fraction(&self, of: f64) -> f64 {
        self.0.fraction() * of
    }

    /// Whole milliseconds, as timers have no finer ones.
    pub(crate) fn duration(&self, low: Duration, high: Duration) -> Duration {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.between(millis(low), millis(high)))
    }

    /// Around `mean`: from a half of it to one and a half.
    pub(crate) fn around(&self, mean: Duration) -> Duration {
        self.duration(mean / 2, mean * 3 / 2)
    }

    pub(crate) fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        let last = from.len().checked_sub(1)?;
        from.get(usize::try_from(self.between(0, last as u64)).ok()?)
    }

    pub(crate) fn next_u64(&self) -> u64 {
        self.0.next_u64()
    }
}
