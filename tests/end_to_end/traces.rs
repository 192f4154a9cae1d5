//! Traces as a collector sees them, from real processes: over kills, failures and drains, and what a
//! collector that is away costs.

use std::any::Any;
use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;
use ttg_observability::traces::{ChunkTrace, SpanIds};
use ttg_runtime::broker::{RabbitSpace, RedisServer};
use ttg_runtime::{Clock, JobUid, SystemClock};
use ttg_tests::{Ended, Running, Sandbox, Signal, get, until};

use crate::collector::{Collector, Received, hex, text};
use crate::places::{Embedded, Place};
use crate::sandbox;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Spans are sent at the end of the process only, so that this shows that they are.
const AT_THE_END: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "3600000");

/// Starts `ttg` with the words of `line` and these variables.
fn start(sandbox: &Sandbox, line: &str, variables: &[(&str, &str)]) -> Running {
    let mut command = sandbox.command(line);
    command.envs(variables.iter().copied());
    Running::start(command, format!("{variables:?} ttg {line}"))
}

/// The span of the attempt number `delivery`, from 0, at chunk `chunk` of the job with this uid.
fn ids(uid: &str, chunk: u64, delivery: u64) -> SpanIds {
    let uid: JobUid = uid.parse().expect("it is a uid");
    ChunkTrace::of(*uid.as_bytes(), chunk, 0).attempt(delivery)
}

fn in_hex(ids: SpanIds) -> (String, String) {
    (ids.trace_id().to_string(), ids.span_id().to_string())
}

fn span_ids(of: &Received) -> (String, String) {
    (hex(&of.span.trace_id), hex(&of.span.span_id))
}

/// Waits until a worker that listens holds a chunk.
fn until_it_holds_a_chunk(worker: &mut Running) {
    let address = worker.address();
    until("it holds a chunk", || {
        get(&address, "/metrics").body.contains("\nttg_in_flight 1\n").then_some(())
    });
}

/// The lines of an event, of a process that logs in JSON.
fn lines(ended: &Ended, event: &str) -> Vec<Value> {
    let lines = ended.stderr.lines().map(|line| serde_json::from_str(line).expect("it is JSON"));
    lines.filter(|line: &Value| line["event"] == event).collect()
}

/// The ids that a line of the log carries.
fn line_ids(line: &Value) -> (String, String) {
    let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
    (text("trace_id"), text("span_id"))
}

/// Each broker: its name, a folder whose processes use it, and what runs it.
fn brokers() -> [(&'static str, Sandbox, Box<dyn Any>); 3] {
    fn on<P: Place + 'static>(name: &'static str) -> (&'static str, Sandbox, Box<dyn Any>) {
        let place = P::start();
        (name, place.sandbox(), Box::new(place))
    }
    [on::<Embedded>("embedded"), on::<RedisServer>("redis"), on::<RabbitSpace>("rabbitmq")]
}

#[test]
fn a_chunk_whose_worker_was_killed_is_one_trace_over_all_processes() {
    for (broker, sandbox, _server) in brokers() {
        let collector = Collector::start();
        let variables = [(ENDPOINT, collector.endpoint()), AT_THE_END];
        let submit =
            "submit --job traced --parameters 20 --chunk-size 20 --set simulate-work-ms=50";
        start(&sandbox, submit, &variables).end().expect_code(0);
        let mut victim =
            start(&sandbox, "worker --lease 2s --concurrency 1 --listen 127.0.0.1:0", &variables);
        until_it_holds_a_chunk(&mut victim);
        victim.kill();
        let line = "worker --lease 2s --until-complete traced --log-format json --log-level debug";
        let mut survivor = start(&sandbox, line, &variables);
        let worker = survivor.worker_id();
        let survivor = survivor.end().expect_code(0);

        let [submission] = &collector.spans("submit")[..] else { panic!("{broker}") };
        let report = sandbox.look("traced").expect("it was submitted");
        assert_eq!(submission.attribute("ttg.job.uid"), report.uid, "{broker}");
        let [publishing] = &collector.within(&submission.span)[..] else { panic!("{broker}") };
        assert_eq!(publishing.name, "publish");

        let [attempt] = &collector.spans("attempt")[..] else { panic!("{broker}") };
        assert_eq!(span_ids(attempt), in_hex(ids(&report.uid, 0, 1)), "{broker}");
        let (trace, silent) = in_hex(ids(&report.uid, 0, 0));
        let (of_submission, span) = span_ids(submission);
        let links = [
            ("submission".to_owned(), of_submission, span),
            ("previous_attempt".to_owned(), trace, silent),
        ];
        assert_eq!(attempt.links(), links, "{broker}: the killed one told nothing");
        for (key, value) in [
            ("ttg.job.name", "traced"),
            ("ttg.job.uid", &report.uid),
            ("ttg.worker", &worker),
            ("ttg.outcome", "completed"),
            ("ttg.suspect", "true"),
            ("ttg.delivery", "2"),
            ("ttg.attempt", "1"),
            ("ttg.silent_deliveries", "1"),
            ("ttg.range.end", "20"),
        ] {
            assert_eq!(attempt.attribute(key), value, "{broker}: {key}");
        }
        assert_eq!(attempt.of_process("service.name"), "ttg");
        assert_eq!(attempt.of_process("service.instance.id"), worker);
        assert_stages(&collector, attempt, ["queue_wait", "dispatch", "compute", "commit"]);
        let compute = &collector.spans("compute")[0];
        assert_eq!(compute.attribute("ttg.isolated"), "true", "{broker}");
        let took = compute.span.end_time_unix_nano - compute.span.start_time_unix_nano;
        assert!(took >= 1_000_000_000, "{broker}: 20 times 50 ms took {took} ns");

        for event in ["redelivered", "chunk_completed"] {
            let [line] = &lines(&survivor, event)[..] else { panic!("{broker}: {survivor:#?}") };
            assert_eq!(line_ids(line), span_ids(attempt), "{broker}: {line}");
        }
    }
}

/// The stages of an attempt are these, and fill it from its beginning to its end.
#[track_caller]
fn assert_stages(collector: &Collector, attempt: &Received, names: [&str; 4]) {
    let stages = collector.within(&attempt.span);
    assert_eq!(stages.iter().map(|stage| &*stage.name).collect::<Vec<_>>(), names);
    let mut at = attempt.span.start_time_unix_nano;
    for stage in &stages {
        assert_eq!(stage.start_time_unix_nano, at, "{stage:#?}");
        at = stage.end_time_unix_nano;
    }
    assert_eq!(at, attempt.span.end_time_unix_nano);
}

/// Of its two chunks one has a parameter that panics.
const POISONED: &str = "run --job poisoned --kernel deadly --set panic=50 --parameters 200 \
                        --chunk-size 100 --retry-delay 1ms --log-format json --json";

#[test]
fn failures_and_dead_letters_are_told_with_their_reasons_and_each_try_points_to_the_last() {
    let (sandbox, collector) = (sandbox(), Collector::start());
    let outer = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let variables = [(ENDPOINT, collector.endpoint()), AT_THE_END, ("TRACEPARENT", outer)];
    let ended = start(&sandbox, POISONED, &variables).end().expect_code(3);
    let uid = ended.report().uid;

    let [submission] = &collector.spans("run")[..] else { panic!("{ended:#?}") };
    assert_eq!(hex(&submission.span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&submission.span.parent_span_id), "00f067aa0ba902b7");

    let attempts = collector.spans("attempt");
    let of = |chunk: &str| {
        let of_chunk = attempts.iter().filter(move |it| it.attribute("ttg.chunk") == chunk);
        of_chunk.collect::<Vec<_>>()
    };
    let [first, second, last] = of("0")[..] else { panic!("{attempts:#?}") };
    for (delivery, attempt) in [first, second, last].into_iter().enumerate() {
        let delivery = delivery as u64;
        assert_eq!(span_ids(attempt), in_hex(ids(&uid, 0, delivery)));
        let previous = delivery.checked_sub(1).map(|delivery| in_hex(ids(&uid, 0, delivery)));
        let link = attempt.links().into_iter().find(|(meaning, ..)| meaning == "previous_attempt");
        assert_eq!(link.map(|(_, trace, span)| (trace, span)), previous);
        let status = attempt.span.status.as_ref().expect("there is one");
        assert_eq!(status.code, 2, "an error: {status:?}");
    }
    for failed in [first, second] {
        assert_eq!(failed.attribute("ttg.outcome"), "failed");
        assert_stages(&collector, failed, ["queue_wait", "dispatch", "compute", "nack"]);
        let [event] = &failed.span.events[..] else { panic!("{failed:#?}") };
        assert_eq!(event.name, "exception");
        assert_eq!(text(&event.attributes, "exception.type"), "panic");
        assert!(text(&event.attributes, "exception.message").contains("50 is poison"), "{event:?}");
    }
    assert_eq!(last.attribute("ttg.outcome"), "completed");
    assert_eq!(last.attribute("ttg.parameters.dead"), "1");
    let [event] = &last.span.events[..] else { panic!("{last:#?}") };
    assert_eq!(event.name, "dead_letter");
    assert_eq!(text(&event.attributes, "ttg.range.start"), "50");
    assert_eq!(text(&event.attributes, "ttg.range.end"), "51");
    assert!(text(&event.attributes, "exception.message").contains("50 is poison"), "{event:?}");

    let [fine] = of("1")[..] else { panic!("{attempts:#?}") };
    assert_eq!(fine.attribute("ttg.outcome"), "completed");
    assert_stages(&collector, fine, ["queue_wait", "dispatch", "compute", "commit"]);

    let told: Vec<_> = lines(&ended, "chunk_failed").iter().map(line_ids).collect();
    assert_eq!(told, [first, second].map(span_ids));
    let told: Vec<_> = lines(&ended, "chunk_completed").iter().map(line_ids).collect();
    assert_eq!(told, [span_ids(last)], "at this level of the log, with its dead letters");
}

#[test]
fn with_the_sampler_off_only_what_failed_is_exported() {
    let (sandbox, collector) = (sandbox(), Collector::start());
    let off = ("OTEL_TRACES_SAMPLER", "always_off");
    let variables = [(ENDPOINT, collector.endpoint()), AT_THE_END, off];
    start(&sandbox, POISONED, &variables).end().expect_code(3);
    let chunks: Vec<_> =
        collector.spans("attempt").iter().map(|it| it.attribute("ttg.chunk")).collect();
    assert_eq!(chunks, ["0", "0", "0"]);
    assert_eq!(collector.names().len(), 3 * 5, "{:?}", collector.names());
}

#[test]
fn what_a_drain_gives_back_is_sent_before_the_process_ends() {
    let (sandbox, collector) = (sandbox(), Collector::start());
    let variables = [(ENDPOINT, collector.endpoint()), AT_THE_END];
    let submit = "submit --job long --parameters 1000 --chunk-size 1000 --set simulate-work-ms=50";
    sandbox.ttg(submit).expect_code(0);
    let mut worker = start(&sandbox, "worker --concurrency 1 --listen 127.0.0.1:0", &variables);
    until_it_holds_a_chunk(&mut worker);
    worker.signal(Signal::SIGTERM);
    worker.end().expect_code(0);
    let [attempt] = &collector.spans("attempt")[..] else { panic!("{:?}", collector.names()) };
    assert_eq!(attempt.attribute("ttg.outcome"), "given_back");
    assert_eq!(attempt.attribute("ttg.job.name"), "", "its submission was not traced");
    assert_eq!(attempt.links(), []);
    let stages: Vec<_> =
        collector.within(&attempt.span).into_iter().map(|stage| stage.name).collect();
    assert_eq!(stages.last().map(String::as_str), Some("give_back"), "{stages:?}");
}

#[test]
fn dead_letters_that_are_tried_again_have_a_trace_of_their_own() {
    let (sandbox, collector) = (sandbox(), Collector::start());
    let mended = sandbox.path("mended");
    let job = format!(
        "run --job mends --kernel deadly --set error=7 --set mended-by={} --parameters 10 \
         --max-attempts 1",
        mended.display()
    );
    sandbox.ttg(&job).expect_code(3);
    fs::write(mended, "").expect("the folder is ours");
    let variables = [(ENDPOINT, collector.endpoint()), AT_THE_END];
    start(&sandbox, "dlq retry mends", &variables).end().expect_code(0);
    start(&sandbox, "worker --until-complete mends", &variables).end().expect_code(0);
    let [submission] = &collector.spans("dlq retry")[..] else { panic!("{:?}", collector.names()) };
    let [attempt] = &collector.spans("attempt")[..] else { panic!("{:?}", collector.names()) };
    let (trace, span) = span_ids(submission);
    assert_eq!(attempt.links(), [("submission".to_owned(), trace, span)]);
    assert_eq!(attempt.attribute("ttg.generation"), "1");
    assert_eq!(attempt.attribute("ttg.outcome"), "completed");
}

#[test]
fn a_collector_that_is_away_or_silent_holds_up_nothing_but_the_end_and_that_for_a_moment() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address =
        |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("it is bound"));
    let (to_silent, to_gone) = (address(&silent), address(&gone));
    drop(gone);
    for endpoint in [to_gone, to_silent] {
        let sandbox = sandbox();
        let line = "run --job alone --parameters 100000 --chunk-size 10 --json";
        let mut running = start(&sandbox, line, &[(ENDPOINT, &endpoint)]);
        running.until_line("event=completed");
        let completed = SystemClock.now();
        let ended = running.end().expect_code(0);
        let took = SystemClock.now().since(completed);
        // A batch has 10 s by default, and there are several.
        assert!(took < Duration::from_secs(6), "{took:?} for {endpoint}: {ended:#?}");
        assert!(ended.stderr.contains("event=traces_"), "{ended:#?}");
        // Of 10 000 attempts few have room in the queue: that is told at each power of two.
        let full = ended.stderr.matches("the queue of spans is full").count();
        assert!((10..=14).contains(&full), "told {full} times: {ended:#?}");
        let told = ended.stderr.matches("event=traces_").count() - full;
        assert!((1..=6).contains(&told), "told {told} times: {ended:#?}");
        ended.report().assert_complete(100_000, 0);
    }
}

/// Whether a process has the thread that sends spans.
fn sends_spans(process: &Running) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.id())).expect("it runs");
    let names =
        tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.into_iter().any(|name| name.starts_with("OpenTelemetry"))
}

#[test]
fn nothing_is_started_unless_it_is_asked_for() {
    let sandbox = sandbox();
    let endpoint = (ENDPOINT, "http://127.0.0.1:4317");
    let table: [(&[(&str, &str)], bool); 4] = [
        (&[], false),
        (&[endpoint, ("OTEL_SDK_DISABLED", "true")], false),
        (&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], false),
        (&[endpoint], true),
    ];
    for (variables, sends) in table {
        let mut worker = start(&sandbox, "worker", variables);
        worker.until_line("event=running");
        assert_eq!(sends_spans(&worker), sends, "{variables:?}");
        worker.signal(Signal::SIGTERM);
        worker.end().expect_code(0);
    }
}

#[test]
fn a_variable_that_does_not_fit_is_told_before_anything_is_submitted() {
    let sandbox = sandbox();
    for (endpoint, name, value) in [
        ("http://127.0.0.1:4317", "OTEL_TRACES_SAMPLER", "dice"),
        ("http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("http://:not a host", "OTEL_SERVICE_NAME", "endpoint"),
    ] {
        let variables = [(ENDPOINT, endpoint), (name, value)];
        let ended = start(&sandbox, "submit --job wrong --parameters 10", &variables).end();
        let ended = ended.expect_code(78);
        let said = ended.stderr.contains(value) && ended.stderr.contains("hint: ");
        assert!(said && ended.stderr.contains("traces could not start"), "{ended:#?}");
        assert!(sandbox.look("wrong").is_none());
    }
}
