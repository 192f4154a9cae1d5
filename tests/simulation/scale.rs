//! What a large fleet takes for a large job, in virtual time: everything is real but the time of the
//! kernel and of the network, so that no machine's speed is in the figures.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::call::{Answer, Call};
use crate::checkers::{Checker, Verdict};
use crate::event::{Event, Moment};
use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::story::paused_runtime;
use crate::submission::Submissions;
use crate::witness::Witness;
use crate::world::World;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) workers: u32,
    pub(crate) parameters: u64,
    pub(crate) chunk_size: u64,
    /// Of one parameter.
    pub(crate) cost: Duration,
    /// Workers are as fast as that, or up to half as fast.
    pub(crate) uneven: bool,
}

/// What came out.
pub(crate) struct Figures {
    pub(crate) ideal: Duration,
    /// From the first publish to the last outcome.
    pub(crate) makespan: Duration,
    /// Until the last worker had begun its first chunk.
    pub(crate) spread: Duration,
    /// From when the first worker had nothing more to do.
    pub(crate) tail: Duration,
    /// Calls that were carried out, by name.
    pub(crate) calls: BTreeMap<&'static str, u64>,
    /// The most calls within one second.
    pub(crate) calls_per_second_max: u64,
    pub(crate) digest: u64,
}

/// Sees when what happens.
#[derive(Default)]
struct Meter {
    published: Option<Duration>,
    begun: BTreeMap<String, Duration>,
    ended: BTreeMap<String, Duration>,
    last_outcome: Duration,
    calls: BTreeMap<&'static str, u64>,
    by_second: BTreeMap<u64, u64>,
}

struct Metering(Arc<Mutex<Meter>>);

impl Checker for Metering {
    fn see(&mut self, moment: Moment, event: &Event) -> Verdict {
        let mut meter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Called { call: Call::Publish(_), .. } => {
                meter.published.get_or_insert(moment.at);
            }
            Event::Began { worker, .. } => {
                meter.begun.entry(worker.to_string()).or_insert(moment.at);
            }
            Event::Left { worker, .. } => {
                meter.ended.insert(worker.to_string(), moment.at);
            }
            Event::Done { call, answer, .. } => {
                if let Ok(Answer::Committed(_)) = answer {
                    meter.last_outcome = moment.at;
                }
                *meter.calls.entry(call.name()).or_default() += 1;
                *meter.by_second.entry(moment.at.as_secs()).or_default() += 1;
            }
            _ => {}
        }
        Ok(())
    }
}

pub(crate) fn measure(question: Question) -> Figures {
    let plan = Plan::of_scale(&question);
    let meter = Arc::new(Mutex::new(Meter::default()));
    let witness = Witness::with(vec![Box::new(Metering(Arc::clone(&meter)))], false);
    let (digest, speed) = paused_runtime().block_on(async {
        let world = World::new(plan, witness, None);
        world.calm_down();
        let fleet = Fleet::new(&world);
        (0..question.workers).for_each(|_| fleet.start(true));
        let speed = fleet.speed();
        Submissions::new(&world).run().await;
        fleet.close().await;
        (world.witness().digest(), speed)
    });
    let meter = std::mem::take(&mut *meter.lock().unwrap_or_else(PoisonError::into_inner));
    let published = meter.published.unwrap_or_default();
    let last = |of: &BTreeMap<String, Duration>| of.values().max().copied().unwrap_or_default();
    let first_idle = meter.ended.values().min().copied().unwrap_or_default();
    Figures {
        ideal: question.cost.mul_f64(question.parameters as f64 / speed),
        makespan: meter.last_outcome.saturating_sub(published),
        spread: last(&meter.begun).saturating_sub(published),
        tail: meter.last_outcome.saturating_sub(first_idle),
        calls: meter.calls,
        calls_per_second_max: meter.by_second.values().max().copied().unwrap_or_default(),
        digest,
    }
}
