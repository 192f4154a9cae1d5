//! Clocks that go with tokio's paused time, each of a machine of its own.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use ttg_runtime::{Clock, Timestamp, WallTime};

/// A machine's clocks. Boot time may jump forward, as over a suspend; wall time either way, as by
/// an administrator.
pub(crate) struct MachineClock {
    origin: Instant,
    booted_ago: Duration,
    suspended_ms: AtomicU64,
    stepped_ms: AtomicI64,
}

impl MachineClock {
    /// The clocks of a machine that was started `booted_ago` before now.
    pub(crate) fn new(booted_ago: Duration) -> Self {
        Self {
            origin: Instant::now(),
            booted_ago,
            suspended_ms: AtomicU64::new(0),
            stepped_ms: AtomicI64::new(0),
        }
    }

    pub(crate) fn suspend(&self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.suspended_ms.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn step_wall(&self, millis: i64) {
        self.stepped_ms.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let suspended = Duration::from_millis(self.suspended_ms.load(Ordering::Relaxed));
        Timestamp::since_boot(self.booted_ago + self.origin.elapsed() + suspended)
    }

    fn wall(&self) -> WallTime {
        const STARTED_AT_MS: u64 = 1_800_000_000_000;
        let elapsed = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let stepped = self.stepped_ms.load(Ordering::Relaxed);
        WallTime((STARTED_AT_MS + elapsed).saturating_add_signed(stepped))
    }
}
