//! What is told of a delivery once it has ended, in a process that traces.

use std::time::Duration;

use ttg_observability::traces::{
    Attempt as Told, Cause, ChunkTrace, Course, DEAD_LETTERS_MAX, DeadLetter, Ending, Remote,
    SpanIds, Traces,
};
use ttg_runtime::{
    Chunk, DeadReason, Delivery, Failure, Outcome, ParameterRange, Timestamp, WorkerId,
};

/// A delivery that is to be settled, and when it was where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) delivery: Delivery,
    /// It was to be evaluated in a process of its own.
    pub(crate) isolated: bool,
    /// When it came.
    pub(crate) received: Timestamp,
    /// From when to when its kernel ran, if it did.
    pub(crate) computed: Option<(Timestamp, Timestamp)>,
    /// When it was decided how it ends.
    pub(crate) decided: Timestamp,
}

/// How it ended.
pub(crate) enum Ended<'a> {
    /// The first outcome of its chunk.
    Committed(&'a Outcome),
    /// Another outcome was first.
    Duplicate,
    /// Its job is unknown or cancelled.
    Dropped,
    /// It is tried again.
    Nacked(&'a Failure, Duration),
    /// It went back, for this reason.
    GivenBack(&'a str),
    /// The broker says that it is no longer ours.
    Stale,
    /// The same, before there was anything to settle.
    Lost,
}

/// The span of the attempt that a delivery of `chunk` makes.
pub(crate) fn span_of(chunk: &Chunk) -> SpanIds {
    let counters = chunk.counters;
    let before = [counters.failures, counters.silent_deliveries, counters.give_backs];
    trace_of(chunk).attempt(before.into_iter().map(u64::from).sum())
}

fn trace_of(chunk: &Chunk) -> ChunkTrace {
    let key = chunk.key;
    ChunkTrace::of(*key.job.as_bytes(), key.chunk.0, key.generation.0)
}

fn letter((range, why): (ParameterRange, &DeadReason)) -> DeadLetter<'_> {
    let (range, kind) = ((range.start(), range.end()), why.kind.as_str());
    DeadLetter { range, kind, message: &why.message }
}

impl Attempt {
    pub(crate) fn span(&self) -> SpanIds {
        span_of(&self.delivery.chunk)
    }

    /// Tells that `worker` made this attempt, which ended `now`.
    pub(crate) fn tell(
        &self,
        traces: &Traces,
        worker: &WorkerId,
        ended: &Ended<'_>,
        now: Timestamp,
    ) {
        let mut letters = Vec::new();
        let ending = match *ended {
            Ended::Committed(outcome) => {
                letters.extend(outcome.dead.runs().take(DEAD_LETTERS_MAX).map(letter));
                Ending::Committed {
                    completed: outcome.completed(),
                    dead: outcome.dead.count(),
                    dead_letters: &letters,
                    dead_runs: outcome.dead.runs().count(),
                }
            }
            Ended::Duplicate => Ending::Duplicate,
            Ended::Dropped => Ending::Dropped,
            Ended::Nacked(Failure { kind, parameter, message }, retry_in) => {
                let (kind, parameter) = (kind.as_str(), *parameter);
                Ending::Failed { cause: Cause { kind, message, parameter }, retry_in }
            }
            Ended::GivenBack(reason) => Ending::GivenBack { reason },
            Ended::Stale | Ended::Lost => Ending::LeaseLost,
        };
        let Delivery { chunk, suspect, .. } = &self.delivery;
        let is_settled = !matches!(ended, Ended::Lost);
        traces.attempt(&Told {
            trace: trace_of(chunk),
            submission: Remote {
                traceparent: chunk.trace.traceparent.as_deref(),
                tracestate: chunk.trace.tracestate.as_deref(),
            },
            job: &chunk.key.job.to_string(),
            chunk: chunk.key.chunk.0,
            generation: chunk.key.generation.0,
            range: (chunk.range.start(), chunk.range.end()),
            kernel: chunk.spec.kernel.as_str(),
            worker: worker.as_str(),
            failures: chunk.counters.failures,
            silent_deliveries: chunk.counters.silent_deliveries,
            give_backs: chunk.counters.give_backs,
            suspect: *suspect,
            isolated: self.isolated,
            course: self.course(now, is_settled),
            ending,
        });
    }

    /// How long it was where, if it ended `now`.
    fn course(&self, now: Timestamp, is_settled: bool) -> Course {
        let (begun, computed) = self.computed.unwrap_or((self.decided, self.decided));
        Course {
            queue_wait: self.delivery.waited,
            dispatch: begun.since(self.received),
            compute: self.computed.map(|(from, to)| to.since(from)),
            settle: is_settled.then(|| now.since(computed)),
        }
    }
}
