//! A session: two connections to the server and what lives no longer than they do. The one that
//! publishes is stopped by a server that is short of memory or disk; the other goes on.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection};
use tokio::sync::Semaphore;

use super::fault::{of_client, of_connecting};
use super::fuse::Fuse;
use super::target::Target;
use super::topology::{Declaring, Names};
use crate::error::BrokerError;
use crate::randomness::{Randomness, SystemRandomness};

/// Channels on which letters are sent at a time.
const LETTER_BOXES_MAX: usize = 8;

pub(super) struct Session {
    /// Whose deliveries are this session's; no two sessions have the same.
    pub(super) id: u64,
    /// Publishes.
    telling: Connection,
    /// Consumes and declares.
    asking: Connection,
    /// Brings deliveries, and takes their acknowledgements.
    pub(super) tasks: Channel,
    /// Channels that confirm, each for one caller at a time: a message that comes back is not told
    /// with certainty from its neighbours.
    boxes: Mutex<Vec<Channel>>,
    room: Semaphore,
    pub(super) patience: Duration,
    pub(super) shown: String,
    fuse: Fuse,
}

impl Session {
    /// Connects, and makes what is missing on the server.
    pub(super) async fn open(
        target: &Target,
        names: &Names,
        name: &str,
        patience: Duration,
        fuse: Fuse,
    ) -> Result<Self, BrokerError> {
        let shown = target.shown.clone();
        let connect = async |heartbeats| {
            let connected = target.connect(name, heartbeats).await;
            connected.map_err(|fault| of_connecting(fault, &shown))
        };
        let asking = connect(true).await?;
        let telling = connect(false).await?;
        let tasks = asking.create_channel().await.map_err(|error| of_client(error, &shown))?;
        let session = Self {
            id: SystemRandomness.next_u64(),
            telling,
            asking,
            tasks,
            boxes: Mutex::default(),
            room: Semaphore::new(LETTER_BOXES_MAX),
            patience,
            shown,
            fuse,
        };
        session
            .declare(names, async |declaring: Declaring<'_>| {
                declaring.all().await?;
                declaring.session(session.id).await
            })
            .await?;
        Ok(session)
    }

    /// Whether all of it lives.
    pub(super) fn is_alive(&self) -> bool {
        self.telling.status().connected()
            && self.asking.status().connected()
            && self.tasks.status().connected()
    }

    /// Whether the server takes nothing now.
    pub(super) fn is_blocked(&self) -> bool {
        self.telling.status().blocked()
    }

    /// Declares on a channel of its own, which an error would end.
    pub(super) async fn declare(
        &self,
        names: &Names,
        what: impl AsyncFnOnce(Declaring<'_>) -> Result<(), BrokerError>,
    ) -> Result<(), BrokerError> {
        let channel = self.question().await?;
        let declaring = Declaring { channel: &channel, names, broker: &self.shown };
        self.answer_within(self.patience * 2, what(declaring)).await?
    }

    /// A channel to ask something on.
    pub(super) async fn question(&self) -> Result<Channel, BrokerError> {
        let channel = self.answer(self.asking.create_channel()).await?;
        channel.map_err(|error| self.fault(error))
    }

    /// A channel that confirms, for one caller until [`Self::keep_letter_box`].
    pub(super) async fn letter_box(&self) -> Result<LetterBox<'_>, BrokerError> {
        let Ok(room) = self.answer(self.room.acquire()).await? else {
            return Err(BrokerError::Unavailable {
                broker: self.shown.clone(),
                cause: "the session has ended".into(),
            });
        };
        let kept = self.boxes().pop();
        if let Some(channel) = kept.filter(|channel| channel.status().connected()) {
            return Ok(LetterBox { channel, _room: room });
        }
        let channel = self.answer(self.telling.create_channel()).await?;
        let channel = channel.map_err(|error| self.fault(error))?;
        let confirming = self.answer(channel.confirm_select(ConfirmSelectOptions::default()));
        confirming.await?.map_err(|error| self.fault(error))?;
        Ok(LetterBox { channel, _room: room })
    }

    pub(super) fn keep_letter_box(&self, letter_box: LetterBox<'_>) {
        self.boxes().push(letter_box.channel);
    }

    fn boxes(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called before each step whose effect outlives the session.
    pub(super) async fn step(&self) -> Result<(), BrokerError> {
        if self.fuse.blows() {
            self.close().await;
            let cause = "the fuse has blown".into();
            return Err(BrokerError::Unavailable { broker: self.shown.clone(), cause });
        }
        Ok(())
    }

    /// Ends it, so that the server gives what it holds to others.
    pub(super) async fn close(&self) {
        const GOODBYE: u16 = 200;
        for connection in [&self.asking, &self.telling] {
            let closing = connection.close(GOODBYE, "bye".into());
            drop(tokio::time::timeout(self.patience, closing).await);
        }
    }
}

/// A channel that confirms.
pub(super) struct LetterBox<'a> {
    channel: Channel,
    _room: tokio::sync::SemaphorePermit<'a>,
}

impl std::ops::Deref for LetterBox<'_> {
    type Target = Channel;
    fn deref(&self) -> &Channel {
        &self.channel
    }
}
