//! `ttg run`: submit, work and report, in one process.

use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::task::JoinHandle;
use ttg_actors::Worker;
use ttg_observability::events::{Completed, Event, Initialized, Running, Starting};
use ttg_observability::metrics::{JobParameters, Metrics};
use ttg_runtime::broker::{JobState, Registered};
use ttg_runtime::kernel::{RegisteredKernel, Scratch};
use ttg_runtime::{
    Broker, BrokerError, Clock, JobName, JobRecord, JobSpec, JobUid, Kernels, Randomness,
    SystemClock, SystemRandomness, WorkerId,
};

use crate::broker::BrokerUrl;
use crate::chunking::Sample;
use crate::cli::RunArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{self, JobReport, ProgressView, Status};
use crate::settings::{self, ChunkSize, JobSettings};
use crate::signals::Signals;
use crate::{build, logging, publisher, worker};

/// How often the job's progress is asked for at most.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often it is asked for when this process committed nothing.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn run(arguments: RunArguments, kernels: Kernels) -> Result<Exit, CommandError> {
    let (settings, worker_settings) = settings::job_and_worker(&arguments.job, &arguments.worker)?;
    let url = BrokerUrl::of(&arguments.common)?;
    let id = WorkerId::fresh(&logging::host_name(), &SystemRandomness);
    let bar = report::bar(false);
    logging::start(&arguments.common, Some(&id), &bar)?;
    let metrics = Metrics::new(build::VERSION, build::COMMIT);
    let (version, commit) = (build::VERSION, build::COMMIT);
    Starting { command: "run", version, commit }.emit(&metrics);
    let mut signals = Signals::catch().map_err(CommandError::Runtime)?;

    let submission = Submission::begin(settings, &kernels)?;
    let broker = url.connect(id.clone(), worker_settings.lease).await?;
    let slots = worker_settings.concurrency;
    let job = submission.register(&*broker, slots.get()).await?;
    let names: Vec<_> = kernels.names().map(ToString::to_string).collect();
    Initialized { broker: &url.to_string(), kernels: &names.join(","), slots: slots.get().into() }
        .emit(&metrics);
    let worker = worker::start(id, worker_settings, Arc::clone(&broker), kernels, metrics.clone());
    let worker = worker.await?;
    let publisher = tokio::spawn(publisher::publish(Arc::clone(&broker), job.clone()));
    Running { job: Some(job.name.as_str()) }.emit(&metrics);

    let run = RunningJob { broker, job, worker, publisher: Some(publisher), metrics };
    run.until_the_end(&mut signals, bar, arguments.common.json).await
}

/// A job as it was asked for, its kernel being sampled if it is to choose the chunk size.
struct Submission {
    name: Option<JobName>,
    spec: JobSpec,
    sample: Option<Sample>,
}

impl Submission {
    fn begin(settings: JobSettings, kernels: &Kernels) -> Result<Self, CommandError> {
        let kernel = kernels.get(&settings.kernel).ok_or_else(|| {
            let known: Vec<_> = kernels.names().map(ToString::to_string).collect();
            CommandError::UnknownKernel { name: settings.kernel.clone(), known: known.join(", ") }
        })?;
        check_start(&**kernel, &settings)?;
        let fixed = match settings.chunk_size {
            ChunkSize::Auto => None,
            ChunkSize::Fixed(size) => Some(size),
        };
        let spec = JobSpec {
            parameters: settings.parameters,
            kernel: settings.kernel,
            options: settings.options,
            chunk_size: fixed.unwrap_or(NonZeroU64::MIN),
            policy: settings.policy,
        };
        let sample = fixed.is_none().then(|| Sample::begin(&spec, kernel));
        Ok(Self { name: settings.name, spec, sample })
    }

    /// Registers the job, or finds the one that this submission resumes.
    async fn register(self, broker: &dyn Broker, slots: u32) -> Result<JobRecord, CommandError> {
        let Self { name, mut spec, sample } = self;
        let auto = sample.is_some();
        let name = match name {
            Some(name) => {
                let found = broker.job(&name).await;
                let doing = CommandError::broker("the job could not be looked up");
                if let Some(job) = found.map_err(doing)? {
                    return check_resumed(broker, job, &spec, auto).await;
                }
                name
            }
            None => fresh_name(&spec)?,
        };
        if let Some(sample) = sample {
            spec.chunk_size = sample.chunk_size(slots);
        }
        let uid = JobUid::fresh(&SystemRandomness);
        let submitted_at = SystemClock.wall();
        let job = JobRecord { name, uid, spec, submitted_at, build: build::id() };
        let registered = broker.register(&job).await;
        match registered.map_err(CommandError::broker("the job could not be registered"))? {
            Registered::New => Ok(job),
            // Another submitter was faster.
            Registered::Existing(other) => check_resumed(broker, *other, &job.spec, auto).await,
        }
    }
}

/// Whether the kernel starts with these options.
fn check_start(kernel: &dyn RegisteredKernel, settings: &JobSettings) -> Result<(), CommandError> {
    let name = || settings.kernel.clone();
    match catch_unwind(AssertUnwindSafe(|| kernel.open(&settings.options).map(drop))) {
        Ok(opened) => opened.map_err(|cause| CommandError::KernelOptions { kernel: name(), cause }),
        Err(panic) => {
            let message = Scratch::new().panicked(&*panic).message;
            Err(CommandError::KernelPanicked { kernel: name(), message })
        }
    }
}

fn fresh_name(spec: &JobSpec) -> Result<JobName, CommandError> {
    let kernel: String = spec.kernel.as_str().chars().take(48).collect();
    Ok(format!("{kernel}-{:08x}", SystemRandomness.next_u64() >> 32).parse()?)
}

async fn check_resumed(
    broker: &dyn Broker,
    job: JobRecord,
    requested: &JobSpec,
    auto: bool,
) -> Result<JobRecord, CommandError> {
    job.check_resumed_by(requested, auto).map_err(CommandError::OtherSpec)?;
    if report::progress(broker, &job).await?.state == JobState::Cancelled {
        return Err(CommandError::Cancelled(job.name));
    }
    Ok(job)
}

struct RunningJob {
    broker: Arc<dyn Broker>,
    job: JobRecord,
    worker: Worker,
    publisher: Option<JoinHandle<Result<(), BrokerError>>>,
    metrics: Metrics,
}

/// Why the waiting ended.
enum End {
    Settled,
    Signal(Exit),
}

impl RunningJob {
    async fn until_the_end(
        mut self,
        signals: &mut Signals,
        bar: ProgressBar,
        json: bool,
    ) -> Result<Exit, CommandError> {
        let mut view = ProgressView::new(bar, self.job.name.clone());
        let end = self.watch(signals, &mut view).await;
        view.end();
        let end = end?;
        if let Some(publisher) = &self.publisher {
            publisher.abort();
        }
        self.worker.stop();
        tokio::select! {
            ended = self.worker.ended() => ended.map_err(CommandError::Worker)?,
            exit = signals.next() => return Ok(exit),
        }
        if let End::Signal(exit) = end {
            let name = &self.job.name;
            report::note(&format!("interrupted; `--job {name}` with the same options resumes it"));
            return Ok(exit);
        }
        let flushed = self.broker.flush().await;
        flushed.map_err(CommandError::broker("the store could not be flushed"))?;
        let report = JobReport::read(&*self.broker, &self.job, SystemClock.wall()).await?;
        self.tell_completed(&report);
        report::print(&report, json)?;
        match report.status {
            Status::Complete => Ok(report.exit()),
            Status::Cancelled => Err(CommandError::Cancelled(self.job.name)),
            Status::Running => Err(CommandError::Unfinished(self.job.name)),
        }
    }

    /// Shows progress until the job is settled or a signal comes.
    async fn watch(
        &mut self,
        signals: &mut Signals,
        view: &mut ProgressView,
    ) -> Result<End, CommandError> {
        let stats = Arc::clone(self.worker.stats());
        // What this process has to settle if it is alone; known after the first look.
        let mut alone: Option<u64> = None;
        loop {
            let look = async {
                let committed = tokio::time::timeout(LOOK_AT_LEAST_EVERY, stats.committed()).await;
                if let (Ok(()), Some(alone)) = (committed, alone) {
                    // Now and then is enough until the last commit, which is looked at at once.
                    let last = async {
                        while stats.read().settled() < alone {
                            stats.committed().await;
                        }
                    };
                    tokio::time::timeout(LOOK_EVERY, last).await.ok();
                }
            };
            let publisher = self.publisher.as_mut();
            tokio::select! {
                () = look => {}
                exit = signals.next() => return Ok(End::Signal(exit)),
                ended = self.worker.ended() => {
                    return ended.map(|()| End::Settled).map_err(CommandError::Worker);
                }
                published = published(publisher) => {
                    self.publisher = None;
                    published.map_err(CommandError::broker("the job could not be published"))?;
                }
            }
            match self.broker.progress(self.job.uid).await {
                Ok(Some(progress)) => {
                    view.show(&progress, SystemClock.now(), &self.metrics);
                    let left = progress.parameters.unsettled();
                    alone.get_or_insert_with(|| stats.read().settled() + left);
                    if progress.state != JobState::Running {
                        return Ok(End::Settled);
                    }
                }
                Ok(None) => return Err(CommandError::UnknownJob(self.job.name.clone())),
                // The actors tell of it, and wait.
                Err(error) if error.is_transient() => {}
                Err(error) => {
                    return Err(CommandError::broker("the job's progress could not be read")(
                        error,
                    ));
                }
            }
        }
    }

    fn tell_completed(&self, report: &JobReport) {
        Completed {
            job: Some(&report.job),
            status: report.status.as_str(),
            parameters: JobParameters {
                total: report.parameters.total,
                completed: report.parameters.completed,
                dead: report.parameters.dead,
            },
            chunks_completed: report.chunks.completed,
            chunks_dead: report.chunks.dead,
            redelivered: report.chunks.redelivered,
            duplicates_dropped: report.chunks.duplicates_dropped,
            elapsed: report.elapsed(),
        }
        .emit(&self.metrics);
    }
}

/// The publisher's end; never, if it has ended before.
async fn published(
    publisher: Option<&mut JoinHandle<Result<(), BrokerError>>>,
) -> Result<(), BrokerError> {
    match publisher {
        // It ends otherwise than by its answer only if it panicked, and then it panics here.
        Some(publisher) => publisher.await.unwrap_or_else(|error| {
            std::panic::resume_unwind(error.into_panic());
        }),
        None => std::future::pending().await,
    }
}
