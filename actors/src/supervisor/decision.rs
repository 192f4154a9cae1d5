//! What to do when a child ends: a pure function of policy, history and time.

use std::collections::VecDeque;

use ttg_runtime::Timestamp;

use super::spec::{ChildKind, SupervisorSpec};

/// Why a child ended, as far as the decision asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// A kernel failed in it: the chunk is charged, never the restart limit.
    Kernel,
    /// It failed.
    Failed,
    /// It says that no restart can help.
    Hopeless,
    /// It stopped without a failure, while it should run.
    Stopped,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// Start this one slot's actor again.
    RestartSlot,
    /// Stop these, in this order; then start the failed child and them again.
    RestartWith(Vec<ChildKind>),
    /// More restarts would not help: end, so that whoever started the process decides.
    GiveUp,
}

/// The restarts that count, oldest first.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Timestamp>);

pub(super) fn decide(
    spec: &SupervisorSpec,
    history: &mut History,
    child: ChildKind,
    ending: Ending,
    now: Timestamp,
) -> Decision {
    match ending {
        Ending::Hopeless => return Decision::GiveUp,
        Ending::Kernel => return Decision::RestartSlot,
        Ending::Failed | Ending::Stopped => {}
    }
    history.0.retain(|at| now.since(*at) < spec.within);
    if history.0.len() >= spec.restarts_max as usize {
        return Decision::GiveUp;
    }
    history.0.push_back(now);
    if child == ChildKind::Compute {
        Decision::RestartSlot
    } else {
        Decision::RestartWith(spec.dependants_of(child))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tree::worker_tree;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::since_boot(Duration::from_secs(seconds))
    }

    #[test]
    fn a_child_is_restarted_with_those_that_depend_on_it() {
        use ChildKind::{Compute, Dispatcher, LeaseKeeper, ResultSink};
        let table = [
            (ResultSink, Decision::RestartWith(vec![Dispatcher, Compute, LeaseKeeper])),
            (LeaseKeeper, Decision::RestartWith(vec![Dispatcher, Compute])),
            (Compute, Decision::RestartSlot),
            (Dispatcher, Decision::RestartWith(vec![])),
        ];
        for (child, expected) in table {
            for ending in [Ending::Failed, Ending::Stopped] {
                let history = &mut History::default();
                assert_eq!(decide(&worker_tree(), history, child, ending, at(0)), expected);
            }
        }
    }

    #[test]
    fn the_sixth_failure_within_the_period_is_one_too_many() {
        let spec = worker_tree();
        let mut history = History::default();
        let mut fail = |seconds| {
            decide(&spec, &mut history, ChildKind::Dispatcher, Ending::Failed, at(seconds))
        };
        for seconds in 0..5 {
            assert_eq!(fail(seconds), Decision::RestartWith(vec![]));
        }
        assert_eq!(fail(5), Decision::GiveUp);
        assert_eq!(fail(30), Decision::RestartWith(vec![]), "the first one is forgotten by now");
        assert_eq!(fail(30), Decision::GiveUp);
    }

    #[test]
    fn a_kernels_panics_are_never_counted() {
        let mut history = History::default();
        for _ in 0..1_000 {
            let decision =
                decide(&worker_tree(), &mut history, ChildKind::Compute, Ending::Kernel, at(0));
            assert_eq!(decision, Decision::RestartSlot);
        }
        assert!(history.0.is_empty());
    }
}
