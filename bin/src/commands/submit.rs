//! `ttg submit`: split a job and publish it, for workers to compute.

use std::sync::Arc;

use ttg_observability::events::{Event, Starting};
use ttg_observability::metrics::Metrics;
use ttg_runtime::broker::Beat;
use ttg_runtime::{Broker, Clock, JobSpec, Kernels, SystemClock, SystemRandomness, WorkerId};

use crate::awaiting::AwaitedJob;
use crate::broker::BrokerUrl;
use crate::cli::SubmitArguments;
use crate::endpoint::{Endpoint, Watched};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::metered::Metered;
use crate::report::{self, ALIVE, JobReport, ProgressView};
use crate::settings::{self, JobSettings};
use crate::signals::Signals;
use crate::submission::Submission;
use crate::traces::TracesOfProcess;
use crate::{build, logging, publisher};

pub(crate) async fn submit(
    arguments: SubmitArguments,
    kernels: Kernels,
    traces: &TracesOfProcess,
) -> Result<Exit, CommandError> {
    let settings = JobSettings::try_from(&arguments.job)?;
    let url = BrokerUrl::of(&arguments.common)?;
    let id = WorkerId::fresh("submitter", &SystemRandomness);
    let bar = report::bar(!arguments.wait);
    logging::start(&arguments.common, None, &bar)?;
    let metrics = Metrics::new(build::VERSION, build::COMMIT);
    let (version, commit) = (build::VERSION, build::COMMIT);
    Starting { command: "submit", version, commit }.emit(&metrics);
    traces.start(&arguments.common, None, &metrics)?;
    let mut submitting = traces.submission("submit");
    let mut signals = Signals::catch().map_err(CommandError::Runtime)?;

    let endpoint = Endpoint::bind(arguments.listen.listen).await?;
    let mut submission = Submission::begin(settings, &kernels)?;
    let connect = url.connect(id, settings::LEASE_UNUSED);
    let broker = Metered::around(submission.while_sampled(connect).await?, &metrics);
    let (job, published) = submission.register(&*broker, slots(&*broker).await).await?;
    warn_if_nobody_has_the_kernel(&*broker, &job.spec, &kernels).await;
    if let Some(endpoint) = endpoint {
        endpoint.serve(Watched::new(&metrics, &broker, None));
    }
    let trace = submitting.publishes(&job);
    let publish =
        publisher::publish(Arc::clone(&broker), job.clone(), published, trace.clone(), submitting);
    let mut publisher = tokio::spawn(publish);
    let json = arguments.common.json;
    if arguments.wait {
        let publisher = Some(publisher);
        let every = arguments.progress.progress_every;
        let view = ProgressView::new(bar, job.name.clone(), every);
        let awaited = AwaitedJob { broker, job, worker: None, publisher, trace, metrics };
        return awaited.until_the_end(&mut signals, view, json).await;
    }
    tokio::select! {
        published = &mut publisher => {
            let published = published.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()));
            published.map_err(CommandError::broker("the job could not be published"))?;
        }
        exit = signals.next() => {
            publisher.abort();
            let name = &job.name;
            let hint = "with the same options publishes the rest";
            report::note(&format!("interrupted; `--job {name}` {hint}"));
            return Ok(exit);
        }
    }
    let flushed = broker.flush().await;
    flushed.map_err(CommandError::broker("the store could not be flushed"))?;
    let report = JobReport::read(&*broker, &job, SystemClock.wall()).await?;
    report::print(&report, json)?;
    Ok(Exit::Success)
}

/// The compute slots of all workers that are alive; without one, the CPUs here.
async fn slots(broker: &dyn Broker) -> u32 {
    // Best effort: it decides how finely the job is cut, and no more.
    let beats = broker.beats(ALIVE).await.unwrap_or_default();
    let slots = beats.iter().map(|beat| beat.slots).fold(0, u32::saturating_add);
    slots.max(settings::granted_cpus().get())
}

async fn warn_if_nobody_has_the_kernel(broker: &dyn Broker, spec: &JobSpec, kernels: &Kernels) {
    let beats = broker.beats(ALIVE).await.unwrap_or_default();
    let has_it = |beat: &Beat| beat.kernels.contains(&spec.kernel);
    let kernel = spec.kernel.as_str();
    if !beats.is_empty() && !beats.iter().any(has_it) {
        tracing::warn!(workers = beats.len(), kernel, "no worker that is alive has this kernel");
    } else if beats.is_empty() && kernels.get(&spec.kernel).is_none() {
        tracing::warn!(kernel, "this program lacks the kernel, and no worker is alive");
    }
}
