//! A worker on a table: one job, one store, and a kernel that does what its parameters say.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use ttg_actors::{Ports, Worker, WorkerConfig, WorkerError};
use ttg_observability::metrics::Metrics;
use ttg_runtime::broker::{JobProgress, JobState, MemoryStore, OutcomeCursor};
use ttg_runtime::kernel::{Kernel, KernelError, Rows, Slice, ThreadExecution};
use ttg_runtime::{
    Accumulator, Broker, Chunk, ChunkIndex, JobPolicy, JobRecord, JobSpec, JobUid, Kernels,
    Outcome, ParameterRange, SystemClock, SystemRandomness, TraceContext, ValuesAt, WallTime,
    WorkerId,
};

use crate::faulty::{FaultyBroker, Order};

pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// Multiples of 500 panic, those of 500 and 7 fail, all others are themselves.
pub(crate) struct Moody;

impl Kernel for Moody {
    type Options = ();
    type State = ();

    fn name(&self) -> &'static str {
        "moody"
    }

    fn init(&self, (): ()) -> Result<(), KernelError> {
        Ok(())
    }

    fn evaluate(&self, (): &mut (), slice: Slice, rows: &mut Rows) {
        for parameter in slice.parameters {
            match parameter % 500 {
                0 => panic!("{parameter} is poison"),
                7 => rows.fail("seven"),
                _ => rows.push(parameter as f64),
            }
        }
    }
}

/// A store with one published job.
pub(crate) struct Workbench {
    pub(crate) store: MemoryStore,
    pub(crate) job: JobRecord,
    pub(crate) metrics: Metrics,
}

impl Workbench {
    pub(crate) async fn with_job(kernel: &str, parameters: u64, chunk_size: u64) -> Self {
        let spec = JobSpec {
            parameters: ParameterRange::new(1, parameters + 1).unwrap(),
            kernel: kernel.parse().unwrap(),
            options: BTreeMap::new(),
            chunk_size: NonZeroU64::new(chunk_size).unwrap(),
            policy: JobPolicy { retry_delay: Duration::from_millis(1), ..JobPolicy::default() },
            values: true,
        };
        let job = JobRecord {
            name: "job".parse().unwrap(),
            uid: JobUid::fresh(&SystemRandomness),
            spec,
            submitted_at: WallTime(0),
            build: String::new(),
            shard: None,
        };
        let store = MemoryStore::new(Arc::new(SystemClock));
        let broker = store.connect("submitter".parse().unwrap(), LEASE);
        broker.register(&job).await.unwrap();
        let shared = Arc::new(job.spec.clone());
        let chunks: Vec<_> = (0..shared.chunks_total())
            .filter_map(|i| Chunk::cut(job.uid, &shared, ChunkIndex(i), &TraceContext::default()))
            .collect();
        broker.publish(&chunks).await.unwrap();
        Self { store, job, metrics: Metrics::new("test", "test") }
    }

    /// Starts a worker whose broker fails as ordered.
    pub(crate) async fn worker(&self, receive: Order, commit: Order, nack: Order) -> Worker {
        let worker = WorkerId::fresh("worker", &SystemRandomness);
        let inner = Arc::new(self.store.connect(worker.clone(), LEASE));
        let concurrency = NonZeroU32::new(2).unwrap();
        let config = WorkerConfig { worker, build: "test".into(), concurrency, lease: LEASE };
        let clock = Arc::new(SystemClock);
        let ports = Ports {
            broker: Arc::new(FaultyBroker { inner, receive, commit, nack }),
            clock: clock.clone(),
            randomness: Arc::new(SystemRandomness),
            execution: Arc::new(ThreadExecution::new(clock, concurrency)),
            kernels: Kernels::builtin().with(Moody).unwrap(),
            metrics: self.metrics.clone(),
            traces: None,
        };
        Worker::start(config, ports).await.unwrap()
    }

    pub(crate) async fn progress(&self) -> JobProgress {
        let broker = self.store.connect("watcher".parse().unwrap(), LEASE);
        broker.progress(self.job.uid).await.unwrap().unwrap()
    }

    /// Waits until the job is complete, then stops the worker.
    pub(crate) async fn finish(&self, mut worker: Worker) -> Result<JobProgress, WorkerError> {
        let stats = Arc::clone(worker.stats());
        loop {
            let progress = self.progress().await;
            if progress.state == JobState::Complete {
                worker.stop();
                worker.ended().await?;
                return Ok(progress);
            }
            tokio::select! {
                ended = worker.ended() => {
                    ended?;
                    panic!("the worker ended before the job");
                }
                () = stats.committed() => {}
            }
        }
    }

    pub(crate) async fn outcomes(&self) -> Vec<Outcome> {
        let broker = self.store.connect("reader".parse().unwrap(), LEASE);
        let mut outcomes = Vec::new();
        let mut next = Some(OutcomeCursor::START);
        while let Some(cursor) = next {
            let page = broker.outcomes(self.job.uid, cursor, 100).await.unwrap();
            outcomes.extend(page.outcomes);
            next = page.next;
        }
        outcomes.sort_by_key(|outcome| outcome.key);
        outcomes
    }

    /// Every parameter of the job is in exactly one outcome; the sum is that of the completed ones, and
    /// those have a value.
    pub(crate) async fn check(&self, dead: &[u64]) {
        let outcomes = self.outcomes().await;
        let mut next = self.job.spec.parameters.start();
        let mut buried = Vec::new();
        let mut sum = ttg_runtime::Aggregate::default();
        for outcome in &outcomes {
            assert_eq!(outcome.range.start(), next);
            next = outcome.range.end();
            buried.extend(outcome.dead.runs().flat_map(|(range, _)| range));
            outcome.columns.iter().for_each(|column| sum.merge(&column.aggregate));
            self.check_values(outcome).await;
        }
        assert_eq!(next, self.job.spec.parameters.end());
        assert_eq!(buried, dead);
        assert_eq!(sum.count(), self.job.spec.parameters.len() - dead.len() as u64);
    }

    /// The values that the outcome names are there, and are those that it sums up.
    async fn check_values(&self, outcome: &Outcome) {
        let broker = self.store.connect("reader".parse().unwrap(), LEASE);
        let kept = outcome.values.expect("its job keeps values");
        let (mut next, mut sum) = (outcome.range.start(), Accumulator::new());
        for part in 0..kept.records {
            let place = ValuesAt { key: outcome.key, id: kept.id, part };
            let record = broker.values(&[place]).await.unwrap().remove(0).expect("it is there");
            assert_eq!(record.range.start(), next);
            next = record.range.end();
            sum.add_slice(record.range.start(), &record.columns()[0]);
        }
        assert_eq!(next, outcome.range.end());
        assert_eq!(sum.take(), outcome.columns[0].aggregate, "the kernels here have one column");
    }
}
