//! Labels are closed sets: a label that could take any value would let a job's name or a chunk's
//! number grow the registry without bound.

/// A label of a metric whose values are known when the program is built.
pub trait Label: Copy + 'static {
    /// The label's name in the exposition.
    const NAME: &'static str;
    /// Every value, in the order of [`Label::index`].
    const ALL: &'static [Self];

    /// The label's value in the exposition.
    fn as_str(self) -> &'static str;
    /// The place of this value in [`Label::ALL`].
    fn index(self) -> usize;
}

/// Defines the enum, its values' names and its [`Label`] once, so that none can be forgotten.
macro_rules! closed_set {
    (
        $(#[$set_doc:meta])*
        $set:ident as $label:literal {
            $( $(#[$value_doc:meta])* $value:ident = $name:literal, )+
        }
    ) => {
        $(#[$set_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $set {
            $( $(#[$value_doc])* $value, )+
        }

        impl Label for $set {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$( Self::$value ),+];

            fn as_str(self) -> &'static str {
                match self {
                    $( Self::$value => $name, )+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

closed_set! {
    /// How a delivery ended on this worker.
    ChunkOutcome as "outcome" {
        /// Its outcome was the first to be stored and holds at least one completed parameter.
        Completed = "completed",
        /// Its outcome was the first to be stored and holds dead parameters only.
        Dead = "dead",
        /// Failed, again later.
        Failed = "failed",
        /// Returned uncharged.
        GivenBack = "given_back",
        /// Settled without effect: a duplicate, or of a job that is unknown, cancelled or foreign.
        Dropped = "dropped",
    }
}

closed_set! {
    /// The actors of a worker.
    ActorKind as "actor" {
        /// Starts, watches and restarts the others.
        WorkerSupervisor = "worker_supervisor",
        /// Asks the broker for chunks and hands them to slots.
        Dispatcher = "dispatcher",
        /// Evaluates a chunk; one per slot.
        Compute = "compute",
        /// Commits outcomes in batches.
        ResultSink = "result_sink",
        /// Renews the leases of what is in flight.
        LeaseKeeper = "lease_keeper",
    }
}

closed_set! {
    /// Why an actor was started again.
    RestartReason as "reason" {
        /// The user's kernel panicked.
        KernelPanic = "kernel_panic",
        /// The user's kernel did not come back in time.
        KernelHang = "kernel_hang",
        /// The actor ended with an error.
        Error = "error",
        /// The actor itself panicked: a bug of TTG.
        Panic = "panic",
    }
}

closed_set! {
    /// Where the broker has a chunk.
    QueueState as "state" {
        /// Waits for a worker.
        Ready = "ready",
        /// Leased by a worker.
        InFlight = "in_flight",
        /// Failed, not yet due again.
        Delayed = "delayed",
        /// Settled with completed parameters.
        Done = "done",
        /// Settled with dead parameters only.
        Dead = "dead",
    }
}

closed_set! {
    /// What was asked of the broker.
    BrokerOperation as "operation" {
        /// Chunks handed to the broker.
        Publish = "publish",
        /// Deliveries asked for, by credit.
        Receive = "receive",
        /// Leases extended.
        Renew = "renew",
        /// Values of parameters stored, ahead of their outcomes.
        StoreValues = "store_values",
        /// Outcomes stored and deliveries settled.
        Commit = "commit",
        /// Failed chunks put off.
        Nack = "nack",
        /// Chunks returned uncharged.
        GiveBack = "give_back",
        /// Counters of a job read.
        Progress = "progress",
        /// Outcomes of a job read.
        Outcomes = "outcomes",
        /// A worker's sign of life sent.
        Beat = "beat",
    }
}

closed_set! {
    /// What became of a job's parameters; the three add up to the job's total.
    ParameterState as "state" {
        /// In no outcome yet.
        Pending = "pending",
        /// Evaluated and in an outcome.
        Completed = "completed",
        /// Out of attempts, with its reason in an outcome.
        Dead = "dead",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn check<L: Label + std::fmt::Debug>() {
        let names: HashSet<_> = L::ALL.iter().map(|value| value.as_str()).collect();
        assert_eq!(names.len(), L::ALL.len(), "{} repeats a value", L::NAME);
        for (place, value) in L::ALL.iter().enumerate() {
            assert_eq!(value.index(), place, "{value:?}");
        }
    }

    #[test]
    fn every_value_stands_at_its_index_and_has_a_name_of_its_own() {
        check::<ChunkOutcome>();
        check::<ActorKind>();
        check::<RestartReason>();
        check::<QueueState>();
        check::<BrokerOperation>();
        check::<ParameterState>();
    }
}
