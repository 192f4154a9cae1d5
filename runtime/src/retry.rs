//! When a failed chunk is tried again, and when no more: pure functions.

use std::time::Duration;

use crate::chunk::Counters;
use crate::job::JobPolicy;

/// The longest wait between two attempts, before jitter.
pub const RETRY_DELAY_MAX: Duration = Duration::from_mins(5);

/// What to do with a delivery before it is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Evaluate; a failure is retried.
    Attempt,
    /// Evaluate for the last time: parameter by parameter, so that the good ones are committed
    /// and only the bad ones are dead.
    LastAttempt,
    /// Do not evaluate: too many deliveries ended without a word.
    GiveUp,
}

/// What the counters of a delivery allow.
pub fn verdict(counters: Counters, policy: &JobPolicy) -> Verdict {
    if counters.silent_deliveries >= policy.max_deliveries {
        Verdict::GiveUp
    } else if counters.attempt() >= policy.max_attempts {
        Verdict::LastAttempt
    } else {
        Verdict::Attempt
    }
}

/// The wait after the failure that made `failures` of them (from 1): the job's delay, doubled
/// for each further failure up to [`RETRY_DELAY_MAX`], plus up to a half of it by `jitter` in
/// `[0, 1)`, so that chunks that failed together do not return together. Never less than the
/// job's delay.
pub fn backoff(policy: &JobPolicy, failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let delay = policy
        .retry_delay
        .saturating_mul(1 << doublings)
        .min(RETRY_DELAY_MAX.max(policy.retry_delay));
    delay.saturating_add(delay.mul_f64(jitter.clamp(0.0, 1.0) / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(failures: u32, silent_deliveries: u32) -> Counters {
        Counters { failures, silent_deliveries, give_backs: 1_000 }
    }

    #[test]
    fn each_counter_has_its_own_limit() {
        let policy = JobPolicy::default();
        let table = [
            (counters(0, 0), Verdict::Attempt),
            (counters(1, 19), Verdict::Attempt),
            (counters(2, 0), Verdict::LastAttempt),
            (counters(9, 0), Verdict::LastAttempt),
            (counters(0, 20), Verdict::GiveUp),
            (counters(2, 20), Verdict::GiveUp),
        ];
        for (counters, expected) in table {
            assert_eq!(verdict(counters, &policy), expected, "{counters:?}");
        }
    }

    #[test]
    fn the_wait_doubles_within_bounds() {
        let policy = JobPolicy::default();
        let seconds = |failures, jitter| backoff(&policy, failures, jitter).as_secs_f64();
        assert_eq!([seconds(1, 0.0), seconds(2, 0.0), seconds(3, 0.0)], [1.0, 2.0, 4.0]);
        assert_eq!(seconds(1, 1.0), 1.5);
        assert_eq!(seconds(u32::MAX, 0.0), 300.0);
        let slow = JobPolicy { retry_delay: Duration::from_mins(10), ..policy };
        assert_eq!(backoff(&slow, 1, 0.0), Duration::from_mins(10));
        assert_eq!(backoff(&slow, 9, 0.0), Duration::from_mins(10));
    }
}
