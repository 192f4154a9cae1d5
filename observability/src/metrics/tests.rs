use std::collections::BTreeSet;
use std::time::Duration;

use super::jobs::LIVE_JOBS_MAX;
use super::*;

fn metrics() -> Metrics {
    Metrics::new("1.2.3", "abc")
}

fn has_line(metrics: &Metrics, line: &str) -> bool {
    metrics.render().lines().any(|rendered| rendered == line)
}

/// Every series of a metric with these labels, as rendered while its number is 0.
fn series_at_zero(metric: Metric, labels: &str) -> Vec<String> {
    let name = metric.name();
    let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    match metric.kind() {
        MetricKind::Counter | MetricKind::Gauge => vec![format!("{name}{braced} 0")],
        MetricKind::Histogram => {
            let comma = if labels.is_empty() { "" } else { "," };
            vec![
                format!("{name}_bucket{{{labels}{comma}le=\"+Inf\"}} 0"),
                format!("{name}_sum{braced} 0"),
                format!("{name}_count{braced} 0"),
            ]
        }
    }
}

fn every<L: Label>() -> Vec<String> {
    L::ALL.iter().map(|value| format!("{}=\"{}\"", L::NAME, value.as_str())).collect()
}

#[test]
fn every_closed_set_is_there_at_0_from_the_start() {
    let rendered = metrics().render();
    let lines: BTreeSet<&str> = rendered.lines().collect();
    for metric in Metric::ALL {
        let label_sets = match metric {
            Metric::Chunks => every::<ChunkOutcome>(),
            Metric::QueueDepth => every::<QueueState>(),
            Metric::ActorMailboxDepth | Metric::ActorMessages | Metric::ActorHandle => {
                every::<ActorKind>()
            }
            Metric::ActorRestarts => every::<ActorKind>()
                .iter()
                .flat_map(|actor| {
                    every::<RestartReason>()
                        .into_iter()
                        .map(move |reason| format!("{actor},{reason}"))
                })
                .collect(),
            Metric::BrokerOperation | Metric::BrokerErrors => every::<BrokerOperation>(),
            // No job is known at the start, and the build is 1: both have tests of their own.
            Metric::JobParameters | Metric::BuildInfo => continue,
            _ => vec![String::new()],
        };
        for labels in label_sets {
            for series in series_at_zero(metric, &labels) {
                assert!(lines.contains(series.as_str()), "missing: {series}");
            }
        }
    }
}

#[test]
fn every_metric_is_rendered_with_its_help_and_kind_and_no_other_is() {
    let metrics = metrics();
    metrics.set_job_parameters("sweep", JobParameters { total: 1, completed: 0, dead: 0 });
    let rendered = metrics.render();
    let headers: BTreeSet<&str> = rendered.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(headers.len(), 2 * Metric::ALL.len());
    for metric in Metric::ALL {
        let name = metric.name();
        let kind = format!("{:?}", metric.kind()).to_lowercase();
        assert!(headers.contains(format!("# HELP {name} {}", metric.help()).as_str()), "{name}");
        assert!(headers.contains(format!("# TYPE {name} {kind}").as_str()), "{name}");
    }
}

#[test]
fn the_build_is_a_series_with_value_1() {
    assert!(has_line(&metrics(), r#"ttg_build_info{commit="abc",version="1.2.3"} 1"#));
}

#[test]
fn each_handle_counts_into_its_own_series() {
    let metrics = metrics();
    metrics.chunks(ChunkOutcome::GivenBack).add(7);
    metrics.parameters().add(700);
    metrics.chunk_duration().observe(Duration::from_millis(500));
    metrics.queue_wait().observe(Duration::from_secs(2));
    metrics.in_flight().set(3);
    metrics.queue_depth(QueueState::Delayed).set(4);
    metrics.mailbox_depth(ActorKind::ResultSink).add(6);
    metrics.mailbox_depth(ActorKind::ResultSink).sub(1);
    metrics.actor_messages(ActorKind::Dispatcher).add(8);
    metrics.actor_handle(ActorKind::Compute).observe(Duration::from_micros(3));
    metrics.actor_restarts(ActorKind::Compute, RestartReason::KernelHang).add(9);
    metrics.redeliveries().add(10);
    metrics.duplicates_dropped().add(11);
    metrics.broker_operation(BrokerOperation::Commit).observe(Duration::from_millis(1));
    metrics.broker_reconnects().add(12);
    metrics.lease_lost().add(13);
    metrics.spans_dropped().add(14);
    for line in [
        r#"ttg_chunks_total{outcome="given_back"} 7"#,
        "ttg_parameters_total 700",
        r#"ttg_chunk_duration_seconds_bucket{le="0.25"} 0"#,
        r#"ttg_chunk_duration_seconds_bucket{le="0.5"} 1"#,
        "ttg_chunk_duration_seconds_sum 0.5",
        "ttg_queue_wait_seconds_sum 2",
        "ttg_in_flight 3",
        r#"ttg_queue_depth{state="delayed"} 4"#,
        r#"ttg_actor_mailbox_depth{actor="result_sink"} 5"#,
        r#"ttg_actor_messages_total{actor="dispatcher"} 8"#,
        r#"ttg_actor_handle_seconds_bucket{actor="compute",le="0.000001"} 0"#,
        r#"ttg_actor_handle_seconds_bucket{actor="compute",le="0.000005"} 1"#,
        r#"ttg_actor_restarts_total{actor="compute",reason="kernel_hang"} 9"#,
        "ttg_redeliveries_total 10",
        "ttg_duplicates_dropped_total 11",
        r#"ttg_broker_operation_seconds_count{operation="commit"} 1"#,
        "ttg_broker_reconnects_total 12",
        "ttg_lease_lost_total 13",
        "ttg_spans_dropped_total 14",
    ] {
        assert!(has_line(&metrics, line), "missing: {line}\n{}", metrics.render());
    }
}

#[test]
fn a_clone_counts_into_the_same_registry_and_a_new_one_does_not() {
    let metrics = metrics();
    metrics.clone().parameters().add(1);
    assert_eq!(metrics.parameters().get(), 1);
    assert_eq!(self::metrics().parameters().get(), 0);
}

#[test]
fn the_states_of_a_job_add_up_to_its_total() {
    let metrics = metrics();
    metrics.set_job_parameters("sweep", JobParameters { total: 100, completed: 60, dead: 1 });
    for line in [
        r#"ttg_job_parameters{state="pending",ttg_job="sweep"} 39"#,
        r#"ttg_job_parameters{state="completed",ttg_job="sweep"} 60"#,
        r#"ttg_job_parameters{state="dead",ttg_job="sweep"} 1"#,
    ] {
        assert!(has_line(&metrics, line), "missing: {line}");
    }
}

#[test]
fn the_33rd_job_evicts_the_one_longest_without_an_update() {
    let metrics = metrics();
    let parameters = JobParameters { total: 10, completed: 0, dead: 0 };
    for number in 0..LIVE_JOBS_MAX {
        metrics.set_job_parameters(&format!("job-{number}"), parameters);
    }
    metrics.set_job_parameters("job-0", parameters);
    metrics.set_job_parameters("job-32", parameters);
    let rendered = metrics.render();
    let series = |job: &str| rendered.matches(&format!("ttg_job=\"{job}\"")).count();
    assert_eq!(series("job-0"), ParameterState::ALL.len(), "updated last but one");
    assert_eq!(series("job-1"), 0, "the oldest leaves with all its states");
    assert_eq!(series("job-2"), ParameterState::ALL.len());
    assert_eq!(series("job-32"), ParameterState::ALL.len());
    let all = rendered.matches("ttg_job=").count();
    assert_eq!(all, LIVE_JOBS_MAX * ParameterState::ALL.len());
}

#[test]
fn a_label_value_cannot_break_the_exposition() {
    let metrics = metrics();
    let job = "a\"b\\c\nd";
    metrics.set_job_parameters(job, JobParameters { total: 1, completed: 1, dead: 0 });
    assert!(has_line(&metrics, r#"ttg_job_parameters{state="completed",ttg_job="a\"b\\c\nd"} 1"#));
}
