//! The workers: whole actor trees, started, stopped, and dead without a word.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use ttg_actors::{Ports, Worker, WorkerConfig};
use ttg_runtime::WorkerId;

use crate::chance::{Chance, Whom};
use crate::event::Event;
use crate::execution::PlannedExecution;
use crate::kernel::{Meter, kernels};
use crate::node::Node;
use crate::wire::Wire;
use crate::world::World;

/// All workers.
pub(crate) struct Fleet {
    world: Arc<World>,
    chance: Chance,
    started: AtomicU64,
    lives: Mutex<BTreeMap<u64, Life>>,
    /// None is started any more.
    closed: AtomicBool,
    /// A worker has ended.
    ended: Notify,
}

/// A worker that lives.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) node: Arc<Node>,
    stop: Arc<Notify>,
    stopping: bool,
    /// It has every kernel.
    capable: bool,
}

impl Fleet {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            chance: Chance::of(world.plan.seed, Whom::Fleet, 0),
            started: AtomicU64::new(0),
            lives: Mutex::default(),
            closed: AtomicBool::new(false),
            ended: Notify::new(),
        })
    }

    fn lives(&self) -> MutexGuard<'_, BTreeMap<u64, Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all that live compute in a second of the fastest one's time.
    pub(crate) fn speed(&self) -> f64 {
        self.living().iter().map(|life| 1.0 / life.node.slowness).sum()
    }

    pub(crate) fn living(&self) -> Vec<Life> {
        self.lives().values().cloned().collect()
    }

    /// Those that live and were not asked to stop.
    pub(crate) fn working(&self) -> Vec<Life> {
        self.lives().values().filter(|life| !life.stopping).cloned().collect()
    }

    pub(crate) fn has_capable(&self) -> bool {
        let works = |life: &Life| life.capable && !life.stopping && !life.node.is_frozen();
        self.lives().values().any(works)
    }

    pub(crate) fn start(self: &Arc<Self>, capable: bool) {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let plan = &self.world.plan;
        let randomness = Chance::randomness(plan.seed, Whom::Worker, number);
        let id = WorkerId::fresh(&format!("w{number}"), &randomness);
        let slowness = 1.0 + self.chance.fraction(if plan.uneven { 1.0 } else { 0.0 });
        let node = Node::new(&self.world, id.clone(), number, slowness);
        let capable = capable || !self.chance.happens(plan.lacking);
        let slots = u32::try_from(self.chance.between(1, plan.slots_max.into())).unwrap_or(1);
        let concurrency = NonZeroU32::new(slots).unwrap_or(NonZeroU32::MIN);
        let config = WorkerConfig {
            worker: id.clone(),
            build: "test".into(),
            concurrency,
            lease: plan.lease,
        };
        let meter = Arc::new(Meter::default());
        let broker = self.world.store.connect(id, plan.lease);
        let ports = Ports {
            broker: Arc::new(Wire { node: Arc::clone(&node), broker }),
            clock: node.clock.clone(),
            randomness: Arc::new(randomness),
            execution: Arc::new(PlannedExecution {
                node: Arc::clone(&node),
                meter: Arc::clone(&meter),
            }),
            kernels: kernels(plan, &meter, capable),
            metrics: self.world.metrics.clone(),
            traces: None,
        };
        let lease = plan.lease;
        self.world.see(&Event::Started { worker: &node.id, slots, lease });
        let life = Life { node, stop: Arc::default(), stopping: false, capable };
        self.lives().insert(number, life.clone());
        tokio::spawn(Arc::clone(self).live(life, config, ports));
    }

    pub(crate) fn stop(&self, life: &Life) {
        if let Some(life) = self.lives().get_mut(&life.node.number) {
            life.stopping = true;
            life.stop.notify_one();
        }
    }

    /// Has all end; returns when none lives.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.working().iter().for_each(|life| self.stop(life));
        while !self.lives().is_empty() {
            self.ended.notified().await;
        }
    }

    async fn live(self: Arc<Self>, life: Life, config: WorkerConfig, ports: Ports) {
        let node = &life.node;
        let worker = tokio::select! {
            biased;
            () = node.dead() => None,
            worker = Worker::start(config, ports) => Some(worker),
        };
        match worker {
            None => {}
            Some(Ok(worker)) => self.work(&life, worker).await,
            Some(Err(error)) => {
                self.world.see(&Event::Ended { worker: &node.id, error: Some(&error) });
            }
        }
        self.lives().remove(&node.number);
        self.ended.notify_one();
        if node.is_dead() {
            self.replace().await;
        }
    }

    async fn work(&self, life: &Life, mut worker: Worker) {
        let id = &life.node.id;
        loop {
            tokio::select! {
                biased;
                () = life.node.dead() => return worker.kill(),
                () = life.stop.notified() => {
                    self.world.see(&Event::Stopping { worker: id });
                    worker.stop();
                }
                ended = worker.ended() => {
                    let error = ended.err();
                    self.world.see(&Event::Ended { worker: id, error: error.as_ref() });
                    return;
                }
            }
        }
    }

    /// A worker that died is started again, as another one, after a while; not always before the
    /// faults end.
    async fn replace(self: &Arc<Self>) {
        let surely = self.world.is_calm();
        if !surely && !self.chance.happens(0.9) {
            return;
        }
        let pause = self.chance.duration(Duration::from_millis(10), Duration::from_secs(3));
        tokio::time::sleep(pause).await;
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        let calm = self.world.is_calm();
        let most = self.world.plan.workers.1 as usize;
        if self.working().len() < most || calm && !self.has_capable() {
            self.start(calm && !self.has_capable());
        }
    }
}
