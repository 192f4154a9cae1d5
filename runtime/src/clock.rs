//! Time as a port. Leases and deadlines use boot time, which no administrator steps and which
//! goes on while the machine sleeps; wall time is for people only.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A point of boot time: comparable between the processes of one machine, not between machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The point `since_boot` after the machine started.
    pub const fn since_boot(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// Whole milliseconds since the machine started.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// Seconds since the machine started.
    pub fn as_secs_f64(self) -> f64 {
        self.0.as_secs_f64()
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The point `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

/// Milliseconds since 1970-01-01 UTC. Shown to people; nothing is decided by it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WallTime(pub u64);

impl WallTime {
    /// How long after `earlier` this is; zero if a clock was stepped in between.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Boot time.
    fn now(&self) -> Timestamp;
    /// Wall time.
    fn wall(&self) -> WallTime;
}

/// The machine's own clocks.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(read(ClockId::Boottime))
    }

    fn wall(&self) -> WallTime {
        let millis = read(ClockId::Realtime).as_millis();
        WallTime(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

/// A clock that stands still until it is told to advance: for tests and the simulation. It starts
/// at boot, on 2027-01-15 at 08:00 UTC.
#[derive(Debug, Default)]
pub struct ManualClock {
    nanos_since_boot: AtomicU64,
}

impl ManualClock {
    const BOOTED_AT: WallTime = WallTime(1_800_000_000_000);

    /// A clock that has not yet advanced.
    pub const fn new() -> Self {
        Self { nanos_since_boot: AtomicU64::new(0) }
    }

    /// Moves boot time and wall time `by` forward, 584 years in all at most.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.nanos_since_boot.fetch_add(nanos, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let nanos = self.nanos_since_boot.load(Ordering::SeqCst);
        Timestamp(Duration::from_nanos(nanos))
    }

    fn wall(&self) -> WallTime {
        WallTime(Self::BOOTED_AT.0 + self.now().as_millis())
    }
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    // A clock set to before 1970 reads as 1970.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_goes_forward() {
        let first = SystemClock.now();
        let second = SystemClock.now();
        assert!(second >= first);
        assert_eq!(first.since(second.after(Duration::from_secs(1))), Duration::ZERO);
        assert!(SystemClock.wall() > WallTime(1_700_000_000_000));
    }

    #[test]
    fn a_manual_clock_moves_when_it_is_told_to() {
        let clock = ManualClock::new();
        let (now, wall) = (clock.now(), clock.wall());
        assert_eq!(clock.now(), now);
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now().since(now), Duration::from_millis(1_500));
        assert_eq!(clock.wall().since(wall), Duration::from_millis(1_500));
    }
}
