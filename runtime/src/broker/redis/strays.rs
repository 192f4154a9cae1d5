//! What is pending on this consumer though it never heard of it: a reply was lost, a receive was
//! dropped, or the server forgot its newest writes. Found by asking, it goes back uncharged.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::adapter::RedisBroker;
use super::deliveries::Return;
use super::scripts;
use super::wire::{Claim, Held};
use crate::broker::port::Settled;
use crate::delivery::{Delivery, Receipt};
use crate::error::BrokerError;

/// What this consumer was handed and has not settled.
#[derive(Default)]
pub(super) struct Holdings {
    claims: Mutex<HashSet<Claim>>,
    /// A receive began, and nobody knows how it ended.
    open: AtomicBool,
    /// The connection on which strays were last looked for.
    connection: AtomicU64,
}

impl Holdings {
    fn claims(&self) -> MutexGuard<'_, HashSet<Claim>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_receive(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    pub(super) fn end_receive(&self, deliveries: &[Delivery]) {
        let claims = deliveries.iter().map(|delivery| Claim::of(&delivery.receipt));
        self.claims().extend(claims);
        self.open.store(false, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, claims: impl Iterator<Item = Claim>) {
        let mut held = self.claims();
        for claim in claims {
            held.remove(&claim);
        }
    }
}

impl RedisBroker {
    /// Gives back strays, if there may be some.
    pub(super) async fn return_strays(&self) -> Result<(), BrokerError> {
        let connection = self.link.connection().await?.1;
        let known = self.holdings.connection.load(Ordering::Relaxed);
        if connection != known || self.holdings.open.load(Ordering::Relaxed) {
            let held = self.holdings.claims().clone();
            let strays = self.give_back_all_but(&held).await?;
            if strays > 0 {
                tracing::info!(strays, "gave back what a lost reply left behind");
            }
            self.holdings.connection.store(connection, Ordering::Relaxed);
            self.holdings.open.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The same, by the word of the caller, who knows what it holds.
    pub(super) async fn return_all_but(&self, held: &[Receipt]) -> Result<u64, BrokerError> {
        let held: HashSet<Claim> = held.iter().map(Claim::of).collect();
        let returned = self.give_back_all_but(&held).await?;
        self.holdings.claims().retain(|claim| held.contains(claim));
        Ok(returned)
    }

    async fn give_back_all_but(&self, held: &HashSet<Claim>) -> Result<u64, BrokerError> {
        let (mut strays, mut from) = (Vec::new(), "-".to_owned());
        loop {
            let mut call = self.link.call(&scripts::HELD);
            call.arg(self.worker.as_str()).arg(&from);
            let pending: Vec<Held> = self.link.run(&call).await?;
            let Some(last) = pending.last() else { break };
            from = format!("({}", last.claim.id());
            strays.extend(pending.into_iter().filter(|mine| !held.contains(&mine.claim)));
        }
        let back = |Held { claim, place }| {
            let (delay, failure) = (Duration::ZERO, None);
            Return { claim, place, delay, failure }
        };
        let returned = self.put_back(&strays.into_iter().map(back).collect::<Vec<_>>()).await?;
        Ok(returned.iter().filter(|settled| **settled == Settled::Applied).count() as u64)
    }
}
