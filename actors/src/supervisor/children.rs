//! The children that run now.

use std::collections::BTreeMap;

use ractor::{ActorCell, ActorId};
use ttg_runtime::SlotId;

use super::spec::ChildKind;
use crate::address::Address;
use crate::compute::ComputeMsg;
use crate::dispatcher::DispatcherMsg;
use crate::lease_keeper::LeaseKeeperMsg;
use crate::result_sink::ResultSinkMsg;

/// Which child an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) kind: ChildKind,
    /// Of a compute actor.
    pub(super) slot: Option<SlotId>,
}

/// The running children, each at its address.
#[derive(Default)]
pub(super) struct Children {
    pub(super) result_sink: Option<Address<ResultSinkMsg>>,
    pub(super) lease_keeper: Option<Address<LeaseKeeperMsg>>,
    pub(super) compute: BTreeMap<SlotId, Address<ComputeMsg>>,
    pub(super) dispatcher: Option<Address<DispatcherMsg>>,
}

impl Children {
    /// The running actors of `kind`.
    pub(super) fn cells(&self, kind: ChildKind) -> Vec<ActorCell> {
        match kind {
            ChildKind::ResultSink => self.result_sink.iter().map(Address::cell).collect(),
            ChildKind::LeaseKeeper => self.lease_keeper.iter().map(Address::cell).collect(),
            ChildKind::Compute => self.compute.values().map(Address::cell).collect(),
            ChildKind::Dispatcher => self.dispatcher.iter().map(Address::cell).collect(),
        }
    }

    /// Forgets the children of `kind`.
    pub(super) fn forget(&mut self, kind: ChildKind) {
        match kind {
            ChildKind::ResultSink => self.result_sink = None,
            ChildKind::LeaseKeeper => self.lease_keeper = None,
            ChildKind::Compute => self.compute.clear(),
            ChildKind::Dispatcher => self.dispatcher = None,
        }
    }

    /// Takes out the child that has ended; `None` for one that was replaced already.
    pub(super) fn take(&mut self, ended: ActorId) -> Option<Child> {
        let singles = [ChildKind::ResultSink, ChildKind::LeaseKeeper, ChildKind::Dispatcher];
        let is_ended = |cell: &ActorCell| cell.get_id() == ended;
        if let Some(kind) = singles.into_iter().find(|kind| self.cells(*kind).iter().any(is_ended))
        {
            self.forget(kind);
            return Some(Child { kind, slot: None });
        }
        let slot =
            self.compute.iter().find(|(_, at)| is_ended(&at.cell())).map(|(slot, _)| *slot)?;
        self.compute.remove(&slot);
        Some(Child { kind: ChildKind::Compute, slot: Some(slot) })
    }
}
