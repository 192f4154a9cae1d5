//! Where one worker or submitter runs: a machine with a clock and a network, which may stand still,
//! be cut off, or die.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use ttg_runtime::WorkerId;

use crate::chance::{Chance, Whom};
use crate::clock::MachineClock;
use crate::event::Event;
use crate::world::World;

/// A bug of the adapter's may show so often in one node: fewer times than a supervisor restarts.
const PANICS_MAX: u32 = 4;

/// One incarnation.
pub(crate) struct Node {
    pub(crate) world: Arc<World>,
    pub(crate) id: WorkerId,
    pub(crate) number: u64,
    pub(crate) clock: Arc<MachineClock>,
    /// What its network does.
    pub(crate) chance: Chance,
    /// So many times as long as the fastest it computes.
    pub(crate) slowness: f64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each befalls a worker by itself")]
struct State {
    dead: bool,
    /// The broker does not learn of its death by itself.
    silent: bool,
    frozen: bool,
    cut_off: bool,
    panics: u32,
}

impl Node {
    pub(crate) fn new(world: &Arc<World>, id: WorkerId, number: u64, slowness: f64) -> Arc<Self> {
        let chance = Chance::of(world.plan.seed, Whom::Network, number);
        let booted_ago = Duration::from_secs(chance.between(1, 1_000_000));
        Arc::new(Self {
            world: Arc::clone(world),
            id,
            number,
            clock: Arc::new(MachineClock::new(booted_ago)),
            chance,
            slowness,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_waiters();
    }

    /// Nothing that it does from now on reaches anyone.
    pub(crate) fn crash(&self, silent: bool) {
        if self.is_dead() {
            return;
        }
        self.change(|state| (state.dead, state.silent) = (true, silent));
        self.world.see(&Event::Crashed { worker: &self.id });
    }

    pub(crate) fn freeze(&self) {
        self.change(|state| state.frozen = true);
        self.world.see(&Event::Froze { worker: &self.id });
    }

    pub(crate) fn thaw(&self) {
        if self.is_frozen() && !self.is_dead() {
            self.world.see(&Event::Thawed { worker: &self.id });
        }
        self.change(|state| state.frozen = false);
    }

    pub(crate) fn cut_off(&self) {
        self.change(|state| state.cut_off = true);
        self.world.see(&Event::CutOff { worker: &self.id });
    }

    pub(crate) fn connect(&self) {
        if self.is_cut_off() && !self.is_dead() {
            self.world.see(&Event::Connected { worker: &self.id });
        }
        self.change(|state| state.cut_off = false);
    }

    pub(crate) fn trouble(&self, how: &'static str) {
        self.world.see(&Event::Troubled { worker: &self.id, how });
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    pub(crate) fn died_silently(&self) -> bool {
        self.state().silent
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.state().frozen
    }

    pub(crate) fn is_cut_off(&self) -> bool {
        self.state().cut_off
    }

    /// Whether the adapter may panic once more.
    pub(crate) fn takes_a_panic(&self) -> bool {
        let mut state = self.state();
        state.panics += 1;
        state.panics <= PANICS_MAX
    }

    /// Returns when it is neither frozen nor dead: at once, later or never.
    pub(crate) async fn going(&self) {
        self.until(|state| !state.dead && !state.frozen).await;
    }

    /// Returns when it is not frozen; false if it is dead.
    pub(crate) async fn going_or_dead(&self) -> bool {
        self.until(|state| state.dead || !state.frozen).await;
        !self.is_dead()
    }

    /// Returns when it is dead.
    pub(crate) async fn dead(&self) {
        self.until(|state| state.dead).await;
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if holds(&self.state()) {
                return;
            }
            changed.await;
        }
    }
}
