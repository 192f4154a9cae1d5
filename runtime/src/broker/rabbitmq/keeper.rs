//! What a consumer does unasked.

use std::sync::{Arc, Weak};

use super::adapter::Consumer;
use super::source::LINGER;

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
