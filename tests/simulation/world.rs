//! One broker, its disk, the virtual time, and who looks on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use ttg_observability::metrics::Metrics;
use ttg_runtime::broker::{MemorySnapshot, MemoryStore};
use ttg_runtime::{Clock, Delivery, WorkerId};

use crate::call::{Answer, Call};
use crate::chance::{Chance, Whom};
use crate::clock::MachineClock;
use crate::event::{Event, Moment};
use crate::plan::Plan;
use crate::sabotage::Sabotage;
use crate::weather::CallWeather;
use crate::witness::Witness;

/// Of so many deliveries a copy may turn up later.
const COPIES_MAX: usize = 32;

/// What all parts of a simulation share.
pub(crate) struct World {
    pub(crate) plan: Arc<Plan>,
    pub(crate) store: MemoryStore,
    pub(crate) broker_clock: Arc<MachineClock>,
    pub(crate) metrics: Metrics,
    pub(crate) sabotage: Option<Sabotage>,
    started: Instant,
    chance: Chance,
    witness: Mutex<Witness>,
    broken: Notify,
    state: Mutex<State>,
    /// The broker goes down.
    down: Notify,
}

struct State {
    calm: bool,
    is_down: bool,
    disk: MemorySnapshot,
    delivered: VecDeque<Delivery>,
}

impl World {
    pub(crate) fn new(plan: Plan, witness: Witness, sabotage: Option<Sabotage>) -> Arc<Self> {
        let broker_clock = Arc::new(MachineClock::new(Duration::from_hours(1)));
        let store = MemoryStore::new(broker_clock.clone());
        let disk = store.snapshot();
        Arc::new(Self {
            store,
            broker_clock,
            metrics: Metrics::new("simulation", "simulation"),
            started: Instant::now(),
            chance: Chance::of(plan.seed, Whom::Broker, 0),
            witness: Mutex::new(witness),
            sabotage,
            broken: Notify::new(),
            state: Mutex::new(State {
                calm: false,
                is_down: false,
                disk,
                delivered: VecDeque::new(),
            }),
            down: Notify::new(),
            plan: Arc::new(plan),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn witness(&self) -> MutexGuard<'_, Witness> {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment { at: self.started.elapsed(), broker: self.broker_clock.now() }
    }

    /// Has it seen.
    pub(crate) fn see(&self, event: &Event) {
        if !self.witness().see(self.moment(), event) {
            self.broken.notify_one();
        }
    }

    /// A rule is broken that only the simulation itself can see.
    pub(crate) fn violate(&self, rule: &'static str, what: String) {
        self.witness().violate(rule, what);
        self.broken.notify_one();
    }

    /// Returns when a rule is broken.
    pub(crate) async fn broken(&self) {
        self.broken.notified().await;
    }

    pub(crate) fn weather(&self) -> CallWeather {
        match self.state().calm {
            true if self.plan.coarse => CallWeather::even(Duration::from_millis(1)),
            true => CallWeather::calm(),
            false => self.plan.weather.calls.clone(),
        }
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.state().calm
    }

    pub(crate) fn calm_down(&self) {
        self.state().calm = true;
        self.see(&Event::Calm);
    }

    /// The broker carried out a call of `worker`.
    pub(crate) fn carried_out(
        &self,
        worker: &WorkerId,
        call: &Call,
        answer: &Result<Answer, ttg_runtime::BrokerError>,
    ) {
        self.see(&Event::Done { worker, call, answer });
        if let Ok(Answer::Deliveries(deliveries)) = answer {
            let mut state = self.state();
            state.delivered.extend(deliveries.iter().cloned());
            let surplus = state.delivered.len().saturating_sub(COPIES_MAX);
            state.delivered.drain(..surplus);
        }
        let forgets = self.plan.weather.restarts_of_broker.is_some();
        let chosen = call.changes() && forgets && self.chance.happens(self.plan.weather.synced);
        if chosen || matches!(call, Call::Flush) {
            self.state().disk = self.store.snapshot();
            self.see(&Event::Synced);
        }
    }

    /// A delivery that was made before, to anyone.
    pub(crate) fn copy_of_a_delivery(&self) -> Option<Delivery> {
        let mut state = self.state();
        self.chance.pick(state.delivered.make_contiguous()).cloned()
    }

    pub(crate) fn is_down(&self) -> bool {
        self.state().is_down
    }

    /// Returns when the broker goes down.
    pub(crate) async fn goes_down(&self) {
        self.down.notified().await;
    }

    /// The broker dies, and is back after `outage` with what it had on its disk.
    pub(crate) async fn restart_broker(&self, outage: Duration) {
        self.state().is_down = true;
        self.see(&Event::BrokerDown);
        self.down.notify_waiters();
        tokio::time::sleep(outage).await;
        let disk = self.state().disk.clone();
        self.store.restore(&disk);
        self.state().is_down = false;
        self.see(&Event::Restored);
    }
}
