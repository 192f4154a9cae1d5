//! Whether a worker is well, readable from outside without asking an actor: a wedged one would not
//! answer.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ttg_runtime::Timestamp;

/// A dispatcher handles a message several times a second; after this long without one it is wedged.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// Work that waits beside an idle slot is handed over at once; after this long it never will be.
const STUCK_MAX: Duration = Duration::from_secs(10);

/// A broker answers within this time: a request for chunks, be it with none, after a second.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What is wrong with a worker, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ailment {
    /// Its dispatcher has handled nothing for so long: more than ten seconds.
    Silent(Duration),
    /// Chunks wait, slots idle, and nothing has happened for so long: more than ten seconds.
    Stuck(Duration),
    /// The broker refuses or does not answer.
    BrokerAway,
}

impl fmt::Display for Ailment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(since) => {
                write!(formatter, "the dispatcher has handled nothing for {} s", since.as_secs())
            }
            Self::Stuck(since) => write!(
                formatter,
                "chunks wait beside idle slots, without progress for {} s",
                since.as_secs()
            ),
            Self::BrokerAway => formatter.write_str("the broker is away"),
        }
    }
}

/// The health of a worker. All times are boot time in milliseconds; 0 stands for none.
#[derive(Debug, Default)]
pub struct WorkerHealth {
    handled: AtomicU64,
    stuck_since: AtomicU64,
    /// What the dispatcher asks the broker for.
    pub(crate) receiving: Asking,
    /// What the result sink has it settle.
    pub(crate) settling: Asking,
}

/// One call of the broker after the other.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    since: AtomicU64,
    failed: AtomicBool,
}

impl Asking {
    /// A call begins.
    pub(crate) fn begins(&self, now: Timestamp) {
        self.since.store(now.as_millis(), Ordering::Relaxed);
    }

    /// It has ended, well or not.
    pub(crate) fn ends(&self, well: bool) {
        self.since.store(0, Ordering::Relaxed);
        self.failed.store(!well, Ordering::Relaxed);
    }

    fn is_well(&self, now: Timestamp) -> bool {
        let late = since(&self.since, now).is_some_and(|since| since > ANSWER_MAX);
        !late && !self.failed.load(Ordering::Relaxed)
    }
}

impl WorkerHealth {
    /// What keeps the worker from going on although there is work.
    ///
    /// # Errors
    /// It makes no progress and will make none; a restart helps.
    pub fn live(&self, now: Timestamp) -> Result<(), Ailment> {
        if let Some(silent) = since(&self.handled, now).filter(|since| *since > SILENT_MAX) {
            return Err(Ailment::Silent(silent));
        }
        match since(&self.stuck_since, now).filter(|since| *since > STUCK_MAX) {
            Some(stuck) => Err(Ailment::Stuck(stuck)),
            None => Ok(()),
        }
    }

    /// Whether the worker can be given work: its broker answers.
    ///
    /// # Errors
    /// The broker is away; the worker waits for it.
    pub fn ready(&self, now: Timestamp) -> Result<(), Ailment> {
        let has_begun = self.handled.load(Ordering::Relaxed) > 0;
        let answers = self.receiving.is_well(now) && self.settling.is_well(now);
        if has_begun && answers { Ok(()) } else { Err(Ailment::BrokerAway) }
    }

    /// The dispatcher has handled a message, and is or is not stuck.
    pub(crate) fn handled(&self, now: Timestamp, stuck: bool) {
        let now = now.as_millis();
        self.handled.store(now, Ordering::Relaxed);
        if !stuck {
            self.stuck_since.store(0, Ordering::Relaxed);
        } else if self.stuck_since.load(Ordering::Relaxed) == 0 {
            self.stuck_since.store(now, Ordering::Relaxed);
        }
    }
}

fn since(time: &AtomicU64, now: Timestamp) -> Option<Duration> {
    let time = time.load(Ordering::Relaxed);
    (time > 0).then(|| Duration::from_millis(now.as_millis().saturating_sub(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::since_boot(Duration::from_secs(seconds))
    }

    #[test]
    fn a_dispatcher_that_handles_messages_is_live_and_one_that_does_not_is_not() {
        let health = WorkerHealth::default();
        assert_eq!(health.live(at(1)), Ok(()), "it starts");
        health.handled(at(1), false);
        assert_eq!(health.live(at(11)), Ok(()));
        assert_eq!(health.live(at(12)), Err(Ailment::Silent(Duration::from_secs(11))));
        health.handled(at(12), false);
        assert_eq!(health.live(at(12)), Ok(()));
    }

    #[test]
    fn work_that_waits_beside_idle_slots_for_long_is_no_life() {
        let health = WorkerHealth::default();
        for second in 1..=11 {
            health.handled(at(second), true);
            assert_eq!(health.live(at(second)), Ok(()));
        }
        health.handled(at(12), true);
        assert_eq!(health.live(at(12)), Err(Ailment::Stuck(Duration::from_secs(11))));
        health.handled(at(13), false);
        assert_eq!(health.live(at(13)), Ok(()));
    }

    #[test]
    fn a_worker_is_ready_while_its_broker_answers() {
        let health = WorkerHealth::default();
        assert_eq!(health.ready(at(1)), Err(Ailment::BrokerAway), "it never did");
        health.handled(at(1), false);
        assert_eq!(health.ready(at(1)), Ok(()));
        for asking in [&health.receiving, &health.settling] {
            asking.begins(at(2));
            assert_eq!(health.ready(at(7)), Ok(()));
            assert_eq!(health.ready(at(8)), Err(Ailment::BrokerAway), "it hangs");
            asking.ends(false);
            assert_eq!(health.ready(at(8)), Err(Ailment::BrokerAway));
            asking.ends(true);
            assert_eq!(health.ready(at(60)), Ok(()));
        }
    }
}
