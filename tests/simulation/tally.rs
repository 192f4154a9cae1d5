//! Counts what the simulations met, so that one that meets nothing is noticed.

use std::collections::BTreeMap;

use ttg_runtime::FailureKind;
use ttg_runtime::broker::{Committed, Renewed, Settled};

use crate::call::{Answer, Call};
use crate::event::Event;

/// Counts by name.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.0
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    fn add(&mut self, name: &'static str, count: usize) {
        if count > 0 {
            *self.0.entry(name).or_default() += count as u64;
        }
    }

    pub(crate) fn see(&mut self, event: &Event) {
        match event {
            Event::Started { .. } => self.add("workers started", 1),
            Event::Ended { error: None, .. } => self.add("workers drained", 1),
            Event::Crashed { .. } => self.add("workers crashed", 1),
            Event::Froze { .. } => self.add("workers frozen", 1),
            Event::CutOff { .. } => self.add("workers cut off", 1),
            Event::Troubled { how, .. } | Event::Left { how, .. } => self.add(how, 1),
            Event::Restored => self.add("broker restarts that forget", 1),
            Event::BrokerJumped { .. } => self.add("broker clock jumps", 1),
            Event::Began { assignment, .. } if assignment.isolated => {
                self.add("evaluations in isolation", 1);
            }
            Event::Began { .. } => self.add("evaluations", 1),
            Event::Done { call, answer: Ok(answer), .. } => self.see_done(call, answer),
            _ => {}
        }
    }

    fn see_done(&mut self, call: &Call, answer: &Answer) {
        match (call, answer) {
            (_, Answer::Deliveries(deliveries)) => {
                self.add("deliveries", deliveries.len());
                let suspects = deliveries.iter().filter(|delivery| delivery.suspect).count();
                self.add("deliveries of suspects", suspects);
            }
            (_, Answer::Renewed(renewed)) => {
                let lost = renewed.iter().filter(|answer| **answer == Renewed::Lost).count();
                self.add("renewals refused", lost);
                self.add("renewals", renewed.len() - lost);
            }
            (Call::Commit(outcomes), Answer::Committed(committed)) => {
                for ((_, outcome), answer) in outcomes.iter().zip(committed) {
                    match answer {
                        Committed::First => self.add("outcomes", 1),
                        Committed::Duplicate => self.add("outcomes dropped as duplicates", 1),
                        Committed::Dropped => self.add("outcomes of forgotten jobs", 1),
                    }
                    let silent =
                        outcome.dead.runs().any(|(_, why)| why.kind == FailureKind::Silent);
                    self.add("chunks given up", usize::from(silent));
                    self.add(
                        "outcomes with dead parameters",
                        usize::from(!outcome.dead.is_empty()),
                    );
                }
            }
            (call, Answer::Settled(settled)) => {
                let applied = settled.iter().filter(|answer| **answer == Settled::Applied).count();
                let (good, stale) = match call {
                    Call::Nack(_) => ("nacks", "nacks refused as stale"),
                    _ => ("give-backs", "give-backs refused as stale"),
                };
                self.add(good, applied);
                self.add(stale, settled.len() - applied);
            }
            (_, Answer::Strays(count)) => {
                self.add("strays given back", usize::try_from(*count).unwrap_or(usize::MAX));
            }
            _ => {}
        }
    }
}
