//! Waiting for a job's end, while this process or others compute it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use ttg_actors::{Worker, WorkerError};
use ttg_observability::events::{Completed, Event};
use ttg_observability::metrics::{JobParameters, Metrics};
use ttg_runtime::broker::JobState;
use ttg_runtime::{Broker, BrokerError, Clock, JobRecord, SystemClock, TraceContext};

use crate::error::CommandError;
use crate::exit::Exit;
use crate::publisher;
use crate::report::{self, JobReport, ProgressView, Status};
use crate::signals::Signals;
use crate::traces::Submitting;

/// How often the job's progress is asked for at most.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often it is asked for when this process committed nothing.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_millis(250);

/// When one parameter of so many is left, what is committed is flushed while the rest is computed:
/// the flush that the end waits for has little to do then.
const FLUSHED_AHEAD: u64 = 8;

/// A job, and what this process does for it.
pub(crate) struct AwaitedJob {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) job: JobRecord,
    /// Computes, if this process does.
    pub(crate) worker: Option<Worker>,
    /// Publishes what is missing, until it has.
    pub(crate) publisher: Option<JoinHandle<Result<(), BrokerError>>>,
    /// What its chunks carry.
    pub(crate) trace: TraceContext,
    pub(crate) metrics: Metrics,
}

/// Why the waiting ended.
enum End {
    Settled,
    Signal(Exit),
}

impl AwaitedJob {
    /// Shows progress until the job has ended, and reports it; or until a signal.
    pub(crate) async fn until_the_end(
        mut self,
        signals: &mut Signals,
        mut view: ProgressView,
        json: bool,
    ) -> Result<Exit, CommandError> {
        let end = self.watch(signals, &mut view).await;
        view.end();
        let end = end?;
        if let Some(publisher) = &self.publisher {
            publisher.abort();
        }
        let stop = async {
            let Some(worker) = &mut self.worker else { return Ok(()) };
            worker.stop();
            worker.ended().await.map_err(CommandError::Worker)
        };
        if let End::Signal(exit) = end {
            tokio::select! {
                stopped = stop => stopped?,
                exit = signals.next() => return Ok(exit),
            }
            let name = &self.job.name;
            let then = if self.worker.is_some() { "resumes it" } else { "waits on" };
            report::note(&format!("interrupted; `--job {name}` with the same options {then}"));
            return Ok(exit);
        }
        // What the report rests on is committed: the disk and who reads need not wait for each other.
        let flush = async {
            let flushed = self.broker.flush().await;
            flushed.map_err(CommandError::broker("the store could not be flushed"))
        };
        let read = JobReport::read(&*self.broker, &self.job, SystemClock.wall());
        let (flushed, stopped, report) = tokio::select! {
            all = async { tokio::join!(flush, stop, read) } => all,
            exit = signals.next() => return Ok(exit),
        };
        flushed?;
        stopped?;
        let report = report?;
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
        let stats =
            self.worker.as_ref().map(|worker| Arc::clone(worker.stats())).unwrap_or_default();
        // What this process has to settle if it is alone; known after the first look.
        let mut alone: Option<u64> = None;
        let mut is_flushed_ahead = self.worker.is_none();
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
                ended = ended(self.worker.as_mut()) => {
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
                    if !is_flushed_ahead && left <= progress.parameters.total / FLUSHED_AHEAD {
                        is_flushed_ahead = true;
                        let broker = Arc::clone(&self.broker);
                        // Should it fail, the flush at the end tells.
                        tokio::spawn(async move { broker.flush().await.ok() });
                    }
                    if self.publisher.is_none() && progress.published < progress.chunks.total {
                        // The server lost what it had acknowledged.
                        let (broker, job) = (Arc::clone(&self.broker), self.job.clone());
                        let trace = self.trace.clone();
                        let publish =
                            publisher::publish(broker, job, None, trace, Submitting::default());
                        self.publisher = Some(tokio::spawn(publish));
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

/// The worker's end; never, without one.
async fn ended(worker: Option<&mut Worker>) -> Result<(), WorkerError> {
    match worker {
        Some(worker) => worker.ended().await,
        None => std::future::pending().await,
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
