//! The submitters, one a job at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ttg_runtime::JobUid;

use crate::chance::Chance;
use crate::node::Node;
use crate::submitter::Submitter;
use crate::world::World;

/// Who submits now.
pub(crate) struct Submissions {
    world: Arc<World>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    commands: u64,
    running: Vec<Arc<Node>>,
}

impl Submissions {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self { world: Arc::clone(world), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn kill_one(&self, chance: &Chance) {
        let running = self.state().running.clone();
        if let Some(node) = chance.pick(&running) {
            node.crash(chance.happens(0.5));
        }
    }

    /// Returns when all jobs are complete, with their uids.
    pub(crate) async fn run(self: Arc<Self>) -> Vec<JobUid> {
        let jobs = 0..self.world.plan.jobs.len();
        let submit = |number| tokio::spawn(Arc::clone(&self).submit(number));
        let running: Vec<_> = jobs.map(submit).collect();
        let mut uids = Vec::new();
        for job in running {
            // It ends otherwise than by its answer only if it panicked.
            uids.push(job.await.unwrap_or_else(|error| {
                std::panic::resume_unwind(error.into_panic());
            }));
        }
        uids
    }

    async fn submit(self: Arc<Self>, number: usize) -> JobUid {
        let job = self.world.plan.job(number);
        tokio::time::sleep(job.submitted_at).await;
        loop {
            let submitter = {
                let mut state = self.state();
                state.commands += 1;
                let submitter = Submitter::new(&self.world, state.commands);
                state.running.push(Arc::clone(submitter.node()));
                submitter
            };
            let node = submitter.node();
            let ended = tokio::select! {
                biased;
                () = node.dead() => None,
                uid = submitter.run(job) => Some(uid),
            };
            self.state().running.retain(|other| !Arc::ptr_eq(other, node));
            if let Some(uid) = ended {
                return uid;
            }
            // A person notices, and starts it again.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
