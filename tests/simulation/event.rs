//! What happens in a simulation, as checkers see it.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use ttg_actors::WorkerError;
use ttg_runtime::kernel::Assignment;
use ttg_runtime::{BrokerError, IdempotencyKey, Timestamp, WorkerId};

use crate::call::{Answer, Call, Short};

/// When something happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Virtual time since the start.
    pub(crate) at: Duration,
    /// The broker's own clock.
    pub(crate) broker: Timestamp,
}

/// What happens.
pub(crate) enum Event<'a> {
    /// A worker starts.
    Started { worker: &'a WorkerId, slots: u32, lease: Duration },
    /// It is asked to stop.
    Stopping { worker: &'a WorkerId },
    /// It has ended by itself.
    Ended { worker: &'a WorkerId, error: Option<&'a WorkerError> },
    /// It is dead without a word.
    Crashed { worker: &'a WorkerId },
    /// It stands still.
    Froze { worker: &'a WorkerId },
    /// It goes on.
    Thawed { worker: &'a WorkerId },
    /// Nothing gets through between it and the broker.
    CutOff { worker: &'a WorkerId },
    /// Something does again.
    Connected { worker: &'a WorkerId },
    /// Something is between it and the broker, or wrong with its clock.
    Troubled { worker: &'a WorkerId, how: &'static str },
    /// It makes a call.
    Called { worker: &'a WorkerId, call: &'a Call },
    /// The broker has carried out a call.
    Done { worker: &'a WorkerId, call: &'a Call, answer: &'a Result<Answer, BrokerError> },
    /// The caller hears what became of it.
    Told { worker: &'a WorkerId, call: &'a Call, answer: &'a Result<Answer, BrokerError> },
    /// A slot begins with a chunk.
    Began { worker: &'a WorkerId, assignment: &'a Assignment },
    /// A slot has no more to do with it.
    Left { worker: &'a WorkerId, chunk: &'a IdempotencyKey, how: &'static str },
    /// What the broker holds is on its disk.
    Synced,
    /// The broker is gone for a while.
    BrokerDown,
    /// The broker is back, with what was on its disk.
    Restored,
    /// The broker's boot time has jumped forward.
    BrokerJumped { by: Duration },
    /// No more faults.
    Calm,
}

impl Display for Event<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { worker, slots, .. } => write!(f, "{worker} starts with {slots} slots"),
            Self::Stopping { worker } => write!(f, "{worker} is asked to stop"),
            Self::Ended { worker, error: None } => write!(f, "{worker} ends"),
            Self::Ended { worker, error: Some(error) } => write!(f, "{worker} ends: {error}"),
            Self::Crashed { worker } => write!(f, "{worker} crashes"),
            Self::Froze { worker } => write!(f, "{worker} freezes"),
            Self::Thawed { worker } => write!(f, "{worker} thaws"),
            Self::CutOff { worker } => write!(f, "{worker} is cut off"),
            Self::Connected { worker } => write!(f, "{worker} is connected again"),
            Self::Troubled { worker, how } => write!(f, "{worker} trouble: {how}"),
            Self::Called { worker, call } => write!(f, "{worker} > {call}"),
            Self::Done { worker, call, answer } => match answer {
                Ok(answer) => write!(f, "{worker} = {call}: {answer}"),
                Err(error) => write!(f, "{worker} = {call}: {error}"),
            },
            Self::Told { worker, call, answer } => match answer {
                Ok(answer) => write!(f, "{worker} < {}: {answer}", call.name()),
                Err(error) => write!(f, "{worker} < {}: {error}", call.name()),
            },
            Self::Began { worker, assignment } => {
                let last = if assignment.limits.last_attempt { " for the last time" } else { "" };
                let alone = if assignment.isolated { " isolated" } else { "" };
                let chunk = Short(&assignment.chunk.key);
                write!(f, "{worker} begins {chunk}{last}{alone}")
            }
            Self::Left { worker, chunk, how } => write!(f, "{worker} {how} {}", Short(chunk)),
            Self::Synced => write!(f, "broker syncs"),
            Self::BrokerDown => write!(f, "broker goes down"),
            Self::Restored => write!(f, "broker is back"),
            Self::BrokerJumped { by } => write!(f, "broker's clock jumps by {by:?}"),
            Self::Calm => write!(f, "calm"),
        }
    }
}
