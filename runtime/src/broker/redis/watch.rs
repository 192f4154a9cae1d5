//! Dead consumers, noticed sooner than by their leases: the server knows whose connections are gone.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::adapter::RedisBroker;
use super::scripts;
use crate::error::BrokerError;

/// For how long a consumer may have no connection: one that lives makes a new one within that,
/// since it beats every second.
const PATIENCE_MIN: Duration = Duration::from_secs(1);
const PATIENCE_MAX: Duration = Duration::from_secs(5);

/// After how long a consumer that holds nothing is forgotten; one that lives is made again.
const FORGET_AFTER: Duration = Duration::from_mins(1);

/// When this consumer last looked, and whether it may.
#[derive(Default)]
pub(super) struct Watch {
    looked: Mutex<Option<Instant>>,
    forbidden: AtomicBool,
}

impl Watch {
    /// Whether it is time; then it is not for another `every`.
    fn is_due(&self, every: Duration) -> bool {
        if self.forbidden.load(Ordering::Relaxed) {
            return false;
        }
        let mut looked = self.looked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        let due = looked.is_none_or(|looked| now.duration_since(looked) >= every);
        if due {
            *looked = Some(now);
        }
        due
    }
}

impl RedisBroker {
    /// Looks for dead consumers now and then. What fails is left to the ends of leases.
    pub(super) async fn watch_others(&self) {
        let patience = (self.lease * 3 / 10).clamp(PATIENCE_MIN, PATIENCE_MAX);
        if !self.watch.is_due(patience / 2) {
            return;
        }
        match self.miss_dead(patience, FORGET_AFTER.max(self.lease * 10)).await {
            Err(BrokerError::Refused { detail, .. }) => {
                tracing::info!(detail, "deaths are noticed by the ends of leases only");
                self.watch.forbidden.store(true, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(%error, "could not look for dead consumers"),
            Ok(()) => {}
        }
    }

    pub(super) async fn miss_dead(
        &self,
        patience: Duration,
        forget_after: Duration,
    ) -> Result<(), BrokerError> {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut call = self.link.call(&scripts::WATCH);
        call.arg(self.worker.as_str()).arg(ms(patience / 2)).arg(ms(forget_after));
        let holders: Vec<String> = self.link.run(&call).await?;
        if holders.is_empty() {
            return Ok(());
        }
        let mut question = redis::cmd("CLIENT");
        question.arg("LIST");
        let clients: String = self.link.query(&question).await?;
        let connected = connected(&clients);
        let mut call = self.link.call(&scripts::MISS);
        call.arg(ms(patience));
        for holder in &holders {
            if !connected.contains(self.link.client_name_of(holder).as_str()) {
                call.arg(holder);
            }
        }
        self.link.run::<i64>(&call).await.map(drop)
    }
}

/// The names in the answer to `CLIENT LIST`.
fn connected(clients: &str) -> HashSet<&str> {
    let name = |line| str::split_whitespace(line).find_map(|field| field.strip_prefix("name="));
    clients.lines().filter_map(name).collect()
}
