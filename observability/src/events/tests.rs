use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::metrics::{ActorKind, JobParameters, RestartReason};
use crate::telemetry::LogFormat;
use crate::telemetry::capture::{capture, identity};

const CHUNK: ChunkRef<'static> = ChunkRef { job: "sweep", index: 17, generation: 0, span: None };

/// The event's one line without time, target and identity, and the series whose numbers it changed.
fn told(event: impl Event) -> (Value, Vec<String>) {
    let metrics = Metrics::new("1.2.3", "abc");
    let before = metrics.render();
    let lines = capture(LogFormat::Json, identity(), || event.emit(&metrics));
    let after = metrics.render();

    let before: BTreeSet<&str> = before.lines().collect();
    let changed = after
        .lines()
        .filter(|line| !before.contains(line) && !line.starts_with('#'))
        .filter(|line| !line.contains("_bucket{"))
        .map(str::to_owned)
        .collect();

    assert_eq!(lines.len(), 1, "{lines:?}");
    let mut line: Value = serde_json::from_str(&lines[0]).unwrap();
    let object = line.as_object_mut().unwrap();
    for key in ["timestamp", "target", "worker", "host", "pod", "node"] {
        assert!(object.remove(key).is_some(), "{key}");
    }
    assert!(object.keys().all(|key| !key.starts_with("field.")), "{object:?}");
    (line, changed)
}

#[test]
fn the_steps_before_the_work_are_told_and_count_nothing() {
    let starting = Starting { command: "worker", version: "1.2.3", commit: "abc" };
    assert_eq!(
        told(starting),
        (
            json!({"level": "INFO", "message": "process starts", "event": "starting",
                "command": "worker", "version": "1.2.3", "commit": "abc"}),
            vec![]
        )
    );
    let initialized = Initialized { broker: "redis", kernels: "primes,collatz", slots: 4 };
    assert_eq!(
        told(initialized),
        (
            json!({"level": "INFO", "message": "broker and kernels are ready",
                "event": "initialized", "broker": "redis", "kernels": "primes,collatz",
                "slots": 4}),
            vec![]
        )
    );
    assert_eq!(
        told(Running { job: None }),
        (json!({"level": "INFO", "message": "asking for chunks", "event": "running"}), vec![])
    );
}

#[test]
fn progress_shows_the_same_numbers_in_the_log_and_in_the_metric() {
    let progress = Progress {
        job: "sweep",
        parameters: JobParameters { total: 10_000, completed: 4_500, dead: 1 },
        parameters_per_second: 8333.333,
        eta: Some(Duration::from_millis(660)),
    };
    assert_eq!(
        told(progress),
        (
            json!({"level": "INFO", "message": "4501/10000 parameters (45 %)",
                "event": "progress", "job": "sweep", "done": 4501, "total": 10000,
                "percent": 45.0, "dead": 1, "parameters_per_second": 8333.3,
                "eta_seconds": 0.7}),
            vec![
                r#"ttg_job_parameters{state="completed",ttg_job="sweep"} 4500"#.to_owned(),
                r#"ttg_job_parameters{state="dead",ttg_job="sweep"} 1"#.to_owned(),
                r#"ttg_job_parameters{state="pending",ttg_job="sweep"} 5499"#.to_owned(),
            ]
        )
    );
}

fn completed(job: Option<&str>) -> Completed<'_> {
    Completed {
        job,
        status: "complete",
        parameters: JobParameters { total: 100, completed: 99, dead: 1 },
        chunks_completed: 9,
        chunks_dead: 1,
        redelivered: 2,
        duplicates_dropped: 3,
        elapsed: Duration::from_millis(1500),
    }
}

#[test]
fn the_end_of_a_job_is_told_as_a_summary() {
    let (line, changed) = told(completed(Some("sweep")));
    assert_eq!(
        line,
        json!({"level": "INFO", "message": "finished", "event": "completed", "job": "sweep",
            "status": "complete", "parameters_total": 100, "parameters_completed": 99,
            "parameters_dead": 1, "chunks_completed": 9, "chunks_dead": 1, "redelivered": 2,
            "duplicates_dropped": 3, "elapsed_seconds": 1.5, "parameters_per_second": 66.7})
    );
    assert_eq!(changed.len(), 3);
}

#[test]
fn a_worker_that_drained_shows_no_job() {
    let (line, changed) = told(completed(None));
    assert_eq!(line.get("job"), None);
    assert_eq!(changed, Vec::<String>::new());
}

#[test]
fn a_job_that_took_no_time_has_no_rate() {
    let (line, _) = told(Completed { elapsed: Duration::ZERO, ..completed(None) });
    assert_eq!(line["parameters_per_second"], 0.0);
}

/// The event counts exactly these series and its line has this level and name.
fn check(event: impl Event, level: &str, name: &str, series: &[&str]) -> Value {
    let (line, changed) = told(event);
    assert_eq!(line["level"], level);
    assert_eq!(line["event"], name);
    assert_eq!(changed, series, "{name}");
    line
}

fn check_chunk(event: impl Event, level: &str, name: &str, series: &[&str]) -> Value {
    let line = check(event, level, name, series);
    assert_eq!((&line["job"], &line["chunk"]), (&json!("sweep"), &json!(17)));
    assert_eq!(line["generation"], 0);
    line
}

#[test]
fn a_completed_chunk_counts_its_parameters_and_its_time() {
    let seconds = Duration::from_millis(500);
    let event =
        ChunkCompleted { chunk: CHUNK, completed: 100, dead: 0, error: "", duration: seconds };
    let series = [
        "ttg_chunk_duration_seconds_sum 0.5",
        "ttg_chunk_duration_seconds_count 1",
        r#"ttg_chunks_total{outcome="completed"} 1"#,
        "ttg_parameters_total 100",
    ];
    let line = check_chunk(event, "DEBUG", "chunk_completed", &series);
    assert_eq!((&line["completed"], &line["seconds"]), (&json!(100), &json!(0.5)));
}

#[test]
fn dead_parameters_in_a_completed_chunk_call_for_a_person() {
    let error = "killed at parameter 7: signal 6";
    let duration = Duration::ZERO;
    let event = ChunkCompleted { chunk: CHUNK, completed: 99, dead: 1, error, duration };
    let series = [
        "ttg_chunk_duration_seconds_count 1",
        r#"ttg_chunks_total{outcome="completed"} 1"#,
        "ttg_parameters_total 100",
    ];
    let line = check_chunk(event, "ERROR", "chunk_completed", &series);
    assert_eq!((&line["completed"], &line["dead"]), (&json!(99), &json!(1)));
}

#[test]
fn a_failed_chunk_says_when_it_is_tried_again() {
    let event = ChunkFailed {
        chunk: CHUNK,
        failures: 2,
        max_attempts: 3,
        retry_in: Duration::from_millis(1250),
        error: "division by zero",
    };
    let series = [r#"ttg_chunks_total{outcome="failed"} 1"#];
    let line = check_chunk(event, "WARN", "chunk_failed", &series);
    assert_eq!((&line["failures"], &line["max_attempts"]), (&json!(2), &json!(3)));
    assert_eq!(line["retry_in_seconds"], 1.25);
    assert_eq!(line["error"], "division by zero");
}

#[test]
fn a_dead_chunk_calls_for_a_person() {
    let event = ChunkDead { chunk: CHUNK, dead: 100, error: "killed by signal 9" };
    let series = [r#"ttg_chunks_total{outcome="dead"} 1"#, "ttg_parameters_total 100"];
    let line = check_chunk(event, "ERROR", "chunk_dead", &series);
    assert_eq!((&line["dead"], &line["error"]), (&json!(100), &json!("killed by signal 9")));
}

#[test]
fn chunks_that_end_without_an_outcome_are_counted_by_how() {
    let event = ChunkGivenBack { chunk: CHUNK, reason: "draining" };
    let series = [r#"ttg_chunks_total{outcome="given_back"} 1"#];
    let line = check_chunk(event, "DEBUG", "chunk_given_back", &series);
    assert_eq!(line["reason"], "draining");

    let event = ChunkDropped { chunk: CHUNK, reason: "cancelled" };
    let series = [r#"ttg_chunks_total{outcome="dropped"} 1"#];
    let line = check_chunk(event, "DEBUG", "chunk_dropped", &series);
    assert_eq!(line["reason"], "cancelled");

    let series = [r#"ttg_chunks_total{outcome="dropped"} 1"#, "ttg_duplicates_dropped_total 1"];
    check_chunk(DuplicateDropped { chunk: CHUNK }, "DEBUG", "duplicate_dropped", &series);
}

#[test]
fn a_lost_lease_and_a_take_over_are_warnings() {
    let series = ["ttg_lease_lost_total 1"];
    check_chunk(LeaseLost { chunk: CHUNK }, "WARN", "lease_lost", &series);

    let series = ["ttg_redeliveries_total 1"];
    let event = Redelivered { chunk: CHUNK, failures: 1, silent_deliveries: 2 };
    let line = check_chunk(event, "DEBUG", "redelivered", &series);
    assert_eq!((&line["failures"], &line["silent_deliveries"]), (&json!(1), &json!(2)));
    let line = check(TakenOver { chunks: 12 }, "WARN", "taken_over", &[]);
    assert_eq!(line["chunks"], json!(12));
}

#[test]
fn faults_around_the_chunks_are_warnings() {
    let event = ActorRestarted {
        actor: ActorKind::Compute,
        reason: RestartReason::KernelPanic,
        error: "index out of bounds",
    };
    let series = [r#"ttg_actor_restarts_total{actor="compute",reason="kernel_panic"} 1"#];
    let line = check(event, "WARN", "actor_restarted", &series);
    assert_eq!((&line["actor"], &line["reason"]), (&json!("compute"), &json!("kernel_panic")));
    assert_eq!(line["error"], "index out of bounds");

    let event = BrokerLost { broker: "redis", error: "connection refused" };
    let line = check(event, "WARN", "broker_lost", &[]);
    assert_eq!((&line["broker"], &line["error"]), (&json!("redis"), &json!("connection refused")));

    let event = BrokerRecovered { broker: "redis", outage: Duration::from_secs(7) };
    let line = check(event, "WARN", "broker_recovered", &["ttg_broker_reconnects_total 1"]);
    assert_eq!((&line["broker"], &line["outage_seconds"]), (&json!("redis"), &json!(7.0)));
}
