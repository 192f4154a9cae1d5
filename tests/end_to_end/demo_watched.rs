//! `ttg demo` with the stack's configuration: the kill is in metrics, in an alert and in traces.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;

use serde_json::Value;
use ttg_tests::{Haste, Prometheus, Running, stack};

use crate::collector::{Collector, Received, hex};
use crate::demo::command;
use crate::sandbox;

/// Below the ports that systems hand out, so that nobody takes one meanwhile.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The stack gives a worker five minutes to come back, in which a demonstration is over.
const HASTE: Haste = Haste { scrape_every: "1s", fires_at_once: true };

const WORKERS: u16 = 3;

#[test]
fn the_kill_is_seen_in_metrics_alerts_and_traces_on_embedded() {
    is_seen("");
}

#[test]
fn the_kill_is_seen_in_metrics_alerts_and_traces_on_redis() {
    is_seen("--start-broker redis");
}

#[test]
fn the_kill_is_seen_in_metrics_alerts_and_traces_on_rabbitmq() {
    is_seen("--start-broker rabbitmq");
}

/// The first of as many ports in a row that are free.
fn free_ports() -> u16 {
    // Of the tests that run at a time each begins elsewhere.
    let start = u16::try_from(std::process::id() % 1_000).expect("it is small") * 12;
    let (start, end) = (PORTS.start + start, PORTS.end - WORKERS);
    let is_free = |first: &u16| {
        (*first..first + WORKERS).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
    };
    (start..end).step_by(WORKERS.into()).find(is_free).expect("some ports are free")
}

fn is_seen(place: &str) {
    let (sandbox, collector, first) = (sandbox(), Collector::start(), free_ports());
    let addresses = [0, 1, 2].map(|next| format!("127.0.0.1:{}", first + next));
    let [_, _, victim] = &addresses;
    let mut prometheus = Prometheus::start(&addresses.each_ref().map(String::as_str), HASTE);
    let line = format!("--concurrency 3 --listen {} --json {place}", addresses[0]);
    let mut demo = command(&sandbox, &line);
    demo.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    demo.env("OTEL_BSP_SCHEDULE_DELAY", "100");
    let mut demo = Running::start(demo, format!("ttg demo {line}"));
    demo.until_line(&format!(", which listened at {victim}, at "));
    let report = demo.end().expect_code(0).stdout;
    let report: Value = serde_json::from_str(&report).expect("it is one object");
    assert_eq!(report["equal"], true, "{report:#}");

    // Of three that were up one is not, and the two others take its chunks.
    let alert = "alertname='TtgWorkerDown',alertstate='firing'";
    for happened in [
        "sum(up{job='ttg'}) == 3".to_owned(),
        format!("sum(up) == 2 and on () ALERTS{{{alert},instance='{victim}'}}"),
        format!("sum(ttg_redeliveries_total{{instance!='{victim}'}}) > 0"),
    ] {
        prometheus.reaches(&format!("max_over_time(({happened})[10m:1s])"));
    }
    assert_traced(&collector);
}

/// What the killed worker held has a trace of its own for each chunk: its next delivery, to another
/// process, which links to the one that told nothing.
fn assert_traced(collector: &Collector) {
    let attempts = collector.spans("attempt");
    let (taken_over, others): (Vec<_>, Vec<_>) =
        attempts.iter().partition(|attempt: &&Received| attempt.attribute("ttg.suspect") == "true");
    let first = taken_over.first().expect("the killed worker held something");
    let job = first.attribute("ttg.job.uid");
    let of_job = || others.iter().copied().filter(|it| it.attribute("ttg.job.uid") == job);
    let process = |attempt: &Received| attempt.of_process("service.instance.id");
    let all: BTreeSet<_> = of_job().map(process).collect();
    let alive = of_job()
        .filter(|attempt| attempt.span.end_time_unix_nano > first.span.start_time_unix_nano);
    let alive: BTreeSet<_> = alive.map(process).collect();
    assert_eq!((all.len(), alive.len()), (3, 2), "{all:?} {alive:?}");
    for attempt in taken_over {
        assert_eq!(attempt.attribute("ttg.job.uid"), job);
        assert!(alive.contains(&process(attempt)), "{attempt:#?}");
        assert_eq!(attempt.attribute("ttg.silent_deliveries"), "1");
        assert_eq!(attempt.attribute("ttg.outcome"), "completed");
        let links = attempt.links();
        let [(submission, ..), (previous, trace, span)] = &links[..] else { panic!("{links:?}") };
        assert_eq!((submission.as_str(), previous.as_str()), ("submission", "previous_attempt"));
        assert_eq!(*trace, hex(&attempt.span.trace_id));
        let told = attempts.iter().any(|other| hex(&other.span.span_id) == *span);
        assert!(!told, "{attempt:#?}");
        let stages = collector.within(&attempt.span);
        let stages: Vec<_> = stages.iter().map(|stage| &*stage.name).collect();
        assert_eq!(stages, ["queue_wait", "dispatch", "compute", "commit"]);
    }
}

#[test]
fn ports_that_cannot_be_had_are_told_before_anything_is_started() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = listener.local_addr().expect("it is bound");
    for (address, told, code) in [
        (taken.to_string(), "could not listen at", 78),
        ("127.0.0.1:65534".to_owned(), "too few ports after it", 78),
        ("127.0.0.1:0".to_owned(), "an address of this machine and a port", 2),
    ] {
        let ended = sandbox().ttg(&format!("demo --listen {address}")).expect_code(code);
        assert!(ended.stderr.contains(told), "{ended:#?}");
        assert!(!ended.stderr.contains("1 of 2"), "{ended:#?}");
    }
}

#[test]
fn the_stack_looks_for_workers_of_a_demonstration_where_its_readme_starts_them() {
    let read = |name: &str| fs::read_to_string(stack().join(name)).expect("it is there");
    let readme = read("README.md");
    assert!(readme.contains("ttg demo --listen 127.0.0.1:9464\n"), "{readme}");
    assert!(readme.contains("cp demo-targets.yml targets/"), "{readme}");
    let listed = read("prometheus/targets/local.yml") + &read("prometheus/demo-targets.yml");
    let next = |port: u16| format!("localhost:{}", 9_464 + port);
    let found: Vec<_> = listed.matches("localhost:").collect();
    assert_eq!(found.len(), usize::from(WORKERS), "{listed}");
    assert!((0..WORKERS).all(|port| listed.contains(&next(port))), "{listed}");
}
