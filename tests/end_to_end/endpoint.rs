//! `--listen`: what Prometheus and Kubernetes see of a process.

use ttg_tests::{Signal, ask, get, metric, until};

use crate::sandbox;

const LISTEN: &str = "--listen 127.0.0.1:0";

#[test]
fn a_worker_tells_what_it_does_and_what_the_queue_holds() {
    let sandbox = sandbox();
    sandbox.ttg("submit --job fast --parameters 1000 --chunk-size 10").expect_code(0);
    let mut worker = sandbox.start(&format!("worker {LISTEN}"));
    let address = worker.address();
    let said = until("the job is done", || {
        let said = get(&address, "/metrics");
        assert_eq!(said.status, 200);
        // The broker knows of the last commit a moment before the worker counts it.
        let done = [r#"ttg_queue_depth{state="done"}"#, r#"ttg_chunks_total{outcome="completed"}"#];
        done.iter().all(|series| metric(&said.body, series) == Some(100.0)).then_some(said)
    });
    let kind = "content-type: text/plain; version=0.0.4";
    assert!(said.headers.to_lowercase().contains(kind), "{}", said.headers);
    let expected = [
        (r#"ttg_chunks_total{outcome="completed"}"#, 100.0),
        ("ttg_parameters_total", 1_000.0),
        ("ttg_chunk_duration_seconds_count", 100.0),
        ("ttg_queue_wait_seconds_count", 100.0),
        (r#"ttg_queue_depth{state="ready"}"#, 0.0),
        (r#"ttg_queue_depth{state="dead"}"#, 0.0),
        (r#"ttg_actor_restarts_total{actor="compute",reason="kernel_panic"}"#, 0.0),
    ];
    for (series, value) in expected {
        assert_eq!(metric(&said.body, series), Some(value), "{series} in {}", said.body);
    }
    let handled = r#"ttg_actor_messages_total{actor="dispatcher"}"#;
    assert!(metric(&said.body, handled).is_some_and(|count| count >= 10.0), "{}", said.body);

    assert_eq!(get(&address, "/livez").body, "ok\n");
    assert_eq!(get(&address, "/readyz").body, "ok\n");
    let unknown = get(&address, "/unknown");
    assert_eq!((unknown.status, &*unknown.body), (404, "/metrics\n/livez\n/readyz\n"));
    let posted = ask(&address, "POST", "/metrics");
    assert_eq!(posted.status, 405);
    assert!(posted.headers.to_lowercase().contains("allow: get, head"), "{}", posted.headers);
    worker.signal(Signal::SIGTERM);
    worker.end().expect_code(0);
}

#[test]
fn a_worker_whose_store_is_held_up_is_alive_and_not_ready() {
    let sandbox = sandbox();
    let job = "submit --job slow --parameters 100 --chunk-size 1 --set simulate-work-ms=100";
    sandbox.ttg(job).expect_code(0);
    let mut worker = sandbox.start(&format!("worker {LISTEN} --until-complete slow"));
    let address = worker.address();
    until("it works", || (get(&address, "/readyz").status == 200).then_some(()));
    let holder = sandbox.store().hold();
    let answer = until("it notices", || {
        let answer = get(&address, "/readyz");
        (answer.status != 200).then_some(answer)
    });
    assert_eq!((answer.status, &*answer.body), (503, "the broker is away\n"));
    assert_eq!(get(&address, "/livez").body, "ok\n", "a restart would not help");
    holder.kill();
    until("it goes on", || (get(&address, "/readyz").status == 200).then_some(()));
    worker.end().expect_code(0);
}

#[test]
fn a_run_and_a_submitter_that_waits_are_watched_too() {
    let sandbox = sandbox();
    let job = "--job watched --parameters 100 --chunk-size 10 --set simulate-work-ms=20";
    let mut submitter = sandbox.start(&format!("submit --wait {job} {LISTEN}"));
    let waits = submitter.address();
    let pending = r#"ttg_job_parameters{state="pending",ttg_job="watched"}"#;
    let said = until("it is submitted", || {
        let said = get(&waits, "/metrics").body;
        metric(&said, r#"ttg_queue_depth{state="ready"}"#).filter(|ready| *ready > 0.0)?;
        Some(said)
    });
    assert_eq!(metric(&said, pending), Some(100.0), "{said}");
    assert_eq!(get(&waits, "/readyz").body, "ok\n");

    let mut run = sandbox.start(&format!("run {job} {LISTEN}"));
    let computes = run.address();
    until("it computes", || {
        let said = get(&computes, "/metrics").body;
        metric(&said, r#"ttg_chunks_total{outcome="completed"}"#).filter(|chunks| *chunks > 0.0)
    });
    run.end().expect_code(0);
    submitter.end().expect_code(0);
}

#[test]
fn a_port_that_is_taken_is_told_before_anything_is_submitted() {
    let sandbox = sandbox();
    let mut worker = sandbox.start(&format!("worker {LISTEN}"));
    let address = worker.address();
    let ended = sandbox.ttg(&format!("submit --job late --parameters 10 --listen {address}"));
    let ended = ended.expect_code(78);
    let said = format!("could not listen at {address}");
    assert!(ended.stderr.contains(&said), "{ended:#?}");
    assert!(sandbox.look("late").is_none());
    worker.signal(Signal::SIGTERM);
    worker.end().expect_code(0);
}
