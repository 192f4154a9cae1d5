//! The names of all metrics, in one place.

use super::labels::{
    ActorKind, BrokerOperation, ChunkOutcome, Label, ParameterState, QueueState, RestartReason,
};

/// What a metric's number means over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations counted by size.
    Histogram,
}

/// Every metric that TTG exposes, named `ttg_<noun>_<unit>[_total]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// `ttg_chunks_total`
    Chunks,
    /// `ttg_parameters_total`
    Parameters,
    /// `ttg_chunk_duration_seconds`
    ChunkDuration,
    /// `ttg_queue_wait_seconds`
    QueueWait,
    /// `ttg_in_flight`
    InFlight,
    /// `ttg_queue_depth`
    QueueDepth,
    /// `ttg_actor_mailbox_depth`
    ActorMailboxDepth,
    /// `ttg_actor_messages_total`
    ActorMessages,
    /// `ttg_actor_handle_seconds`
    ActorHandle,
    /// `ttg_actor_restarts_total`
    ActorRestarts,
    /// `ttg_redeliveries_total`
    Redeliveries,
    /// `ttg_duplicates_dropped_total`
    DuplicatesDropped,
    /// `ttg_broker_operation_seconds`
    BrokerOperation,
    /// `ttg_broker_errors_total`
    BrokerErrors,
    /// `ttg_broker_up`
    BrokerUp,
    /// `ttg_broker_reconnects_total`
    BrokerReconnects,
    /// `ttg_lease_lost_total`
    LeaseLost,
    /// `ttg_spans_dropped_total`
    SpansDropped,
    /// `ttg_job_parameters`
    JobParameters,
    /// `ttg_build_info`
    BuildInfo,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 20] = [
        Self::Chunks,
        Self::Parameters,
        Self::ChunkDuration,
        Self::QueueWait,
        Self::InFlight,
        Self::QueueDepth,
        Self::ActorMailboxDepth,
        Self::ActorMessages,
        Self::ActorHandle,
        Self::ActorRestarts,
        Self::Redeliveries,
        Self::DuplicatesDropped,
        Self::BrokerOperation,
        Self::BrokerErrors,
        Self::BrokerUp,
        Self::BrokerReconnects,
        Self::LeaseLost,
        Self::SpansDropped,
        Self::JobParameters,
        Self::BuildInfo,
    ];

    /// The name in the exposition; a histogram's samples add `_bucket`, `_sum` and `_count`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chunks => "ttg_chunks_total",
            Self::Parameters => "ttg_parameters_total",
            Self::ChunkDuration => "ttg_chunk_duration_seconds",
            Self::QueueWait => "ttg_queue_wait_seconds",
            Self::InFlight => "ttg_in_flight",
            Self::QueueDepth => "ttg_queue_depth",
            Self::ActorMailboxDepth => "ttg_actor_mailbox_depth",
            Self::ActorMessages => "ttg_actor_messages_total",
            Self::ActorHandle => "ttg_actor_handle_seconds",
            Self::ActorRestarts => "ttg_actor_restarts_total",
            Self::Redeliveries => "ttg_redeliveries_total",
            Self::DuplicatesDropped => "ttg_duplicates_dropped_total",
            Self::BrokerOperation => "ttg_broker_operation_seconds",
            Self::BrokerErrors => "ttg_broker_errors_total",
            Self::BrokerUp => "ttg_broker_up",
            Self::BrokerReconnects => "ttg_broker_reconnects_total",
            Self::LeaseLost => "ttg_lease_lost_total",
            Self::SpansDropped => "ttg_spans_dropped_total",
            Self::JobParameters => "ttg_job_parameters",
            Self::BuildInfo => "ttg_build_info",
        }
    }

    /// One line for people, shown by Prometheus and Grafana.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Chunks => "Deliveries that ended on this worker, by how they ended.",
            Self::Parameters => "Parameters this worker settled, completed or dead.",
            Self::ChunkDuration => "Time a completed chunk took in the kernel.",
            Self::QueueWait => "Time from a chunk being due to its delivery to this worker.",
            Self::InFlight => "Chunks this worker holds a lease on.",
            Self::QueueDepth => "Chunks of the namespace at the broker, by where they are.",
            Self::ActorMailboxDepth => "Messages that wait for an actor.",
            Self::ActorMessages => "Messages that an actor handled.",
            Self::ActorHandle => "Time an actor took to handle a message.",
            Self::ActorRestarts => "Actors that were started again, by why.",
            Self::Redeliveries => "Deliveries of chunks that had been delivered before.",
            Self::DuplicatesDropped => "Outcomes dropped because the chunk was settled already.",
            Self::BrokerOperation => {
                "Time a call of the broker took, but for a receive that waited in vain."
            }
            Self::BrokerErrors => "Calls of the broker that failed.",
            Self::BrokerUp => "Whether the broker answered the last call; 1 or 0.",
            Self::BrokerReconnects => "Connections to the broker that were lost and regained.",
            Self::LeaseLost => "Leases that ended while this worker still held the chunk.",
            Self::SpansDropped => "Spans that no collector took.",
            Self::JobParameters => "Parameters of a job, by what became of them.",
            Self::BuildInfo => "The build that runs; always 1.",
        }
    }

    /// What its number means over time.
    pub const fn kind(self) -> MetricKind {
        match self {
            Self::Chunks
            | Self::Parameters
            | Self::ActorMessages
            | Self::ActorRestarts
            | Self::Redeliveries
            | Self::DuplicatesDropped
            | Self::BrokerErrors
            | Self::BrokerReconnects
            | Self::LeaseLost
            | Self::SpansDropped => MetricKind::Counter,
            Self::InFlight
            | Self::QueueDepth
            | Self::ActorMailboxDepth
            | Self::BrokerUp
            | Self::JobParameters
            | Self::BuildInfo => MetricKind::Gauge,
            Self::ChunkDuration | Self::QueueWait | Self::ActorHandle | Self::BrokerOperation => {
                MetricKind::Histogram
            }
        }
    }

    /// The names of its labels.
    pub const fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Chunks => &[ChunkOutcome::NAME],
            Self::QueueDepth => &[QueueState::NAME],
            Self::ActorMailboxDepth | Self::ActorMessages | Self::ActorHandle => &[ActorKind::NAME],
            Self::ActorRestarts => &[ActorKind::NAME, RestartReason::NAME],
            Self::BrokerOperation | Self::BrokerErrors => &[BrokerOperation::NAME],
            // Not `job`: Prometheus gives that name to its own scrape job.
            Self::JobParameters => &["ttg_job", ParameterState::NAME],
            Self::BuildInfo => &["version", "commit"],
            Self::Parameters
            | Self::ChunkDuration
            | Self::QueueWait
            | Self::InFlight
            | Self::Redeliveries
            | Self::DuplicatesDropped
            | Self::BrokerUp
            | Self::BrokerReconnects
            | Self::LeaseLost
            | Self::SpansDropped => &[],
        }
    }

    /// Upper bounds in seconds of a histogram's buckets; none for other kinds.
    pub(super) const fn buckets(self) -> &'static [f64] {
        match self {
            // Chunks aim at 0.5 s and are cut off after 10 min by default.
            Self::ChunkDuration => &[
                1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
                300.0, 600.0,
            ],
            // The last chunk of a large job waits about as long as the job runs.
            Self::QueueWait => &[
                1e-3, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0,
                14_400.0, 86_400.0,
            ],
            Self::ActorHandle => &[
                1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0,
                60.0,
            ],
            // A receive may wait seconds for work; a connection's retries take minutes.
            Self::BrokerOperation => &[
                1e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25,
                1.0, 5.0, 30.0, 120.0,
            ],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_are_exactly_these() {
        use MetricKind::{Counter, Gauge, Histogram};
        let expected: [(&str, MetricKind, &[&str]); 20] = [
            ("ttg_chunks_total", Counter, &["outcome"]),
            ("ttg_parameters_total", Counter, &[]),
            ("ttg_chunk_duration_seconds", Histogram, &[]),
            ("ttg_queue_wait_seconds", Histogram, &[]),
            ("ttg_in_flight", Gauge, &[]),
            ("ttg_queue_depth", Gauge, &["state"]),
            ("ttg_actor_mailbox_depth", Gauge, &["actor"]),
            ("ttg_actor_messages_total", Counter, &["actor"]),
            ("ttg_actor_handle_seconds", Histogram, &["actor"]),
            ("ttg_actor_restarts_total", Counter, &["actor", "reason"]),
            ("ttg_redeliveries_total", Counter, &[]),
            ("ttg_duplicates_dropped_total", Counter, &[]),
            ("ttg_broker_operation_seconds", Histogram, &["operation"]),
            ("ttg_broker_errors_total", Counter, &["operation"]),
            ("ttg_broker_up", Gauge, &[]),
            ("ttg_broker_reconnects_total", Counter, &[]),
            ("ttg_lease_lost_total", Counter, &[]),
            ("ttg_spans_dropped_total", Counter, &[]),
            ("ttg_job_parameters", Gauge, &["ttg_job", "state"]),
            ("ttg_build_info", Gauge, &["version", "commit"]),
        ];
        let actual = Metric::ALL.map(|metric| (metric.name(), metric.kind(), metric.labels()));
        assert_eq!(actual, expected);
    }

    #[test]
    fn names_follow_the_convention() {
        for metric in Metric::ALL {
            let name = metric.name();
            let words: Vec<&str> = name.split('_').collect();
            assert_eq!(words[0], "ttg", "{name}");
            assert!(words.len() >= 3, "{name} has no noun with a unit");
            for word in &words {
                assert!(
                    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()),
                    "{name}"
                );
            }
            let counts = metric.kind() == MetricKind::Counter;
            assert_eq!(name.ends_with("_total"), counts, "{name}");
            let measures = metric.kind() == MetricKind::Histogram;
            assert_eq!(name.ends_with("_seconds"), measures, "{name}");
        }
    }

    #[test]
    fn helps_are_one_sentence() {
        for metric in Metric::ALL {
            let help = metric.help();
            assert!(help.starts_with(char::is_uppercase), "{help}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{help}");
        }
    }

    #[test]
    fn buckets_grow_and_only_histograms_have_them() {
        for metric in Metric::ALL {
            let buckets = metric.buckets();
            let measures = metric.kind() == MetricKind::Histogram;
            assert_eq!(!buckets.is_empty(), measures, "{}", metric.name());
            assert!(buckets.is_sorted_by(|a, b| a < b), "{}", metric.name());
        }
    }
}
