//! Beats of workers: a stream that forgets.

use std::collections::HashMap;
use std::time::Duration;

use super::adapter::Consumer;
use super::letters::Letter;
use super::tail::{ENTRY, Next, Start, Tail};
use crate::broker::views::Beat;
use crate::error::BrokerError;
use crate::ids::WorkerId;
use crate::wire::{decode, encode};

impl Consumer {
    pub(super) async fn send_beat(&self, beat: &Beat) -> Result<(), BrokerError> {
        let letter = Letter::to_queue(&self.link.names.beats, ENTRY, encode(beat));
        self.link.session().await?.tell(&[letter]).await.map(drop)
    }

    /// The server knows how old a beat is, whatever the clocks of the workers say.
    pub(super) async fn beats_within(&self, within: Duration) -> Result<Vec<Beat>, BrokerError> {
        let seconds = u64::try_from(within.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
        let start = Start::Ago(seconds.clamp(1, 3_600));
        let mut tail = Tail::new(self.link.names.beats.clone(), start);
        let mut last: HashMap<WorkerId, Beat> = HashMap::new();
        let Some(mark) = tail.mark(&self.link).await? else { return Ok(Vec::new()) };
        while let Next::Entry(bytes) = tail.next(&mark).await? {
            // One that does not decode is of a build that says more, or less.
            if let Ok(beat) = decode::<Beat>(&bytes) {
                last.insert(beat.worker.clone(), beat);
            }
        }
        Ok(last.into_values().collect())
    }
}
