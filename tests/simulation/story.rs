//! One simulation from its first moment to its last.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use ttg_runtime::broker::{MemoryBroker, OutcomeCursor};
use ttg_runtime::{Broker, JobUid, WorkerId};

use crate::bugs;
use crate::checkers::{End, EndOfJob};
use crate::fleet::Fleet;
use crate::nemesis::Nemesis;
use crate::plan::Plan;
use crate::sabotage::Sabotage;
use crate::submission::Submissions;
use crate::witness::{Violation, Witness};
use crate::world::World;

/// What became of a simulation.
pub(crate) struct Report {
    pub(crate) seed: u64,
    /// The hash of all that happened.
    pub(crate) digest: u64,
    pub(crate) events: u64,
    /// How much time it covered.
    pub(crate) lasted: Duration,
    pub(crate) violation: Option<Violation>,
    /// The last lines of the trace, if a rule was broken.
    pub(crate) recent: Vec<String>,
    /// What it met, by name.
    pub(crate) counts: Vec<(&'static str, u64)>,
}

/// The longest that draining may take, with every trouble.
const DRAIN_MAX: Duration = Duration::from_mins(2);

/// A runtime of one thread whose time goes on when nothing else does.
pub(crate) fn paused_runtime() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true);
    runtime.build().expect("a runtime without sockets can be built")
}

/// Runs the simulation of a seed. `echo` prints all that happens.
pub(crate) fn run(seed: u64, echo: bool, sabotage: Option<Sabotage>) -> Report {
    bugs::watch();
    let plan = Plan::of(seed);
    let witness = Witness::new(&plan, echo);
    paused_runtime().block_on(async {
        let world = World::new(plan, witness, sabotage);
        tokio::select! {
            biased;
            () = world.broken() => {}
            () = tell(&world) => {}
        }
        let witness = world.witness();
        let violation = witness.violation().cloned();
        let recent = violation.iter().flat_map(|_| witness.recent().map(String::from)).collect();
        Report {
            seed,
            digest: witness.digest(),
            events: witness.events(),
            lasted: world.moment().at,
            violation,
            recent,
            counts: witness.counts().iter().map(|(name, count)| (*name, *count)).collect(),
        }
    })
}

async fn tell(world: &Arc<World>) {
    let fleet = Fleet::new(world);
    (0..world.plan.workers.0).for_each(|_| fleet.start(false));
    let submissions = Submissions::new(world);
    let nemesis = Nemesis::new(world, &fleet, &submissions);
    let jobs = tokio::spawn(submissions.run());
    let revenant = nemesis.rage().await;

    let bound = world.plan.time_without_faults();
    let Ok(uids) = tokio::time::timeout(bound, jobs).await else {
        return world
            .violate("ends", format!("not all jobs are complete {bound:?} after the calm"));
    };
    // It ends otherwise than by its answer only if it panicked.
    let uids = uids.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    if let Some(life) = revenant {
        life.node.thaw();
        tokio::time::sleep(world.plan.lease * 2).await;
    }
    if tokio::time::timeout(DRAIN_MAX, fleet.close()).await.is_err() {
        return world.violate("drained", "not all workers ended".into());
    }
    let end = read_end(world, &uids).await;
    world.witness().end(&end);
}

async fn read_end(world: &World, uids: &[JobUid]) -> End {
    let reader: WorkerId = "reader".parse().expect("the name is valid");
    let broker = world.store.connect(reader, Duration::ZERO);
    let mut jobs = Vec::new();
    for (number, uid) in uids.iter().enumerate() {
        let progress = broker.progress(*uid).await.ok().flatten().expect("the job is registered");
        let outcomes = read_outcomes(&broker, *uid).await;
        jobs.push(EndOfJob { number, uid: *uid, progress, outcomes });
    }
    End { plan: Arc::clone(&world.plan), jobs }
}

async fn read_outcomes(broker: &MemoryBroker, job: JobUid) -> Vec<ttg_runtime::Outcome> {
    let mut outcomes = Vec::new();
    let mut next = Some(OutcomeCursor::START);
    while let Some(cursor) = next {
        let page = broker.outcomes(job, cursor, 100).await.expect("what was written is read");
        outcomes.extend(page.outcomes);
        next = page.next;
    }
    outcomes.sort_by_key(|outcome| outcome.key);
    outcomes
}
