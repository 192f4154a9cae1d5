//! What TTG counts. Every name is in [`Metric`], every label in a closed set, and every
//! combination of labels is there at 0 from the start, so that no panel is empty and a rate sees
//! the first event.

mod catalogue;
mod instruments;
mod jobs;
mod labels;

use std::fmt;
use std::sync::Arc;

use prometheus::{Registry, TextEncoder};

pub use catalogue::{Metric, MetricKind};
pub use instruments::{Counter, Gauge, Timing};
pub use jobs::JobParameters;
pub use labels::{
    ActorKind, BrokerOperation, ChunkOutcome, Label, ParameterState, QueueState, RestartReason,
};

use instruments::{Family, Instruments};
use jobs::JobGauges;

/// The metrics of one process. A clone counts into the same registry; two that were made apart
/// share nothing, so that a simulation can have one for each of its workers.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    chunks: Family<ChunkOutcome, Counter>,
    parameters: Counter,
    chunk_duration: Timing,
    queue_wait: Timing,
    in_flight: Gauge,
    queue_depth: Family<QueueState, Gauge>,
    mailbox_depth: Family<ActorKind, Gauge>,
    actor_messages: Family<ActorKind, Counter>,
    actor_handle: Family<ActorKind, Timing>,
    actor_restarts: Family<ActorKind, Family<RestartReason, Counter>>,
    redeliveries: Counter,
    duplicates_dropped: Counter,
    broker_operation: Family<BrokerOperation, Timing>,
    broker_errors: Family<BrokerOperation, Counter>,
    broker_up: Gauge,
    broker_reconnects: Counter,
    lease_lost: Counter,
    spans_dropped: Counter,
    jobs: JobGauges,
}

impl Metrics {
    /// The content type of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

    /// All metrics at 0, and the build that runs.
    pub fn new(version: &str, commit: &str) -> Self {
        let registry = Registry::new();
        let make = Instruments(&registry);
        make.gauges(Metric::BuildInfo).with_label_values(&[version, commit]).set(1);
        Self(Arc::new(Inner {
            chunks: make.counter_family(Metric::Chunks),
            parameters: make.counter(Metric::Parameters),
            chunk_duration: make.timing(Metric::ChunkDuration),
            queue_wait: make.timing(Metric::QueueWait),
            in_flight: make.gauge(Metric::InFlight),
            queue_depth: make.gauge_family(Metric::QueueDepth),
            mailbox_depth: make.gauge_family(Metric::ActorMailboxDepth),
            actor_messages: make.counter_family(Metric::ActorMessages),
            actor_handle: make.timing_family(Metric::ActorHandle),
            actor_restarts: make.counter_table(Metric::ActorRestarts),
            redeliveries: make.counter(Metric::Redeliveries),
            duplicates_dropped: make.counter(Metric::DuplicatesDropped),
            broker_operation: make.timing_family(Metric::BrokerOperation),
            broker_errors: make.counter_family(Metric::BrokerErrors),
            broker_up: make.gauge(Metric::BrokerUp),
            broker_reconnects: make.counter(Metric::BrokerReconnects),
            lease_lost: make.counter(Metric::LeaseLost),
            spans_dropped: make.counter(Metric::SpansDropped),
            jobs: JobGauges::new(make.gauges(Metric::JobParameters)),
            registry,
        }))
    }

    /// [`Metric::Chunks`]
    pub fn chunks(&self, outcome: ChunkOutcome) -> &Counter {
        self.0.chunks.of(outcome)
    }

    /// [`Metric::Parameters`]
    pub fn parameters(&self) -> &Counter {
        &self.0.parameters
    }

    /// [`Metric::ChunkDuration`]
    pub fn chunk_duration(&self) -> &Timing {
        &self.0.chunk_duration
    }

    /// [`Metric::QueueWait`]
    pub fn queue_wait(&self) -> &Timing {
        &self.0.queue_wait
    }

    /// [`Metric::InFlight`]
    pub fn in_flight(&self) -> &Gauge {
        &self.0.in_flight
    }

    /// [`Metric::QueueDepth`]
    pub fn queue_depth(&self, state: QueueState) -> &Gauge {
        self.0.queue_depth.of(state)
    }

    /// [`Metric::ActorMailboxDepth`], over all actors of the kind.
    pub fn mailbox_depth(&self, actor: ActorKind) -> &Gauge {
        self.0.mailbox_depth.of(actor)
    }

    /// [`Metric::ActorMessages`]
    pub fn actor_messages(&self, actor: ActorKind) -> &Counter {
        self.0.actor_messages.of(actor)
    }

    /// [`Metric::ActorHandle`]
    pub fn actor_handle(&self, actor: ActorKind) -> &Timing {
        self.0.actor_handle.of(actor)
    }

    /// [`Metric::ActorRestarts`]
    pub fn actor_restarts(&self, actor: ActorKind, reason: RestartReason) -> &Counter {
        self.0.actor_restarts.of(actor).of(reason)
    }

    /// [`Metric::Redeliveries`]
    pub fn redeliveries(&self) -> &Counter {
        &self.0.redeliveries
    }

    /// [`Metric::DuplicatesDropped`]
    pub fn duplicates_dropped(&self) -> &Counter {
        &self.0.duplicates_dropped
    }

    /// [`Metric::BrokerOperation`]
    pub fn broker_operation(&self, operation: BrokerOperation) -> &Timing {
        self.0.broker_operation.of(operation)
    }

    /// [`Metric::BrokerErrors`]
    pub fn broker_errors(&self, operation: BrokerOperation) -> &Counter {
        self.0.broker_errors.of(operation)
    }

    /// [`Metric::BrokerUp`]
    pub fn broker_up(&self) -> &Gauge {
        &self.0.broker_up
    }

    /// [`Metric::BrokerReconnects`]
    pub fn broker_reconnects(&self) -> &Counter {
        &self.0.broker_reconnects
    }

    /// [`Metric::LeaseLost`]
    pub fn lease_lost(&self) -> &Counter {
        &self.0.lease_lost
    }

    /// [`Metric::SpansDropped`]
    pub fn spans_dropped(&self) -> &Counter {
        &self.0.spans_dropped
    }

    /// Sets [`Metric::JobParameters`] of a job. Of more than 32 jobs, the one that was longest
    /// without an update is no longer shown.
    pub fn set_job_parameters(&self, job: &str, parameters: JobParameters) {
        self.0.jobs.set(job, parameters);
    }

    /// Everything in Prometheus' text format, sorted by name.
    pub fn render(&self) -> String {
        let families = {
            let _still = self.0.jobs.lock();
            self.0.registry.gather()
        };
        TextEncoder::new()
            .encode_to_string(&families)
            .expect("a gathered family has a name and samples, and a string takes all bytes")
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
