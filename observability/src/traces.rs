//! Traces: one for each chunk, over queue wait, dispatch, compute and commit, whichever processes it
//! goes through, and one for each submission, which those of its chunks link to.
//!
//! Spans are built when what they tell of has ended. What cannot be sent is dropped and counted; nobody
//! waits for a collector.

mod attempt;
mod config;
mod context;
mod http;
mod ids;
mod pipeline;
mod submission;
mod tls;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanKind};
use opentelemetry::{InstrumentationScope, KeyValue, TraceId};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample, SpanData,
};

pub use attempt::{Attempt, Cause, Course, DEAD_LETTERS_MAX, DeadLetter, Ending};
pub use config::{TracesConfig, WrongVariables};
pub use context::Remote;
pub use ids::{ChunkTrace, SpanIds};
pub use submission::{Headers, Submission, SubmittedJob};

use config::Protocol;
use pipeline::Pipeline;
use tls::Tls;

use crate::metrics::Metrics;
use crate::telemetry::Identity;

/// The traces of one process. A clone goes the same way.
#[derive(Debug, Clone)]
pub struct Traces(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pipeline: Pipeline,
    /// Of traces that begin here.
    root: Sampler,
    by_parent: bool,
}

impl Traces {
    /// Starts to export as `config` says, for the process that `identity` names. Lost spans are counted
    /// in `metrics`. It connects when there is something to send.
    ///
    /// # Panics
    /// Outside an async runtime of tokio.
    ///
    /// # Errors
    /// [`WrongVariables`]: the endpoint is none, or a certificate or key cannot be used.
    pub fn start(
        config: TracesConfig,
        identity: &Identity,
        version: &str,
        metrics: &Metrics,
    ) -> Result<Self, WrongVariables> {
        let exporter = match config.protocol {
            Protocol::Grpc => {
                let mut exporter = SpanExporter::builder()
                    .with_tonic()
                    .with_endpoint(&config.endpoint)
                    .with_timeout(config.timeout);
                if let Some(tls) = &config.tls {
                    exporter = exporter.with_tls_config(tls.for_grpc()?);
                }
                exporter.build()
            }
            Protocol::Http => {
                let tls = config.tls.as_ref().map(Tls::for_http).transpose()?;
                SpanExporter::builder()
                    .with_http()
                    .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
                    .with_http_client(http::Client::new(tls, config.timeout))
                    .with_endpoint(&config.endpoint)
                    .with_timeout(config.timeout)
                    .build()
            }
        };
        let exporter = exporter.map_err(|error| WrongVariables(vec![error.to_string()]))?;
        Ok(Self::into_exporter(exporter, config, identity, version, metrics))
    }

    fn into_exporter(
        exporter: impl opentelemetry_sdk::trace::SpanExporter + 'static,
        config: TracesConfig,
        identity: &Identity,
        version: &str,
        metrics: &Metrics,
    ) -> Self {
        let TracesConfig { service, resource, sampling, batching, .. } = config;
        let resource = describe(service, resource, identity, version);
        let pipeline = Pipeline::start(exporter, batching, &resource, metrics);
        let root = Sampler::TraceIdRatioBased(sampling.ratio);
        Self(Arc::new(Inner { pipeline, root, by_parent: sampling.by_parent }))
    }

    /// A delivery was settled, just now: its spans are exported if its chunk's trace is sampled, if it
    /// failed or buried parameters, or if it follows one that ended without a word.
    pub fn attempt(&self, attempt: &Attempt<'_>) {
        if attempt.is_grave() || self.samples(TraceId::from(attempt.trace.id())) {
            self.send(attempt::SPANS_MAX, || attempt.spans(wall_clock()));
        }
    }

    /// A submission by `command` begins. It is part of the trace of `parent`, if that is one.
    pub fn submission(&self, command: &'static str, parent: Remote<'_>) -> Submission {
        let trace = u128::from_be_bytes(RandomIdGenerator::default().new_trace_id().to_bytes());
        let ids = SpanIds { trace, span: fresh() };
        Submission::begin(self.clone(), command, parent, ids)
    }

    /// Sends what waits, for `wait` at most, and nothing from then on.
    pub fn end(&self, wait: Duration) {
        self.0.pipeline.end(wait);
    }

    fn samples(&self, trace: TraceId) -> bool {
        let root = &self.0.root;
        let result = root.should_sample(None, trace, "attempt", &SpanKind::Consumer, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    fn samples_submission(&self, ids: SpanIds, parent: Option<&SpanContext>) -> bool {
        match parent.filter(|_| self.0.by_parent) {
            Some(parent) => parent.is_sampled(),
            None => self.samples(TraceId::from(ids.trace)),
        }
    }

    fn send(&self, count: usize, make: impl FnOnce() -> Vec<SpanData>) {
        self.0.pipeline.send(count, make);
    }
}

/// What is said of the process. Variables have the last word.
fn describe(
    service: Option<String>,
    attributes: Vec<(String, String)>,
    identity: &Identity,
    version: &str,
) -> Resource {
    let own = [
        ("service.name", Some("ttg")),
        ("service.version", Some(version)),
        ("service.instance.id", identity.worker.as_deref()),
        ("host.name", Some(identity.host.as_str())),
        ("k8s.pod.name", identity.pod.as_deref()),
        ("k8s.node.name", identity.node.as_deref()),
    ];
    let own =
        own.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value?.to_owned())));
    let given = attributes.into_iter().map(|(key, value)| KeyValue::new(key, value));
    let name = service.map(|name| KeyValue::new("service.name", name));
    Resource::builder_empty().with_attributes(own.chain(given).chain(name)).build()
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("ttg").with_version(env!("CARGO_PKG_VERSION")).build()
}

/// A random span id.
fn fresh() -> u64 {
    u64::from_be_bytes(RandomIdGenerator::default().new_span_id().to_bytes())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the times of spans are for people; nothing is decided by them"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
