//! `ttg worker`: compute what others submit.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use ttg_actors::{Worker, WorkerCounts};
use ttg_observability::events::{Completed, Event, Initialized, Running, Starting};
use ttg_observability::metrics::{JobParameters, Metrics};
use ttg_runtime::broker::{JobProgress, JobState};
use ttg_runtime::{
    Broker, Clock, JobName, Kernels, SystemClock, SystemRandomness, Timestamp, WorkerId,
};

use crate::broker::BrokerUrl;
use crate::cli::WorkArguments;
use crate::endpoint::{Endpoint, Watched};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::metered::Metered;
use crate::report::{self, bar};
use crate::settings::WorkerSettings;
use crate::signals::Signals;
use crate::traces::TracesOfProcess;
use crate::worker::Sight;
use crate::{build, logging};

/// How often the awaited job is looked at while this worker commits nothing.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often at most, while it does.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

pub(crate) async fn worker(
    arguments: WorkArguments,
    kernels: Kernels,
    traces: &TracesOfProcess,
) -> Result<Exit, CommandError> {
    let settings = WorkerSettings::try_from(&arguments.worker)?;
    let awaited = arguments.end.until_complete.as_ref().map(|name| name.parse()).transpose()?;
    let url = BrokerUrl::of(&arguments.common)?;
    let id = WorkerId::fresh(&logging::host_name(), &SystemRandomness);
    logging::start(&arguments.common, Some(&id), &bar(true))?;
    let metrics = Metrics::new(build::VERSION, build::COMMIT);
    let (version, commit) = (build::VERSION, build::COMMIT);
    Starting { command: "worker", version, commit }.emit(&metrics);
    let traces = traces.start(&arguments.common, Some(&id), &metrics)?;
    let mut signals = Signals::catch().map_err(CommandError::Runtime)?;

    let endpoint = Endpoint::bind(arguments.listen.listen).await?;
    let broker = Metered::around(url.connect(id.clone(), settings.lease).await?, &metrics);
    let names: Vec<_> = kernels.names().map(ToString::to_string).collect();
    let slots = settings.concurrency.get().into();
    Initialized { broker: &url.to_string(), kernels: &names.join(","), slots }.emit(&metrics);
    let started = SystemClock.now();
    let sight = Sight { metrics: metrics.clone(), traces };
    let worker = crate::worker::start(id.clone(), settings, Arc::clone(&broker), kernels, sight);
    let mut worker = worker.await?;
    if let Some(endpoint) = endpoint {
        endpoint.serve(Watched::new(&metrics, &broker, Some(worker.health())));
    }
    Running { job: arguments.end.until_complete.as_deref() }.emit(&metrics);

    let watch = Watch {
        broker,
        awaited,
        idle_timeout: arguments.end.idle_timeout.map(|timeout| timeout.0),
    };
    let end = watch.until_the_end(&mut worker, &mut signals).await?;
    worker.stop();
    tokio::select! {
        ended = worker.ended() => ended.map_err(CommandError::Worker)?,
        exit = signals.next() => return Ok(exit),
    }
    let counts = worker.stats().read();
    let elapsed = SystemClock.now().since(started);
    tell_completed(&end, counts, elapsed, &metrics);
    if arguments.common.json {
        report::print_json(&WorkerReport::new(&id, &end, counts, elapsed))?;
    }
    match end {
        End::Awaited(name, progress) if progress.state == JobState::Cancelled => {
            Err(CommandError::Cancelled(name))
        }
        End::Awaited(_, progress) if progress.parameters.dead > 0 => Ok(Exit::DeadLetters),
        End::Awaited(..) | End::Idle | End::Signal => Ok(Exit::Success),
    }
}

/// What a worker is run until.
struct Watch {
    broker: Arc<dyn Broker>,
    awaited: Option<JobName>,
    idle_timeout: Option<Duration>,
}

/// Why it ends.
enum End {
    Signal,
    Idle,
    Awaited(JobName, Box<JobProgress>),
}

impl End {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Signal => "drained",
            Self::Idle => "idle",
            Self::Awaited(_, progress) if progress.state == JobState::Cancelled => "cancelled",
            Self::Awaited(..) => "complete",
        }
    }
}

impl Watch {
    async fn until_the_end(
        &self,
        worker: &mut Worker,
        signals: &mut Signals,
    ) -> Result<End, CommandError> {
        let stats = Arc::clone(worker.stats());
        let mut idle = Idle { since: SystemClock.now(), counts: stats.read() };
        loop {
            let look = async {
                tokio::time::timeout(LOOK_EVERY, stats.committed()).await.ok();
                tokio::time::sleep(LOOK_PAUSE).await;
            };
            tokio::select! {
                () = look => {}
                _ = signals.next() => return Ok(End::Signal),
                ended = worker.ended() => {
                    return ended.map(|()| End::Signal).map_err(CommandError::Worker);
                }
            }
            if let Some(end) = self.awaited_end().await? {
                return Ok(end);
            }
            let quiet = idle.for_how_long(stats.read(), SystemClock.now());
            if self.idle_timeout.is_some_and(|timeout| quiet >= timeout) {
                return Ok(End::Idle);
            }
        }
    }

    /// The end of the awaited job, once nothing of it is unsettled.
    async fn awaited_end(&self) -> Result<Option<End>, CommandError> {
        let Some(name) = &self.awaited else {
            return Ok(None);
        };
        let progress = async {
            match self.broker.job(name).await? {
                Some(job) => self.broker.progress(job.uid).await,
                None => Ok(None),
            }
        };
        match progress.await {
            Ok(progress) => {
                let settled = progress.filter(|progress| progress.state != JobState::Running);
                Ok(settled.map(|progress| End::Awaited(name.clone(), Box::new(progress))))
            }
            // The actors tell of it, and wait.
            Err(error) if error.is_transient() => Ok(None),
            Err(error) => Err(CommandError::broker("the awaited job could not be read")(error)),
        }
    }
}

/// Since when nothing was held and nothing was done.
struct Idle {
    since: Timestamp,
    counts: WorkerCounts,
}

impl Idle {
    fn for_how_long(&mut self, counts: WorkerCounts, now: Timestamp) -> Duration {
        if counts.in_flight > 0 || counts != self.counts {
            *self = Self { since: now, counts };
        }
        now.since(self.since)
    }
}

fn tell_completed(end: &End, counts: WorkerCounts, elapsed: Duration, metrics: &Metrics) {
    let settled = JobParameters {
        total: counts.settled(),
        completed: counts.parameters,
        dead: counts.dead_parameters,
    };
    Completed {
        job: None,
        status: end.as_str(),
        parameters: settled,
        chunks_completed: counts.chunks,
        chunks_dead: counts.dead_chunks,
        redelivered: counts.redelivered,
        duplicates_dropped: counts.duplicates,
        elapsed,
    }
    .emit(metrics);
}

/// What a worker did, for programs.
#[derive(Serialize)]
struct WorkerReport<'a> {
    worker: &'a str,
    /// `drained`, `idle`, `complete` or `cancelled`.
    status: &'static str,
    chunks: u64,
    parameters: u64,
    dead: u64,
    redelivered: u64,
    duplicates_dropped: u64,
    leases_lost: u64,
    elapsed_seconds: f64,
}

impl<'a> WorkerReport<'a> {
    fn new(worker: &'a WorkerId, end: &End, counts: WorkerCounts, elapsed: Duration) -> Self {
        Self {
            worker: worker.as_str(),
            status: end.as_str(),
            chunks: counts.chunks,
            parameters: counts.parameters,
            dead: counts.dead_parameters,
            redelivered: counts.redelivered,
            duplicates_dropped: counts.duplicates,
            leases_lost: counts.leases_lost,
            elapsed_seconds: elapsed.as_secs_f64(),
        }
    }
}
