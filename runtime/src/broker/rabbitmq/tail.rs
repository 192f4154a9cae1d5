//! Reading a stream, from its start or from where one stopped, up to now. Where now is, a marker says
//! that the reader itself writes: the server's own count of a stream lags.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Consumer};
use tokio::time::Instant;

use super::letters::Letter;
use super::link::Link;
use super::session::Session;
use crate::error::BrokerError;
use crate::randomness::{Randomness, SystemRandomness};

/// Messages that the server sends ahead of being read: of each stream that is kept open, some megabytes at
/// most.
const AHEAD: u16 = 32;

/// Likewise, where each may have a megabyte.
const AHEAD_OF_LARGE: u16 = 4;

/// Without a mark, a stream has ended when nothing came for this long.
const SOON: Duration = Duration::from_millis(250);

/// Who looks again and again waits for the next message this long, and for all of them [`SOON`].
const LATELY: Duration = Duration::from_millis(20);

/// What a marker says it is.
const MARK: &str = "mark";

/// What an entry says it is.
pub(super) const ENTRY: &str = "entry";

/// Where in a stream to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    At(u64),
    /// Not before this many seconds ago, by the server's clock.
    Ago(u64),
}

/// One reader of one stream.
pub(super) struct Tail {
    stream: String,
    start: Start,
    ahead: u16,
    open: Option<Open>,
    /// The session that it was read in.
    session: Option<u64>,
    /// It is read from its start once more, and nobody was told yet.
    again: bool,
}

struct Open {
    session: Arc<Session>,
    channel: Channel,
    consumer: Consumer,
    /// So many are acknowledged at a time.
    window: u16,
    unacknowledged: u16,
    last: u64,
}

/// The end of the stream when it was looked for.
pub(super) enum Mark {
    At(Vec<u8>),
    /// Where nothing comes for a while.
    Soon,
    /// Likewise, for those who look again: a short while, and not beyond this.
    Lately(Instant),
    /// The next message is known to be there.
    Beyond,
}

/// The next message before a mark.
pub(super) enum Next {
    Entry(Vec<u8>),
    /// What follows is the stream from its start: what was known is to be forgotten. A server that lost
    /// power may have lost what was read before, and have written other things in its place.
    Again,
    /// The mark is reached.
    End,
    /// The stream was deleted.
    Gone,
}

impl Tail {
    pub(super) fn new(stream: String, start: Start) -> Self {
        Self { stream, start, ahead: AHEAD, open: None, session: None, again: false }
    }

    /// Likewise, of a stream whose messages are large.
    pub(super) fn of_large(stream: String) -> Self {
        Self { ahead: AHEAD_OF_LARGE, ..Self::new(stream, Start::At(0)) }
    }

    /// The offset of the next message.
    pub(super) fn position(&self) -> u64 {
        match self.start {
            Start::At(offset) => offset,
            Start::Ago(_) => 0,
        }
    }

    /// Goes to where the next message is the one at `offset`.
    pub(super) fn seek(&mut self, offset: u64) {
        if self.position() != offset {
            (self.start, self.open) = (Start::At(offset), None);
        }
    }

    /// Whether a mark that was made can still be reached.
    pub(super) fn is_open(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.channel.status().connected())
    }

    /// Marks the present end; `None` if there is no such stream.
    pub(super) async fn mark(&mut self, link: &Link) -> Result<Option<Mark>, BrokerError> {
        let session = link.session().await?;
        let id = [SystemRandomness.next_u64().to_be_bytes(), session.id.to_be_bytes()].concat();
        let marks = [Letter::to_queue(&self.stream, MARK, id.clone())];
        if session.tell(&marks).await? != [true] {
            self.open = None;
            return Ok(None);
        }
        self.reopen(session).await?;
        Ok(Some(Mark::At(id)))
    }

    /// As good as the present end for who has read to a mark before and looks again: nothing is written.
    /// `None` if there is no such stream.
    pub(super) async fn lately(&mut self, link: &Link) -> Result<Option<Mark>, BrokerError> {
        let session = link.session().await?;
        if self.is_open_in(&session) {
            return Ok(Some(Mark::Lately(Instant::now() + SOON)));
        }
        self.mark(link).await
    }

    /// As good as the present end, without writing anything: for those who look again later. If there is
    /// no such stream, that is an error here.
    pub(super) async fn soon(&mut self, link: &Link) -> Result<Mark, BrokerError> {
        let session = link.session().await?;
        self.reopen(session).await?;
        Ok(Mark::Soon)
    }

    fn is_open_in(&self, session: &Session) -> bool {
        self.is_open() && self.open.as_ref().is_some_and(|open| open.session.id == session.id)
    }

    /// Makes sure that it is read, where it was.
    pub(super) async fn reopen(&mut self, session: Arc<Session>) -> Result<(), BrokerError> {
        if self.is_open_in(&session) {
            return Ok(());
        }
        let is_other = self.session.replace(session.id).is_some_and(|before| before != session.id);
        if is_other && matches!(self.start, Start::At(at) if at > 0) {
            (self.start, self.again) = (Start::At(0), true);
        }
        self.open = Some(self.consume(session).await?);
        Ok(())
    }

    async fn consume(&self, session: Arc<Session>) -> Result<Open, BrokerError> {
        let channel = session.question().await?;
        let qos = channel.basic_qos(self.ahead, BasicQosOptions::default());
        session.answer(qos).await?.map_err(|error| session.fault(error))?;
        let mut arguments = FieldTable::default();
        let offset = match self.start {
            Start::At(0) => AMQPValue::LongString(LongString::from("first")),
            Start::At(offset) => AMQPValue::LongLongInt(i64::try_from(offset).unwrap_or(i64::MAX)),
            Start::Ago(seconds) => {
                AMQPValue::LongString(LongString::from(format!("{seconds}s").as_str()))
            }
        };
        arguments.insert("x-stream-offset".into(), offset);
        let consuming = channel.basic_consume(
            self.stream.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            arguments,
        );
        let consumer = session.answer(consuming).await?.map_err(|error| session.fault(error))?;
        let window = self.ahead / 2;
        Ok(Open { session, channel, consumer, window, unacknowledged: 0, last: 0 })
    }

    /// Reads on. If this is dropped, the stream is opened anew, where it was, by the next mark.
    pub(super) async fn next(&mut self, mark: &Mark) -> Result<Next, BrokerError> {
        if std::mem::take(&mut self.again) {
            return Ok(Next::Again);
        }
        let Some(mut open) = self.open.take() else { return Err(self.lost()) };
        loop {
            let next = next(&mut open.consumer);
            let arrived = match mark {
                Mark::At(_) | Mark::Beyond => Ok(open.session.answer(next).await?),
                Mark::Soon => tokio::time::timeout(SOON, next).await,
                Mark::Lately(until) => {
                    tokio::time::timeout_at((*until).min(Instant::now() + LATELY), next).await
                }
            };
            let Ok(arrived) = arrived else {
                open.settle().await?;
                self.open = Some(open);
                return Ok(Next::End);
            };
            let Some(delivery) = arrived else {
                // Who ended it, the stream or the session?
                let gone = open.channel.status().connected();
                return if gone { Ok(Next::Gone) } else { Err(self.lost()) };
            };
            let delivery = delivery.map_err(|error| open.session.fault(error))?;
            open.acknowledge(&delivery).await?;
            // What comes twice was read before.
            if let (Start::At(at), Some(offset)) = (self.start, offset_of(&delivery)) {
                if offset < at {
                    continue;
                }
                self.start = Start::At(offset + 1);
            }
            let kind = delivery.properties.kind().as_ref().map(ShortString::as_str);
            match kind {
                Some(MARK) if matches!(mark, Mark::At(id) if *id == delivery.data) => {
                    open.settle().await?;
                    self.open = Some(open);
                    return Ok(Next::End);
                }
                Some(ENTRY) => {
                    self.open = Some(open);
                    return Ok(Next::Entry(delivery.data));
                }
                _ => {}
            }
        }
    }

    fn lost(&self) -> BrokerError {
        BrokerError::Unavailable {
            broker: self.stream.clone(),
            cause: "the connection was lost while a stream was read".into(),
        }
    }
}

impl Open {
    /// Lets the server send on. Of a stream, nothing is consumed.
    async fn acknowledge(&mut self, delivery: &Delivery) -> Result<(), BrokerError> {
        self.unacknowledged += 1;
        self.last = delivery.delivery_tag;
        if self.unacknowledged >= self.window { self.settle().await } else { Ok(()) }
    }

    async fn settle(&mut self) -> Result<(), BrokerError> {
        if self.unacknowledged > 0 {
            let acknowledged =
                self.channel.basic_ack(self.last, BasicAckOptions { multiple: true });
            let acknowledged = self.session.answer(acknowledged).await?;
            acknowledged.map_err(|error| self.session.fault(error))?;
            self.unacknowledged = 0;
        }
        Ok(())
    }
}

/// The next message of a consumer; `None` when it has ended.
pub(super) async fn next(consumer: &mut Consumer) -> Option<lapin::Result<Delivery>> {
    poll_fn(|context| Pin::new(&mut *consumer).poll_next(context)).await
}

fn offset_of(delivery: &Delivery) -> Option<u64> {
    number_of(delivery, "x-stream-offset")
}

/// A number among the headers.
pub(super) fn number_of(delivery: &Delivery, header: &str) -> Option<u64> {
    let headers = delivery.properties.headers().as_ref()?;
    match headers.inner().get(header)? {
        AMQPValue::LongLongInt(number) => u64::try_from(*number).ok(),
        AMQPValue::LongInt(number) => u64::try_from(*number).ok(),
        AMQPValue::LongUInt(number) => Some(u64::from(*number)),
        AMQPValue::ShortInt(number) => u64::try_from(*number).ok(),
        AMQPValue::ShortUInt(number) => Some(u64::from(*number)),
        AMQPValue::ShortShortInt(number) => u64::try_from(*number).ok(),
        AMQPValue::ShortShortUInt(number) => Some(u64::from(*number)),
        AMQPValue::Timestamp(number) => Some(*number),
        _ => None,
    }
}
