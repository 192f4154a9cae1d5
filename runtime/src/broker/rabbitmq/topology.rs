//! What TTG has on a server, and how it is made. Everything is named under the namespace.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, ExchangeKind};

use super::fault::of_declaring;
use crate::error::BrokerError;
use crate::ids::JobUid;

/// The server gives up a message that came back this often, to the queue of dead letters: a backstop.
/// What counts is [`crate::job::JobPolicy::max_deliveries`], which is far below. Fixed, since the
/// queue is shared, and one that exists with another limit cannot be used.
const DELIVERIES_MAX: i32 = 1_000;

/// A delay of at most this is spent in the first retry queue.
const SHORT_DELAY_SECS: u64 = 2;

/// The longest delay; the server's timers end at 49 days.
const DELAY_MAX: Duration = Duration::from_secs(1 << 21);

/// Copies of dead letters are kept until there are this many.
const DEAD_LETTERS_MAX: i32 = 100_000;

/// How long beats are kept at least, and how many bytes of them at most. A stream is cut by segments.
const BEATS_AGE: &str = "1m";
const BEATS_BYTES_MAX: i64 = 32_000_000;
const BEATS_SEGMENT_BYTES: i64 = 4_000_000;

/// The names of one namespace.
pub(super) struct Names {
    pub(super) namespace: String,
    /// The queue of chunks that are due.
    pub(super) tasks: String,
    /// What is set aside, and copies of dead letters.
    pub(super) dead: String,
    /// The stream of the registry.
    pub(super) jobs: String,
    /// The stream of beats.
    pub(super) beats: String,
    /// The exchange that knows the journals of open jobs. What it does not know any more is
    /// cancelled or purged.
    pub(super) results: String,
}

impl Names {
    pub(super) fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            tasks: format!("{namespace}.tasks"),
            dead: format!("{namespace}.tasks.dlq"),
            jobs: format!("{namespace}.jobs"),
            beats: format!("{namespace}.beats"),
            results: format!("{namespace}.results"),
        }
    }

    /// The stream of a job: its journal.
    pub(super) fn journal(&self, job: JobUid) -> String {
        format!("{}.results.{job}", self.namespace)
    }

    /// The stream of a job's values, if it keeps them.
    pub(super) fn values(&self, job: JobUid) -> String {
        format!("{}.values.{job}", self.namespace)
    }

    /// The queue that lives as long as a session does.
    pub(super) fn session(&self, session: u64) -> String {
        format!("{}.session.{session:016x}", self.namespace)
    }

    /// The queue in which a delay is spent.
    pub(super) fn retry(&self, level: Level) -> String {
        match level.0 {
            SHORT_DELAY_SECS => format!("{}.tasks.retry", self.namespace),
            seconds => format!("{}.tasks.retry.{seconds}", self.namespace),
        }
    }
}

/// Delays up to a power of two of seconds share a queue, so that a short one never waits behind one
/// more than twice as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Level(u64);

impl Level {
    pub(super) const SHORT: Self = Self(SHORT_DELAY_SECS);

    /// All that there can be.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let longest = Self::of(DELAY_MAX);
        std::iter::successors(Some(Self::SHORT), |level| Some(Self(level.0 * 2)))
            .take_while(move |level| level.0 <= longest.0)
    }

    pub(super) fn of(delay: Duration) -> Self {
        let seconds = delay.min(DELAY_MAX).as_millis().div_ceil(1_000);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        Self(seconds.next_power_of_two().max(SHORT_DELAY_SECS))
    }
}

/// The milliseconds after which the server hands on a message that is delayed: never early.
pub(super) fn expiration(delay: Duration) -> String {
    let millis = delay.min(DELAY_MAX).as_micros().div_ceil(1_000);
    millis.to_string()
}

fn table(pairs: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in pairs {
        table.insert((*key).into(), value.clone());
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

/// The arguments of a queue from which messages go to another: none is lost on the way.
fn source(to: &str, more: &[(&str, AMQPValue)]) -> FieldTable {
    let mut arguments = table(&[
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(to)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]);
    for (key, value) in more {
        arguments.insert((*key).into(), value.clone());
    }
    arguments
}

/// Declares queues and exchanges on one channel, which an error ends.
pub(super) struct Declaring<'a> {
    pub(super) channel: &'a Channel,
    pub(super) names: &'a Names,
    pub(super) broker: &'a str,
}

impl Declaring<'_> {
    /// All that every call needs.
    pub(super) async fn all(&self) -> Result<(), BrokerError> {
        let Names { tasks, dead, jobs, beats, results, .. } = self.names;
        self.queue(
            dead,
            table(&[
                ("x-queue-type", text("quorum")),
                ("x-max-length", AMQPValue::LongInt(DEAD_LETTERS_MAX)),
            ]),
        )
        .await?;
        let limit = ("x-delivery-limit", AMQPValue::LongInt(DELIVERIES_MAX));
        self.queue(tasks, source(dead, &[limit])).await?;
        self.retry(Level::SHORT).await?;
        self.queue(jobs, table(&[("x-queue-type", text("stream"))])).await?;
        self.queue(
            beats,
            table(&[
                ("x-queue-type", text("stream")),
                ("x-max-age", text(BEATS_AGE)),
                ("x-max-length-bytes", AMQPValue::LongLongInt(BEATS_BYTES_MAX)),
                ("x-stream-max-segment-size-bytes", AMQPValue::LongLongInt(BEATS_SEGMENT_BYTES)),
            ]),
        )
        .await?;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        self.channel
            .exchange_declare(
                results.as_str().into(),
                ExchangeKind::Direct,
                options,
                FieldTable::default(),
            )
            .await
            .map_err(|error| of_declaring(error, results, self.broker))
    }

    async fn queue(&self, name: &str, arguments: FieldTable) -> Result<(), BrokerError> {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        match self.channel.queue_declare(name.into(), options, arguments).await {
            Ok(_) => Ok(()),
            Err(error) => Err(of_declaring(error, name, self.broker)),
        }
    }

    pub(super) async fn retry(&self, level: Level) -> Result<(), BrokerError> {
        let millis = i64::try_from(level.0.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let ttl = ("x-message-ttl", AMQPValue::LongLongInt(millis));
        self.queue(&self.names.retry(level), source(&self.names.tasks, &[ttl])).await
    }

    /// A job's journal, by which its exchange knows that it is open.
    pub(super) async fn journal(&self, job: JobUid) -> Result<(), BrokerError> {
        let name = self.names.journal(job);
        self.queue(&name, table(&[("x-queue-type", text("stream"))])).await?;
        self.channel
            .queue_bind(
                name.as_str().into(),
                self.names.results.as_str().into(),
                job.to_string().as_str().into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(|error| of_declaring(error, &name, self.broker))
    }

    /// What keeps a job's values.
    pub(super) async fn values(&self, job: JobUid) -> Result<(), BrokerError> {
        self.queue(&self.names.values(job), table(&[("x-queue-type", text("stream"))])).await
    }

    /// A queue that keeps nothing and goes with this connection.
    pub(super) async fn session(&self, session: u64) -> Result<(), BrokerError> {
        let name = self.names.session(session);
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let arguments = table(&[("x-message-ttl", AMQPValue::LongInt(0))]);
        match self.channel.queue_declare(name.as_str().into(), options, arguments).await {
            Ok(_) => Ok(()),
            Err(error) => Err(of_declaring(error, &name, self.broker)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_spent_among_its_like_and_never_ends_early() {
        let names = Names::new("ttg");
        let queue = |millis| names.retry(Level::of(Duration::from_millis(millis)));
        assert_eq!(queue(1), "ttg.tasks.retry");
        assert_eq!(queue(2_000), "ttg.tasks.retry");
        assert_eq!(queue(2_001), "ttg.tasks.retry.4");
        assert_eq!(queue(300_000), "ttg.tasks.retry.512");
        assert_eq!(Level::of(Duration::MAX), Level(1 << 21));
        assert_eq!(Level::all().last(), Some(Level(1 << 21)));
        assert_eq!(expiration(Duration::from_micros(1_001)), "2");
    }
}
