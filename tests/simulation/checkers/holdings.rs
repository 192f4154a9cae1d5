//! What each worker has in its hands, as it knows itself.

use std::collections::BTreeMap;
use std::time::Duration;

use ttg_runtime::broker::Renewed;
use ttg_runtime::{Delivery, Receipt, WorkerId};

use crate::call::{Answer, Call};
use crate::event::{Event, Moment};

/// One delivery in a worker's hands.
pub(super) struct Holding {
    pub(super) delivery: Delivery,
    /// When it came or a renewal was last asked for.
    pub(super) since: Duration,
}

/// One worker's.
#[derive(Default)]
pub(super) struct Hands {
    pub(super) slots: u32,
    pub(super) lease: Duration,
    pub(super) held: BTreeMap<Receipt, Holding>,
}

/// Every living worker's.
#[derive(Default)]
pub(super) struct Holdings(BTreeMap<WorkerId, Hands>);

impl Holdings {
    pub(super) fn of(&self, worker: &WorkerId) -> Option<&Hands> {
        self.0.get(worker)
    }

    pub(super) fn see(&mut self, moment: Moment, event: &Event) {
        match event {
            Event::Started { worker, slots, lease } => {
                let hands = Hands { slots: *slots, lease: *lease, ..Hands::default() };
                self.0.insert((*worker).clone(), hands);
            }
            Event::Ended { worker, .. } | Event::Crashed { worker } => {
                self.0.remove(worker);
            }
            Event::Called { worker, call } => {
                if let Some(hands) = self.0.get_mut(worker) {
                    hands.called(moment, call);
                }
            }
            Event::Told { worker, call, answer: Ok(answer) } => {
                if let Some(hands) = self.0.get_mut(worker) {
                    hands.told(moment, call, answer);
                }
            }
            Event::Thawed { worker } => {
                let held = self.0.get_mut(worker).into_iter().flat_map(|it| it.held.values_mut());
                held.for_each(|holding| holding.since = moment.at);
            }
            _ => {}
        }
    }
}

impl Hands {
    fn called(&mut self, moment: Moment, call: &Call) {
        match call {
            Call::Renew(receipts) => {
                for receipt in receipts.iter() {
                    if let Some(holding) = self.held.get_mut(receipt) {
                        holding.since = moment.at;
                    }
                }
            }
            // Of a dispatcher that begins: it knows nothing of what another left.
            Call::Strays(_) => self.held.clear(),
            _ => {}
        }
    }

    fn told(&mut self, moment: Moment, call: &Call, answer: &Answer) {
        match (call, answer) {
            (_, Answer::Deliveries(deliveries)) => {
                for delivery in deliveries {
                    let holding = Holding { delivery: delivery.clone(), since: moment.at };
                    self.held.insert(delivery.receipt, holding);
                }
            }
            (Call::Renew(receipts), Answer::Renewed(answers)) => {
                let answers = receipts.iter().zip(answers);
                for (receipt, _) in answers.filter(|(_, answer)| **answer == Renewed::Lost) {
                    self.held.remove(receipt);
                }
            }
            (Call::Commit(outcomes), _) => {
                outcomes.iter().for_each(|(receipt, _)| drop(self.held.remove(receipt)));
            }
            (Call::Nack(nacks), _) => {
                nacks.iter().for_each(|nack| drop(self.held.remove(&nack.receipt)));
            }
            (Call::GiveBack(returns), _) => {
                returns.iter().for_each(|back| drop(self.held.remove(&back.receipt)));
            }
            _ => {}
        }
    }
}
