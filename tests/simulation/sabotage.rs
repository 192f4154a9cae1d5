//! Breaks a guarantee on purpose, between workers and broker, so that the rule that watches over it
//! can be seen to work.

use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::broker::{Committed, Nack, Renewed, Settled};

use crate::call::{Answer, Call};

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// A later outcome is told to be the first.
    SecondOutcome,
    /// An outcome is acknowledged and not stored.
    OutcomeLost,
    /// A stale settlement is told to be applied.
    Unfenced,
    /// A failed chunk returns at once.
    EarlyRetry,
    /// Workers ask for failed chunks at once.
    Impatient,
    /// No silent delivery is counted.
    SilenceUncounted,
    /// Nothing is renewed, and workers do not know.
    LeasesUnrenewed,
    /// Nothing that was returned comes back before its lease ends.
    ReturnsIgnored,
    /// Strays stay out.
    StraysIgnored,
}

const ALL: [(&str, Sabotage); 9] = [
    ("second-outcome", Sabotage::SecondOutcome),
    ("outcome-lost", Sabotage::OutcomeLost),
    ("unfenced", Sabotage::Unfenced),
    ("early-retry", Sabotage::EarlyRetry),
    ("impatient", Sabotage::Impatient),
    ("silence-uncounted", Sabotage::SilenceUncounted),
    ("leases-unrenewed", Sabotage::LeasesUnrenewed),
    ("returns-ignored", Sabotage::ReturnsIgnored),
    ("strays-ignored", Sabotage::StraysIgnored),
];

impl Sabotage {
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(other, _)| *other == name).map(|(_, sabotage)| *sabotage)
    }

    pub(crate) fn names() -> String {
        ALL.map(|(name, _)| name).join(", ")
    }

    /// The call as the worker is made to make it.
    pub(crate) fn of_worker(self, call: Call) -> Call {
        match (self, call) {
            (Self::Impatient, Call::Nack(nacks)) => Call::Nack(without_wait(&nacks)),
            (_, call) => call,
        }
    }

    /// The call as the broker reads it; `Err` with its answer if it does nothing.
    #[expect(clippy::result_large_err, reason = "an answer is no error")]
    pub(crate) fn of_broker(self, call: &Call) -> Result<Call, Answer> {
        match (self, call) {
            (Self::OutcomeLost, Call::Commit(outcomes)) => {
                Err(Answer::Committed(vec![Committed::First; outcomes.len()]))
            }
            (Self::EarlyRetry, Call::Nack(nacks)) => Ok(Call::Nack(without_wait(nacks))),
            (Self::LeasesUnrenewed, Call::Renew(receipts)) => {
                Err(Answer::Renewed(vec![Renewed::Held; receipts.len()]))
            }
            (Self::ReturnsIgnored, Call::GiveBack(returns)) => {
                Err(Answer::Settled(vec![Settled::Applied; returns.len()]))
            }
            (Self::StraysIgnored, Call::Strays(_)) => Err(Answer::Strays(0)),
            (_, call) => Ok(call.clone()),
        }
    }

    /// The answer as the broker gives it.
    pub(crate) fn of_answer(self, answer: &mut Answer) {
        match (self, answer) {
            (Self::SecondOutcome, Answer::Committed(committed)) => {
                committed.fill(Committed::First);
            }
            (Self::Unfenced, Answer::Settled(settled)) => {
                settled.fill(Settled::Applied);
            }
            (Self::SilenceUncounted, Answer::Deliveries(deliveries)) => {
                for delivery in deliveries {
                    delivery.chunk.counters.silent_deliveries = 0;
                }
            }
            _ => {}
        }
    }
}

fn without_wait(nacks: &[Nack]) -> Arc<[Nack]> {
    nacks.iter().map(|nack| Nack { retry_in: Duration::ZERO, ..nack.clone() }).collect()
}
