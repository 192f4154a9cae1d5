//! An attempt at a chunk as spans, built when it has ended: the attempt, and in it the stages that it
//! went through, one after the other.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Event, Link, SpanId, SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::context::{Remote, context};
use super::ids::{ChunkTrace, SpanIds, Stage};
use super::scope;

/// The most dead letters of one attempt that become events.
pub const DEAD_LETTERS_MAX: usize = 32;

/// The longest text of an attribute, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// The spans of an attempt: itself and its stages.
pub(super) const SPANS_MAX: usize = 5;

/// A delivery of a chunk, from when the chunk was due to when the delivery was settled, which is now.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The trace of its chunk.
    pub trace: ChunkTrace,
    /// Where its submission stands in a trace.
    pub submission: Remote<'a>,
    /// The job's uid.
    pub job: &'a str,
    /// The chunk's index.
    pub chunk: u64,
    /// The chunk's generation.
    pub generation: u32,
    /// The chunk's first parameter, and one past its last.
    pub range: (u64, u64),
    /// The kernel's name.
    pub kernel: &'a str,
    /// Who made it.
    pub worker: &'a str,
    /// Deliveries before it that failed.
    pub failures: u32,
    /// Deliveries before it that ended without a word.
    pub silent_deliveries: u32,
    /// Deliveries before it that were given back.
    pub give_backs: u32,
    /// A delivery before it may have killed its worker.
    pub suspect: bool,
    /// It was to be evaluated in a process of its own.
    pub isolated: bool,
    /// How long it was where.
    pub course: Course,
    /// How it ended.
    pub ending: Ending<'a>,
}

/// The stages of an attempt, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// Due, and nobody took it.
    pub queue_wait: Duration,
    /// Held by its worker, and not begun.
    pub dispatch: Duration,
    /// In the kernel, if it came to that.
    pub compute: Option<Duration>,
    /// On the way to the broker and until that answered; not at all if its lease was lost before.
    pub settle: Option<Duration>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub enum Ending<'a> {
    /// Its outcome was the first to be stored.
    Committed {
        /// Parameters with a value.
        completed: u64,
        /// Parameters out of attempts.
        dead: u64,
        /// They, by runs: the first [`DEAD_LETTERS_MAX`] become events.
        dead_letters: &'a [DeadLetter<'a>],
        /// How many runs there are.
        dead_runs: usize,
    },
    /// Another outcome was first.
    Duplicate,
    /// Its job is unknown or cancelled.
    Dropped,
    /// It failed and is tried again.
    Failed {
        /// Why.
        cause: Cause<'a>,
        /// How long it is put off.
        retry_in: Duration,
    },
    /// It went back uncharged.
    GivenBack {
        /// Why.
        reason: &'a str,
    },
    /// Its lease ended before it did.
    LeaseLost,
}

/// Why something failed.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// The kind of failure.
    pub kind: &'a str,
    /// In words.
    pub message: &'a str,
    /// At which parameter, if that is known.
    pub parameter: Option<u64>,
}

/// Dead parameters with one reason.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetter<'a> {
    /// The first, and one past the last.
    pub range: (u64, u64),
    /// The kind of failure.
    pub kind: &'a str,
    /// In words.
    pub message: &'a str,
}

impl Attempt<'_> {
    /// Deliveries before this one, however they ended.
    fn before(&self) -> u64 {
        u64::from(self.failures) + u64::from(self.silent_deliveries) + u64::from(self.give_backs)
    }

    fn ids(&self) -> SpanIds {
        self.trace.attempt(self.before())
    }

    /// Whether it is exported though its trace is not sampled: it failed, it buried parameters, or it
    /// is the first to tell of one that fell silent.
    pub(super) fn is_grave(&self) -> bool {
        let failed = matches!(self.ending, Ending::Failed { .. } | Ending::LeaseLost);
        let buried = matches!(self.ending, Ending::Committed { dead, .. } if dead > 0);
        failed || buried || self.suspect
    }

    /// Its spans, at most [`SPANS_MAX`], if it ended `now`.
    pub(super) fn spans(&self, now: SystemTime) -> Vec<SpanData> {
        let mut spans = Vec::with_capacity(SPANS_MAX);
        let Course { queue_wait, dispatch, compute, settle } = self.course;
        let stages = [
            (Stage::QueueWait, Some(queue_wait)),
            (Stage::Dispatch, Some(dispatch)),
            (Stage::Compute, compute),
            (Stage::Settle, settle),
        ];
        let took = stages.iter().filter_map(|(_, took)| *took);
        let took = took.fold(Duration::ZERO, Duration::saturating_add);
        let began = now.checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH);
        let began = began.max(SystemTime::UNIX_EPOCH);
        spans.push(self.root(began, now));
        let mut start = began;
        for (stage, took) in stages {
            let Some(took) = took else { continue };
            let end = start.checked_add(took).map_or(now, |end| end.min(now));
            spans.push(self.stage(stage, start, end));
            start = end;
        }
        spans
    }

    fn root(&self, began: SystemTime, now: SystemTime) -> SpanData {
        let number = |n: u64| Value::I64(i64::try_from(n).unwrap_or(i64::MAX));
        let text = |text: &str| Value::String(shortened(text).into());
        let mut attributes = vec![
            KeyValue::new("ttg.job.uid", text(self.job)),
            KeyValue::new("ttg.kernel", text(self.kernel)),
            KeyValue::new("ttg.chunk", number(self.chunk)),
            KeyValue::new("ttg.generation", number(self.generation.into())),
            KeyValue::new("ttg.range.start", number(self.range.0)),
            KeyValue::new("ttg.range.end", number(self.range.1)),
            KeyValue::new("ttg.worker", text(self.worker)),
            KeyValue::new("ttg.delivery", number(self.before() + 1)),
            KeyValue::new("ttg.attempt", number(u64::from(self.failures) + 1)),
            KeyValue::new("ttg.failures", number(self.failures.into())),
            KeyValue::new("ttg.silent_deliveries", number(self.silent_deliveries.into())),
            KeyValue::new("ttg.give_backs", number(self.give_backs.into())),
            KeyValue::new("ttg.suspect", self.suspect),
            KeyValue::new("ttg.outcome", self.outcome()),
        ];
        if let Some(job) = self.submission.job() {
            attributes.push(KeyValue::new("ttg.job.name", text(job)));
        }
        match self.ending {
            Ending::Committed { completed, dead, .. } => {
                attributes.push(KeyValue::new("ttg.parameters.completed", number(completed)));
                attributes.push(KeyValue::new("ttg.parameters.dead", number(dead)));
            }
            Ending::Failed { retry_in, .. } => {
                attributes.push(KeyValue::new("ttg.retry_in_seconds", retry_in.as_secs_f64()));
            }
            Ending::GivenBack { reason } => {
                attributes.push(KeyValue::new("ttg.give_back.reason", text(reason)));
            }
            Ending::Duplicate | Ending::Dropped | Ending::LeaseLost => {}
        }
        let mut span = span(self.ids(), SpanId::INVALID, "attempt".into(), began, now);
        span.span_kind = SpanKind::Consumer;
        span.attributes = attributes;
        span.links = self.links();
        span.events = self.events(now);
        span.status = self.status();
        span
    }

    fn outcome(&self) -> &'static str {
        match self.ending {
            Ending::Committed { completed: 0, .. } => "dead",
            Ending::Committed { .. } => "completed",
            Ending::Duplicate => "duplicate",
            Ending::Dropped => "dropped",
            Ending::Failed { .. } => "failed",
            Ending::GivenBack { .. } => "given_back",
            Ending::LeaseLost => "lease_lost",
        }
    }

    fn stage(&self, stage: Stage, start: SystemTime, end: SystemTime) -> SpanData {
        let name = match (stage, self.ending) {
            (Stage::QueueWait, _) => "queue_wait",
            (Stage::Dispatch, _) => "dispatch",
            (Stage::Compute, _) => "compute",
            (Stage::Settle, Ending::Failed { .. } | Ending::LeaseLost) => "nack",
            (Stage::Settle, Ending::GivenBack { .. }) => "give_back",
            (Stage::Settle, _) => "commit",
        };
        let (ids, parent) = (self.ids().stage(stage), SpanId::from(self.ids().span));
        let mut span = span(ids, parent, name.into(), start, end);
        if stage == Stage::Compute {
            span.attributes.push(KeyValue::new("ttg.isolated", self.isolated));
            if let Ending::Failed { .. } = self.ending {
                span.status = self.status();
            }
        }
        span
    }

    fn links(&self) -> SpanLinks {
        let link =
            |context, to: &'static str| Link::new(context, vec![KeyValue::new("ttg.link", to)], 0);
        let submission = self.submission.span_context();
        let mut links = SpanLinks::default();
        links.links.extend(submission.map(|submission| link(submission, "submission")));
        if let Some(delivery) = self.before().checked_sub(1) {
            let previous = context(self.trace.attempt(delivery), true);
            links.links.push(link(previous, "previous_attempt"));
        }
        links
    }

    fn events(&self, now: SystemTime) -> SpanEvents {
        let mut events = SpanEvents::default();
        match self.ending {
            Ending::Failed { cause, .. } => {
                let mut attributes = exception(cause.kind, cause.message);
                attributes.extend(cause.parameter.map(|it| parameter("ttg.parameter", it)));
                events.events.push(Event::new("exception", now, attributes, 0));
            }
            Ending::Committed { dead_letters, dead_runs, .. } => {
                for letter in dead_letters.iter().take(DEAD_LETTERS_MAX) {
                    let mut attributes = exception(letter.kind, letter.message);
                    attributes.push(parameter("ttg.range.start", letter.range.0));
                    attributes.push(parameter("ttg.range.end", letter.range.1));
                    events.events.push(Event::new("dead_letter", now, attributes, 0));
                }
                let left_out = dead_runs.saturating_sub(events.events.len());
                events.dropped_count = u32::try_from(left_out).unwrap_or(u32::MAX);
            }
            _ => {}
        }
        events
    }

    fn status(&self) -> Status {
        match self.ending {
            Ending::Failed { cause: Cause { kind, message, .. }, .. } => {
                Status::error(shortened(&format!("{kind}: {message}")))
            }
            Ending::Committed { dead, .. } if dead > 0 => {
                Status::error(format!("dead parameters: {dead}"))
            }
            Ending::LeaseLost => Status::error("its lease was lost"),
            Ending::Committed { .. } => Status::Ok,
            Ending::Duplicate | Ending::Dropped | Ending::GivenBack { .. } => Status::Unset,
        }
    }
}

fn parameter(key: &'static str, parameter: u64) -> KeyValue {
    KeyValue::new(key, i64::try_from(parameter).unwrap_or(i64::MAX))
}

fn exception(kind: &str, message: &str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("exception.type", kind.to_owned()),
        KeyValue::new("exception.message", shortened(message)),
    ]
}

/// A text cut at a character's border.
fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    text[..end].to_owned()
}

pub(super) fn span(
    ids: SpanIds,
    parent: SpanId,
    name: Cow<'static, str>,
    start_time: SystemTime,
    end_time: SystemTime,
) -> SpanData {
    SpanData {
        span_context: context(ids, false),
        parent_span_id: parent,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name,
        start_time,
        end_time,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: scope(),
    }
}

#[cfg(test)]
#[path = "attempt_tests.rs"]
mod tests;
