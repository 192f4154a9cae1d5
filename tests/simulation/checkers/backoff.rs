//! **backoff**: a failed chunk waits as long as its job says, twice as long each time, with some
//! jitter.

use super::checker::{Checker, Verdict};
use super::holdings::Holdings;
use crate::call::{Call, Held};
use crate::event::{Event, Moment};

#[derive(Default)]
pub(super) struct Backoff(Holdings);

impl Checker for Backoff {
    fn see(&mut self, moment: Moment, event: &Event) -> Verdict {
        self.0.see(moment, event);
        let Event::Called { worker, call: Call::Nack(nacks) } = event else {
            return Ok(());
        };
        let Some(hands) = self.0.of(worker) else {
            return Ok(());
        };
        for nack in nacks.iter() {
            let Some(holding) = hands.held.get(&nack.receipt) else {
                continue;
            };
            let chunk = &holding.delivery.chunk;
            let failures = chunk.counters.failures + 1;
            let policy = &chunk.spec.policy;
            if !ttg_runtime::invariants::retry_is_patient(policy, failures, nack.retry_in) {
                let (held, retry_in) = (Held(&nack.receipt), nack.retry_in);
                let what = format!(
                    "{held} is to be tried again in {retry_in:?} after {failures} failures"
                );
                return Err(("backoff", what));
            }
        }
        Ok(())
    }
}
