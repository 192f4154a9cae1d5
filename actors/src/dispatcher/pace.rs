//! How much to read ahead, and how much to hand to a slot at once, from how long chunks take.

use std::time::Duration;

/// Work to hold ready beyond what is computed now: enough to hide a round trip to the broker,
/// little enough that another worker which joins finds work.
const READ_AHEAD: Duration = Duration::from_millis(100);

/// A chunk that takes longer is not handed to a slot before the one ahead of it has ended.
const HANDED_AHEAD: Duration = Duration::from_millis(50);

/// The most chunks to read ahead, however small.
const READ_AHEAD_CHUNKS_MAX: usize = 1_024;

/// Work to hand to a slot at once.
const ASSIGNMENT: Duration = Duration::from_millis(20);

/// The weight of the newest chunk in the mean.
const NEWEST: f64 = 0.2;

/// The exponentially weighted mean of how long a chunk takes.
#[derive(Debug, Default)]
pub(super) struct Pace {
    chunk_seconds: Option<f64>,
    /// At most doubles at a time, so that one odd first chunk does not hoard.
    read_ahead: usize,
}

impl Pace {
    /// Learns from one chunk. `slots` compute side by side.
    pub(super) fn learn(&mut self, took: Duration, slots: usize) {
        let took = took.as_secs_f64();
        let mean = self.chunk_seconds.map_or(took, |mean| mean + (took - mean) * NEWEST);
        self.chunk_seconds = Some(mean);
        let aim = chunks_in(READ_AHEAD, mean).saturating_mul(slots.max(1));
        self.read_ahead = aim.min(2 * self.read_ahead()).clamp(1, READ_AHEAD_CHUNKS_MAX);
    }

    /// Chunks to hold beyond one a slot.
    pub(super) fn read_ahead(&self) -> usize {
        self.read_ahead.max(1)
    }

    /// A slot with at most this many assignments is handed more. Short chunks are handed over before
    /// the slot runs dry: the way there and back takes as long as a good part of them. Long ones
    /// are not, since a chunk that waits in one slot is lost to another that ends first.
    pub(super) fn refill_at(&self) -> usize {
        self.chunk_seconds.map_or(0, |mean| chunks_in(HANDED_AHEAD, mean).min(1))
    }

    /// Chunks to hand to one of `slots` slots when `ready` wait: at most half of a slot's share, so that the
    /// other half evens out who ends first (guided self-scheduling, Polychronopoulos and Kuck 1987).
    pub(super) fn assignment(&self, ready: usize, slots: usize) -> usize {
        let most = self.chunk_seconds.map_or(1, |mean| chunks_in(ASSIGNMENT, mean));
        ready.div_ceil(2 * slots.max(1)).min(most).max(1)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the quotient is positive, and a cast of a large one saturates"
)]
fn chunks_in(work: Duration, chunk_seconds: f64) -> usize {
    (work.as_secs_f64() / chunk_seconds.max(1e-9)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(took: Duration, times: usize, slots: usize) -> Pace {
        let mut pace = Pace::default();
        (0..times).for_each(|_| pace.learn(took, slots));
        pace
    }

    #[test]
    fn tiny_chunks_flow_and_large_ones_are_not_hoarded() {
        assert_eq!(Pace::default().read_ahead(), 1);
        assert_eq!(after(Duration::from_micros(1), 100, 2).read_ahead(), 1_024);
        assert_eq!(after(Duration::from_millis(1), 100, 2).read_ahead(), 200);
        assert_eq!(after(Duration::from_secs(1), 100, 64).read_ahead(), 1);
        assert_eq!(after(Duration::ZERO, 1, 2).read_ahead(), 2, "one chunk proves little");
    }

    #[test]
    fn short_chunks_wait_in_the_slot_and_long_ones_do_not() {
        assert_eq!(Pace::default().refill_at(), 0);
        assert_eq!(after(Duration::from_micros(1), 9, 2).refill_at(), 1);
        assert_eq!(after(Duration::from_millis(49), 9, 2).refill_at(), 1);
        assert_eq!(after(Duration::from_millis(51), 9, 2).refill_at(), 0);
    }

    #[test]
    fn a_slot_gets_its_share_and_at_most_a_moment_of_work() {
        let pace = after(Duration::from_millis(1), 100, 2);
        assert_eq!(pace.assignment(8, 2), 2);
        assert_eq!(pace.assignment(2, 2), 1);
        assert_eq!(pace.assignment(100, 2), 20);
        assert_eq!(after(Duration::from_secs(1), 9, 2).assignment(100, 2), 1);
        assert_eq!(Pace::default().assignment(100, 2), 1);
    }
}
