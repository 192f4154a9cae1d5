//! Supervision as data: what is restarted when, and how it is stopped.

use std::time::Duration;

use ttg_observability::metrics::ActorKind;

/// What a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ChildKind {
    ResultSink,
    LeaseKeeper,
    /// One actor for each compute slot.
    Compute,
    Dispatcher,
}

impl ChildKind {
    pub(crate) fn actor_kind(self) -> ActorKind {
        match self {
            Self::ResultSink => ActorKind::ResultSink,
            Self::LeaseKeeper => ActorKind::LeaseKeeper,
            Self::Compute => ActorKind::Compute,
            Self::Dispatcher => ActorKind::Dispatcher,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ResultSink => "result_sink",
            Self::LeaseKeeper => "lease_keeper",
            Self::Compute => "compute",
            Self::Dispatcher => "dispatcher",
        }
    }
}

/// How a child is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// It ends after the message that it handles.
    Stop,
    /// It handles all that is in its mailbox, within this time.
    Drain(Duration),
    /// It is asked to, and ends by itself within this time.
    Ask(Duration),
}

/// One child, or one a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChildSpec {
    pub(crate) kind: ChildKind,
    pub(crate) shutdown: Shutdown,
}

/// A supervisor's policy. All children are permanent; when one fails, it and those started after
/// it are restarted, but compute actors go one for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SupervisorSpec {
    pub(crate) restarts_max: u32,
    pub(crate) within: Duration,
    pub(crate) children: Vec<ChildSpec>,
}

impl SupervisorSpec {
    pub(crate) fn rest_for_one() -> Self {
        Self { restarts_max: 0, within: Duration::ZERO, children: Vec::new() }
    }

    /// At most `restarts_max` restarts in any period of `within`; then it gives up.
    pub(crate) fn intensity(mut self, restarts_max: u32, within: Duration) -> Self {
        (self.restarts_max, self.within) = (restarts_max, within);
        self
    }

    pub(crate) fn child(mut self, kind: ChildKind, shutdown: Shutdown) -> Self {
        self.children.push(ChildSpec { kind, shutdown });
        self
    }

    /// The children started after `kind`, last one first: the order in which they are stopped.
    pub(crate) fn dependants_of(&self, kind: ChildKind) -> Vec<ChildKind> {
        self.children.iter().rev().map(|child| child.kind).take_while(|&k| k != kind).collect()
    }

    pub(crate) fn shutdown_of(&self, kind: ChildKind) -> Shutdown {
        self.children
            .iter()
            .find(|child| child.kind == kind)
            .map_or(Shutdown::Stop, |child| child.shutdown)
    }
}
