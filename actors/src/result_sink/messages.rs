//! What the result sink can be told.

use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::broker::GiveBack;
use ttg_runtime::{Delivery, DeliveryId, Failure, JobSpec, Outcome, Receipt, Values};

use crate::address::Address;
use crate::attempt::Attempt;
use crate::dispatcher::DispatcherMsg;

/// The result sink's public face.
pub(crate) enum ResultSinkMsg {
    /// From the dispatcher: settle these and tell `reply_to` when they are.
    Settle { settlements: Vec<Settlement>, urgency: Urgency, reply_to: Address<DispatcherMsg> },
    /// From itself: settle what has gathered.
    Flush,
}

/// How long settlements may wait for company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Work is at hand meanwhile.
    MayLinger,
    /// Slots run dry until they are settled, or others wait for what is returned.
    Pressing,
    /// No slot computes: no company is to come.
    Last,
}

/// How a delivery is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// Store its outcome, after the values that are to be kept.
    Commit {
        id: DeliveryId,
        receipt: Receipt,
        outcome: Box<Outcome>,
        values: Values,
        told_by: Option<Box<Attempt>>,
    },
    /// It failed: again later.
    Nack {
        id: DeliveryId,
        receipt: Receipt,
        failure: Failure,
        /// Failures with this one.
        failures: u32,
        spec: Arc<JobSpec>,
        told_by: Option<Box<Attempt>>,
    },
    /// It is innocent: again by anyone.
    GiveBack { id: DeliveryId, back: GiveBack, told_by: Option<Box<Attempt>> },
}

impl Settlement {
    pub(crate) fn commit(
        id: DeliveryId,
        receipt: Receipt,
        outcome: Outcome,
        values: Values,
    ) -> Self {
        Self::Commit { id, receipt, outcome: Box::new(outcome), values, told_by: None }
    }

    pub(crate) fn nack(id: DeliveryId, delivery: &Delivery, failure: Failure) -> Self {
        let chunk = &delivery.chunk;
        Self::Nack {
            id,
            receipt: delivery.receipt,
            failure,
            failures: chunk.counters.failures.saturating_add(1),
            spec: Arc::clone(&chunk.spec),
            told_by: None,
        }
    }

    /// Once it is settled, this is told.
    pub(crate) fn is_told_by(&mut self, attempt: Option<Box<Attempt>>) {
        match self {
            Self::Commit { told_by, .. }
            | Self::Nack { told_by, .. }
            | Self::GiveBack { told_by, .. } => *told_by = attempt,
        }
    }

    pub(crate) fn id(&self) -> DeliveryId {
        match self {
            Self::Commit { id, .. } | Self::Nack { id, .. } | Self::GiveBack { id, .. } => *id,
        }
    }

    pub(crate) fn give_back(id: DeliveryId, receipt: Receipt, retry_in: Duration) -> Self {
        Self::GiveBack { id, back: GiveBack { receipt, retry_in }, told_by: None }
    }
}
