//! Which CPU a compute thread starts on. One that wakes is put beside whoever woke it, and with all
//! of a worker's threads woken by one, Linux left two of them on one CPU for tens of milliseconds
//! while another idled (seen with 6.18 on two CPUs).

use std::num::NonZeroU32;

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use crate::ids::SlotId;

/// The CPUs of this process, if its threads are to be spread over them.
pub(super) struct Places(Option<CpuSet>);

impl Places {
    /// A process with fewer slots than CPUs shares them with others like it, who would all have the
    /// same homes: there the scheduler knows better.
    pub(super) fn of_this_process(slots: NonZeroU32) -> Self {
        let allowed = sched_getaffinity(None).ok();
        Self(allowed.filter(|allowed| slots.get() >= allowed.count()))
    }

    pub(super) fn of(&self, slot: SlotId) -> Option<Home> {
        let allowed = self.0?;
        let nth = slot.0.checked_rem(allowed.count())? as usize;
        let cpu = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).nth(nth)?;
        Some(Home { cpu, allowed })
    }
}

/// The CPU that a thread starts on after it slept.
pub(super) struct Home {
    cpu: usize,
    allowed: CpuSet,
}

impl Home {
    /// Moves the calling thread there; it may be moved on at once. A refusal harms nothing.
    pub(super) fn go_there(&self) {
        if sched_getcpu() == self.cpu {
            return;
        }
        let mut here = CpuSet::new();
        here.set(self.cpu);
        sched_setaffinity(None, &here).ok();
        sched_setaffinity(None, &self.allowed).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_spread_over_the_cpus_and_threads_stay_free_to_move() {
        let allowed = sched_getaffinity(None).unwrap();
        let cpus = allowed.count();
        let places = Places::of_this_process(NonZeroU32::new(cpus).unwrap());
        for slot in 0..2 * cpus {
            let home = places.of(SlotId(slot)).unwrap();
            assert_eq!(home.cpu, places.of(SlotId(slot % cpus)).unwrap().cpu);
            home.go_there();
            assert!(sched_getaffinity(None).unwrap() == allowed);
        }
        if let Some(fewer) = NonZeroU32::new(cpus - 1) {
            assert!(Places::of_this_process(fewer).of(SlotId(0)).is_none());
        }
    }
}
