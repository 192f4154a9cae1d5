//! The traces of this process: started by the commands that submit or compute, ended after all else.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::Runtime;
use ttg_observability::Traces;
use ttg_observability::metrics::Metrics;
use ttg_observability::traces::{Remote, Submission, SubmittedJob, TracesConfig};
use ttg_runtime::{JobRecord, TraceContext, WorkerId};

use crate::cli::CommonArguments;
use crate::error::CommandError;
use crate::variables::Variables;
use crate::{build, logging};

/// How long the last spans may take to reach the collector.
const LAST_SPANS_WAIT: Duration = Duration::from_secs(2);

/// The traces, if the variables ask for any.
#[derive(Default)]
pub(crate) struct TracesOfProcess(OnceLock<Traces>);

/// A submission as its chunks and its trace know it; without traces they know nothing of it.
#[derive(Default)]
pub(crate) struct Submitting(Option<Submission>);

impl TracesOfProcess {
    /// Starts them. Within the async runtime, and once the process logs.
    pub(crate) fn start(
        &self,
        arguments: &CommonArguments,
        worker: Option<&WorkerId>,
        metrics: &Metrics,
    ) -> Result<Option<Traces>, CommandError> {
        let variables = Variables::of_this_process();
        let config = TracesConfig::from_variables(&|name| variables.get(name));
        let Some(config) = config.map_err(CommandError::Traces)? else {
            return Ok(None);
        };
        let identity = logging::identity(arguments, worker);
        let traces = Traces::start(config, &identity, build::VERSION, metrics);
        let traces = traces.map_err(CommandError::Traces)?;
        Ok(Some(self.0.get_or_init(|| traces).clone()))
    }

    /// A submission by `command` begins, as a part of the trace that the variables name.
    pub(crate) fn submission(&self, command: &'static str) -> Submitting {
        let variables = Variables::of_this_process();
        Submitting(self.0.get().map(|traces| {
            let (parent, state) = (variables.get("TRACEPARENT"), variables.get("TRACESTATE"));
            let parent = Remote { traceparent: parent.as_deref(), tracestate: state.as_deref() };
            traces.submission(command, parent)
        }))
    }

    /// Sends the last spans, for a moment at most.
    pub(crate) fn end(self, runtime: &Runtime) {
        if let Some(traces) = self.0.into_inner() {
            // Who sends them waits, on a thread of its own, for a connection that the runtime drives.
            let end = runtime.spawn_blocking(move || traces.end(LAST_SPANS_WAIT));
            runtime.block_on(end).ok();
        }
    }
}

impl Submitting {
    /// It is of `job`, whose chunks are published from now on. Returns what they carry.
    pub(crate) fn publishes(&mut self, job: &JobRecord) -> TraceContext {
        let Some(submission) = &mut self.0 else {
            return TraceContext::default();
        };
        let headers = submission.publishes(SubmittedJob {
            name: job.name.as_str(),
            uid: &job.uid.to_string(),
            kernel: job.spec.kernel.as_str(),
            parameters: job.spec.parameters.len(),
            chunks: job.spec.chunks_total(),
        });
        let (traceparent, tracestate) = (Some(headers.traceparent), Some(headers.tracestate));
        TraceContext { traceparent, tracestate }
    }

    /// It has ended so. If this is not told, it was cut short.
    pub(crate) fn ended<T, E: std::fmt::Display>(mut self, result: &Result<T, E>) {
        if let Some(submission) = &mut self.0 {
            submission.ended(result.as_ref().err().map(ToString::to_string).as_deref());
        }
    }
}
