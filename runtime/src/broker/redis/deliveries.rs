//! Taking deliveries, and settling them.

use std::time::Duration;

use super::adapter::{BATCH, RedisBroker};
use super::scripts;
use super::wire::{self, Claim, Received};
use crate::broker::port::{Committed, Settled};
use crate::delivery::{Credit, Receipt};
use crate::error::BrokerError;
use crate::outcome::Outcome;

impl RedisBroker {
    pub(super) async fn look(&self, credit: Credit) -> Result<Received, BrokerError> {
        let mut call = self.link.call(&scripts::RECEIVE);
        let credit = (credit.get() as usize).min(BATCH);
        call.arg(self.worker.as_str()).arg(credit).arg(self.lease_ms());
        self.holdings.begin_receive();
        let received: Received = self.link.run(&call).await?;
        self.holdings.end_receive(&received.deliveries);
        if !received.foreign.is_empty() {
            let mut call = self.link.call(&scripts::SET_ASIDE);
            for foreign in &received.foreign {
                let (entry, reason) = (&foreign.id, &foreign.reason);
                tracing::warn!(entry, reason, "a message was set aside");
                call.arg(entry).arg(&foreign.uid).arg(reason);
            }
            // What is not set aside now is met again, and the deliveries are not to be lost for it.
            if let Err(error) = self.link.run::<i64>(&call).await {
                tracing::warn!(%error, "messages could not be set aside");
            }
        }
        Ok(received)
    }

    pub(super) async fn put_back(&self, returns: &[Return]) -> Result<Vec<Settled>, BrokerError> {
        let mut settled = Vec::with_capacity(returns.len());
        for batch in returns.chunks(BATCH) {
            let mut call = self.link.call(&scripts::PUT_BACK);
            call.arg(self.worker.as_str());
            for Return { claim, place, delay, failure } in batch {
                let delay = delay.as_nanos().div_ceil(1_000_000);
                call.arg(claim.id()).arg(claim.deliveries()).arg(place);
                call.arg(u64::try_from(delay).unwrap_or(u64::MAX >> 12).min(u64::MAX >> 12));
                call.arg(if failure.is_some() { "n" } else { "b" });
                call.arg(failure.as_deref().unwrap_or_default());
            }
            let answers: Vec<i64> = self.link.run(&call).await?;
            self.holdings.remove(batch.iter().map(|back| back.claim));
            let settle = |answer| if answer == 1 { Settled::Applied } else { Settled::Stale };
            settled.extend(answers.into_iter().map(settle));
        }
        Ok(settled)
    }

    pub(super) async fn commit_batch(
        &self,
        outcomes: &[(Claim, &Outcome, Vec<u8>)],
    ) -> Result<Vec<Committed>, BrokerError> {
        let mut call = self.link.call(&scripts::COMMIT);
        for (claim, outcome, record) in outcomes {
            let key = &outcome.key;
            call.arg(key.job.to_string()).arg(key.chunk.0).arg(key.generation.0).arg(claim.id());
            call.arg(outcome.completed()).arg(outcome.dead.count()).arg(record.as_slice());
            call.arg(wire::dead_letters(outcome)).arg(u8::from(!outcome.is_dead()));
            call.arg(outcome.values.map(|kept| wire::evaluation(kept.id)).unwrap_or_default());
        }
        let answers: Vec<String> = self.link.run(&call).await?;
        self.holdings.remove(outcomes.iter().map(|(claim, ..)| *claim));
        let committed = answers.iter().map(|answer| match answer.as_str() {
            "F" => Committed::First,
            "D" => Committed::Duplicate,
            _ => Committed::Dropped,
        });
        Ok(committed.collect())
    }
}

/// A delivery that goes back.
pub(super) struct Return {
    pub(super) claim: Claim,
    pub(super) place: String,
    pub(super) delay: Duration,
    /// Encoded; `None` for a give-back.
    pub(super) failure: Option<Vec<u8>>,
}

impl Return {
    pub(super) fn of(receipt: &Receipt, delay: Duration, failure: Option<Vec<u8>>) -> Self {
        Self { claim: Claim::of(receipt), place: wire::place(&receipt.key), delay, failure }
    }
}
