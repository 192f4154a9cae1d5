//! Submits a job and waits for its end, as a person does who starts the command again when it was
//! lost.

use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::broker::{JobState, Registered};
use ttg_runtime::{
    Broker, BrokerError, Clock, JobRecord, JobUid, Randomness, SeededRandomness, WorkerId,
};

use crate::chance::{Chance, Whom};
use crate::node::Node;
use crate::plan::JobPlan;
use crate::wire::Wire;
use crate::world::World;

/// The pause after a call that failed.
const RETRY: Duration = Duration::from_millis(200);

/// Chunks of one publish: few, so that faults fall between two; in a large job as many as there are
/// in earnest.
const BATCH: usize = 40;
const BATCH_OF_SCALE: usize = 1_000;

/// One command.
pub(crate) struct Submitter {
    node: Arc<Node>,
    broker: Wire,
    randomness: SeededRandomness,
}

/// What it is about is no longer there.
struct Gone;

impl Submitter {
    /// The `number`th command of all.
    pub(crate) fn new(world: &Arc<World>, number: u64) -> Self {
        // Apart from those of the workers.
        let stream = (1 << 32) + number;
        let randomness = Chance::randomness(world.plan.seed, Whom::Submitter, number);
        let id = WorkerId::fresh(&format!("s{number}"), &randomness);
        let node = Node::new(world, id.clone(), stream, 1.0);
        let broker = world.store.connect(id, world.plan.lease);
        let broker = Wire { node: Arc::clone(&node), broker };
        Self { node, broker, randomness }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Returns when the job is complete, for good. It never does if its node is dead.
    pub(crate) async fn run(&self, job: &JobPlan) -> JobUid {
        loop {
            let uid = self.register(job).await;
            if self.finish(job, uid).await.is_ok() {
                return uid;
            }
        }
    }

    async fn register(&self, job: &JobPlan) -> JobUid {
        let record = JobRecord {
            name: job.name.clone(),
            uid: JobUid::fresh(&self.randomness),
            spec: job.spec.clone(),
            submitted_at: self.node.clock.wall(),
            build: "test".into(),
            shard: None,
        };
        match self.insist(|| self.broker.register(&record)).await {
            Ok(Registered::New) | Err(_) => record.uid,
            Ok(Registered::Existing(existing)) => existing.uid,
        }
    }

    async fn finish(&self, job: &JobPlan, uid: JobUid) -> Result<(), Gone> {
        loop {
            let progress = self.insist(|| self.broker.progress(uid)).await;
            let progress = progress.map_err(|_| Gone)?.ok_or(Gone)?;
            let chunks = job.chunks(uid, progress.published);
            let size = if self.node.world.plan.coarse { BATCH_OF_SCALE } else { BATCH };
            for batch in chunks.chunks(size) {
                self.insist(|| self.broker.publish(batch)).await.map_err(|_| Gone)?;
            }
            if !chunks.is_empty() {
                self.insist(|| self.broker.flush()).await.map_err(|_| Gone)?;
            }
            if progress.state == JobState::Complete {
                // Complete is what is still so when it is on the disk.
                self.insist(|| self.broker.flush()).await.map_err(|_| Gone)?;
                let progress = self.insist(|| self.broker.progress(uid)).await;
                if progress.is_ok_and(|it| it.is_some_and(|it| it.state == JobState::Complete)) {
                    return Ok(());
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn insist<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, BrokerError>
    where
        F: Future<Output = Result<T, BrokerError>>,
    {
        loop {
            match call().await {
                Err(error) if error.is_transient() => {
                    let pause = RETRY.mul_f64(1.0 + self.randomness.fraction());
                    tokio::time::sleep(pause).await;
                }
                answer => return answer,
            }
        }
    }
}
