//! What a consumer does unasked.

use std::sync::{Arc, Weak};

use super::adapter::Consumer;
use super::source::LINGER;
use crate::error::BrokerError;

/// Runs until the consumer is gone.
pub(super) fn start(consumer: &Arc<Consumer>) {
    let consumer = Arc::downgrade(consumer);
    tokio::spawn(keep(consumer));
}

async fn keep(consumer: Weak<Consumer>) {
    loop {
        tokio::time::sleep(LINGER / 2).await;
        let Some(consumer) = consumer.upgrade() else { return };
        if let Err(error) = consumer.close_idle_source().await {
            // The next receive finds out, too, and says so.
            tracing::debug!(%error, "an idle consumer could not be closed");
        }
    }
}

impl Consumer {
    /// Closes a consumer that nobody asks any more.
    async fn close_idle_source(&self) -> Result<(), BrokerError> {
        let Ok(mut source) = self.source.try_lock() else { return Ok(()) };
        if !source.is_idle() {
            return Ok(());
        }
        let session = self.link.session().await?;
        source.close_and_return(&session).await
    }
}
