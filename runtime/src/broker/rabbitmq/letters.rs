//! Publishing: nothing counts as sent before the server said that it has it, and that somebody is
//! there for it.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation};

use super::adapter::Consumer;
use super::fault::{of_client, of_silence};
use super::session::Session;
use super::topology::Declaring;
use crate::error::BrokerError;
use crate::wire::RECORD_BYTES_MAX;

/// Letters that are on their way at a time.
const WINDOW: usize = 512;

/// One message.
#[derive(Clone)]
pub(super) struct Letter {
    /// Empty for the queue that `key` names.
    pub(super) exchange: String,
    pub(super) key: String,
    /// What kind of thing the body is, where there are several.
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
    /// After how many milliseconds the queue hands it on.
    pub(super) expiration: Option<String>,
    /// Why it is set aside.
    pub(super) reason: Option<String>,
}

impl Letter {
    pub(super) fn to_queue(queue: &str, kind: &'static str, body: Vec<u8>) -> Self {
        Self {
            exchange: String::new(),
            key: queue.to_owned(),
            kind,
            body,
            expiration: None,
            reason: None,
        }
    }

    fn properties(&self, id: usize) -> BasicProperties {
        const PERSISTENT: u8 = 2;
        let mut properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_type(self.kind.into())
            .with_message_id(id.to_string().as_str().into());
        if let Some(expiration) = &self.expiration {
            properties = properties.with_expiration(expiration.as_str().into());
        }
        if let Some(reason) = &self.reason {
            let mut headers = lapin::types::FieldTable::default();
            let reason = lapin::types::LongString::from(reason.as_str());
            headers.insert("ttg-reason".into(), reason.into());
            properties = properties.with_headers(headers);
        }
        properties
    }
}

impl Consumer {
    /// Sends letters to queues that are always there. One that somebody deleted is made again; when this
    /// has returned, all letters are in theirs.
    pub(super) async fn deliver(
        &self,
        session: &Session,
        letters: &[Letter],
    ) -> Result<(), BrokerError> {
        let routed = session.tell(letters).await?;
        if routed.iter().all(|routed| *routed) {
            return Ok(());
        }
        let declare = async |declaring: Declaring<'_>| declaring.all().await;
        session.declare(&self.link.names, declare).await?;
        let back = letters.iter().zip(routed).filter(|(_, routed)| !routed);
        let back: Vec<Letter> = back.map(|(letter, _)| letter.clone()).collect();
        if session.tell(&back).await?.iter().all(|routed| *routed) {
            return Ok(());
        }
        Err(BrokerError::Unavailable {
            broker: session.shown.clone(),
            cause: "a queue was deleted, and could not be made again".into(),
        })
    }
}

impl Session {
    /// Sends letters in their order. When this has returned the server has them all, but for those
    /// that nobody is there for: false. If it fails, what became of them is unknown.
    pub(super) async fn tell(&self, letters: &[Letter]) -> Result<Vec<bool>, BrokerError> {
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        // Nobody could read it, and the server's own limit would end the channel.
        if letters.iter().any(|letter| letter.body.len() > RECORD_BYTES_MAX) {
            return Err(BrokerError::TooLarge { broker: self.shown.clone() });
        }
        self.step().await?;
        let mut routed = vec![true; letters.len()];
        let channel = self.letter_box().await?;
        for (nth, window) in letters.chunks(WINDOW).enumerate() {
            let first = nth * WINDOW;
            for id in self.send(&channel, window, first).await? {
                if let Some(routed) = routed.get_mut(id) {
                    *routed = false;
                }
            }
        }
        // One that failed is closed instead: nobody knows what it still says.
        self.keep_letter_box(channel);
        Ok(routed)
    }

    /// The numbers of those that came back.
    async fn send(
        &self,
        channel: &Channel,
        letters: &[Letter],
        first: usize,
    ) -> Result<Vec<usize>, BrokerError> {
        let mut on_their_way = Vec::with_capacity(letters.len());
        for (at, letter) in letters.iter().enumerate() {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let mut sending = Box::pin(channel.basic_publish(
                letter.exchange.as_str().into(),
                letter.key.as_str().into(),
                options,
                &letter.body,
                letter.properties(first + at),
            ));
            // The first poll hands it to the client, whose thread sends it beside the next.
            let polled = poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await;
            on_their_way.push((sending, polled));
        }
        let mut returned = Vec::new();
        for (sending, polled) in on_their_way {
            let sent = match polled {
                Poll::Ready(sent) => sent,
                Poll::Pending => self.answer(sending).await?,
            };
            let confirmed = self.answer(sent.map_err(|error| self.fault(error))?).await?;
            let confirmed = confirmed.map_err(|error| self.fault(error))?;
            if confirmed.is_nack() || matches!(confirmed, Confirmation::NotRequested) {
                let cause = "it did not take a message".into();
                return Err(BrokerError::Unavailable { broker: self.shown.clone(), cause });
            }
            // Which confirmation brings it is chance, but it has a number.
            if let Some(back) = confirmed.take_message() {
                let id = back.properties.message_id().as_ref();
                returned.extend(id.and_then(|id| id.as_str().parse::<usize>().ok()));
            }
        }
        Ok(returned)
    }

    /// Waits for an answer, but not for ever.
    pub(super) async fn answer<T>(
        &self,
        answer: impl Future<Output = T>,
    ) -> Result<T, BrokerError> {
        self.answer_within(self.patience, answer).await
    }

    pub(super) async fn answer_within<T>(
        &self,
        patience: Duration,
        answer: impl Future<Output = T>,
    ) -> Result<T, BrokerError> {
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(of_silence(self.is_blocked(), patience, &self.shown)),
        }
    }

    pub(super) fn fault(&self, error: lapin::Error) -> BrokerError {
        of_client(error, &self.shown)
    }
}
