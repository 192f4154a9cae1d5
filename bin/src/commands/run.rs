//! `ttg run`: submit, work and report, in one process.

use std::sync::Arc;

use ttg_observability::events::{Event, Initialized, Running, Starting};
use ttg_observability::metrics::Metrics;
use ttg_runtime::{Kernels, SystemRandomness, WorkerId};

use crate::awaiting::AwaitedJob;
use crate::broker::BrokerUrl;
use crate::cli::RunArguments;
use crate::endpoint::{Endpoint, Watched};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::metered::Metered;
use crate::report::ProgressView;
use crate::shards::ShardStore;
use crate::signals::Signals;
use crate::submission::Submission;
use crate::traces::TracesOfProcess;
use crate::worker::Sight;
use crate::{build, logging, publisher, report, settings, worker};

pub(crate) async fn run(
    arguments: RunArguments,
    kernels: Kernels,
    traces_of_process: &TracesOfProcess,
) -> Result<Exit, CommandError> {
    let (settings, worker_settings) = settings::job_and_worker(&arguments.job, &arguments.worker)?;
    let (settings, alone) = match arguments.shard.shard {
        Some(shard) => (settings.cut_to(shard)?, Some(ShardStore::of(&arguments.common, shard)?)),
        None => (settings, None),
    };
    let url = match &alone {
        Some(store) => store.url(),
        None => BrokerUrl::of(&arguments.common)?,
    };
    let id = WorkerId::fresh(&logging::host_name(), &SystemRandomness);
    let bar = report::bar(false);
    logging::start(&arguments.common, Some(&id), &bar)?;
    let metrics = Metrics::new(build::VERSION, build::COMMIT);
    let (version, commit) = (build::VERSION, build::COMMIT);
    Starting { command: "run", version, commit }.emit(&metrics);
    let traces = traces_of_process.start(&arguments.common, Some(&id), &metrics)?;
    let mut submitting = traces_of_process.submission("run");
    let mut signals = Signals::catch().map_err(CommandError::Runtime)?;

    let endpoint = Endpoint::bind(arguments.listen.listen).await?;
    let is_named = settings.name.is_some();
    let mut submission = Submission::to_compute(settings, &kernels)?;
    let connect = async {
        match alone {
            Some(store) => store.connect(id.clone(), worker_settings.lease).await,
            None => url.connect(id.clone(), worker_settings.lease).await,
        }
    };
    let broker = Metered::around(submission.while_sampled(connect).await?, &metrics);
    let slots = worker_settings.concurrency;
    let (job, published) = submission.register(&*broker, slots.get()).await?;
    if !is_named && !bar.is_hidden() {
        // In the log, which a terminal does not show, it is anyway.
        let name = &job.name;
        report::note(&format!("job {name}; if this ends early, `--job {name}` resumes it"));
    }
    let names: Vec<_> = kernels.names().map(ToString::to_string).collect();
    Initialized { broker: &url.to_string(), kernels: &names.join(","), slots: slots.get().into() }
        .emit(&metrics);
    let trace = submitting.publishes(&job);
    let publish =
        publisher::publish(Arc::clone(&broker), job.clone(), published, trace.clone(), submitting);
    let publisher = tokio::spawn(publish);
    let sight = Sight { metrics: metrics.clone(), traces };
    let worker = worker::start(id, worker_settings, Arc::clone(&broker), kernels, sight).await?;
    if let Some(endpoint) = endpoint {
        endpoint.serve(Watched::new(&metrics, &broker, Some(worker.health())));
    }
    Running { job: Some(job.name.as_str()) }.emit(&metrics);

    let publisher = Some(publisher);
    let every = arguments.progress.progress_every;
    let view = ProgressView::new(bar, job.name.clone(), every);
    let awaited = AwaitedJob { broker, job, worker: Some(worker), publisher, trace, metrics };
    awaited.until_the_end(&mut signals, view, arguments.common.json).await
}
