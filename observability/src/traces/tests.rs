use std::sync::{Mutex, mpsc};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use super::*;
use crate::telemetry::LogFormat;
use crate::telemetry::capture::{capture, identity};

const JOB: [u8; 16] = [7; 16];

/// Keeps what it is given, or refuses it.
#[derive(Debug, Clone, Default)]
struct Kept {
    spans: Arc<Mutex<Vec<SpanData>>>,
    refuses: bool,
    /// Each export waits for a word here, if there is one.
    gate: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
}

impl opentelemetry_sdk::trace::SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        if let Some(gate) = &*self.gate.lock().unwrap() {
            gate.recv().ok();
        }
        if self.refuses {
            return Err(OTelSdkError::InternalFailure("the collector is away".into()));
        }
        self.spans.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Kept {
    fn names(&self) -> Vec<String> {
        self.spans.lock().unwrap().iter().map(|span| span.name.to_string()).collect()
    }
}

fn traces(variables: &[(&str, &str)], exporter: &Kept, metrics: &Metrics) -> Traces {
    let look_up = |name: &str| {
        if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
            return Some("http://localhost:4317".to_owned());
        }
        let found = variables.iter().find(|(variable, _)| *variable == name)?;
        Some(found.1.to_owned())
    };
    let config = TracesConfig::from_variables(&look_up).unwrap().unwrap();
    Traces::into_exporter(exporter.clone(), config, &identity(), "1.2.3", metrics)
}

fn metrics() -> Metrics {
    Metrics::new("1.2.3", "abc")
}

fn attempt(chunk: u64, ending: Ending<'_>) -> Attempt<'_> {
    let moment = Duration::from_millis(1);
    Attempt {
        trace: ChunkTrace::of(JOB, chunk, 0),
        submission: Remote::default(),
        job: "07",
        chunk,
        generation: 0,
        range: (0, 1),
        kernel: "reference",
        worker: "w-1",
        failures: 0,
        silent_deliveries: 0,
        give_backs: 0,
        suspect: false,
        isolated: false,
        course: Course {
            queue_wait: moment,
            dispatch: moment,
            compute: Some(moment),
            settle: Some(moment),
        },
        ending,
    }
}

const FINE: Ending<'static> =
    Ending::Committed { completed: 1, dead: 0, dead_letters: &[], dead_runs: 0 };
const LOST: Ending<'static> = Ending::LeaseLost;

/// How many of 1 000 chunks are exported.
fn exported(variables: &[(&str, &str)], ending: Ending<'_>) -> usize {
    let (kept, metrics) = (Kept::default(), metrics());
    let queue = [("OTEL_BSP_MAX_QUEUE_SIZE", "5000")];
    let traces = traces(&[variables, &queue].concat(), &kept, &metrics);
    (0..1_000).for_each(|chunk| traces.attempt(&attempt(chunk, ending)));
    traces.end(Duration::from_mins(1));
    assert_eq!(metrics.spans_dropped().get(), 0);
    kept.names().iter().filter(|name| *name == "attempt").count()
}

/// Which times were told that spans are dropped.
fn failures(lines: &[String]) -> Vec<u64> {
    let of = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
    lines.iter().map(of).map(|line| line["failures"].as_u64().unwrap()).collect()
}

#[test]
fn the_sampler_decides_by_chunk_and_failures_are_exported_anyhow() {
    let sampler = |name| ("OTEL_TRACES_SAMPLER", name);
    assert_eq!(exported(&[], FINE), 1_000);
    assert_eq!(exported(&[sampler("always_off")], FINE), 0);
    assert_eq!(exported(&[sampler("always_off")], LOST), 1_000);
    let ratio = [sampler("parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.2")];
    let some = exported(&ratio, FINE);
    assert!((150..250).contains(&some), "{some} of a fifth of 1 000");
    assert_eq!(exported(&ratio, FINE), some, "every process decides the same");
}

#[test]
fn a_full_queue_drops_whole_trees_counts_and_tells_them_and_nobody_waits() {
    let (open, gate) = mpsc::channel();
    let kept = Kept { gate: Arc::new(Mutex::new(Some(gate))), ..Kept::default() };
    let metrics = metrics();
    let traces = traces(&[("OTEL_BSP_MAX_QUEUE_SIZE", "12")], &kept, &metrics);
    let lines = capture(LogFormat::Json, identity(), || {
        // The exporter is shut, so this ends only if nobody waits for it.
        (0..100).for_each(|chunk| traces.attempt(&attempt(chunk, FINE)));
    });
    assert_eq!(metrics.spans_dropped().get(), 98 * 5, "two trees of five fit");
    assert_eq!(failures(&lines), [1, 2, 4, 8, 16, 32, 64]);
    assert!(lines[0].contains("the queue of spans is full"), "{}", lines[0]);
    drop(open);
    traces.end(Duration::from_mins(1));
    let mut names = kept.names();
    names.sort_unstable();
    let tree = ["attempt", "commit", "compute", "dispatch", "queue_wait"];
    assert_eq!(names, tree.iter().flat_map(|name| [*name; 2]).collect::<Vec<_>>());
}

#[test]
fn the_queue_has_room_again_for_what_was_announced_and_not_sent() {
    let (kept, metrics) = (Kept::default(), metrics());
    let traces = traces(&[("OTEL_BSP_MAX_QUEUE_SIZE", "6")], &kept, &metrics);
    let unsettled = |chunk| {
        let fine = attempt(chunk, LOST);
        let course = Course { compute: None, settle: None, ..fine.course };
        Attempt { course, ..fine }
    };
    // Three spans each, and five are announced for the second one.
    traces.attempt(&unsettled(1));
    traces.send(3, || unsettled(2).spans(wall_clock()));
    assert_eq!(metrics.spans_dropped().get(), 0);
    traces.end(Duration::from_mins(1));
    assert_eq!(kept.names().len(), 6);
}

#[test]
fn the_end_waits_for_a_silent_collector_no_longer_than_it_may() {
    let (open, gate) = mpsc::channel::<()>();
    let kept = Kept { gate: Arc::new(Mutex::new(Some(gate))), ..Kept::default() };
    let traces = traces(&[], &kept, &metrics());
    traces.attempt(&attempt(1, FINE));
    // It would be for ever.
    traces.end(Duration::from_millis(20));
    assert_eq!(kept.names(), [""; 0]);
    drop(open);
}

#[test]
fn what_a_collector_refuses_is_counted_and_told_ever_more_seldom() {
    let kept = Kept { refuses: true, ..Kept::default() };
    let metrics = metrics();
    let exporter = kept.clone();
    let lines = capture(LogFormat::Json, identity(), || {
        // Here and not in a thread of its own, whose log would be another.
        let told = pipeline::told_for_tests(exporter, &metrics);
        let batch = || attempt(1, FINE).spans(wall_clock());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for _ in 0..9 {
            let export = opentelemetry_sdk::trace::SpanExporter::export(&told, batch());
            runtime.block_on(export).unwrap();
        }
    });
    assert_eq!(metrics.spans_dropped().get(), 9 * 5);
    assert_eq!(failures(&lines), [1, 2, 4, 8]);
    assert!(lines[0].contains("the collector is away"), "{}", lines[0]);
}

#[test]
fn the_process_is_described_and_variables_have_the_last_word() {
    let of = |service: Option<&str>, attributes: &[(&str, &str)]| {
        let attributes = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        describe(service.map(str::to_owned), attributes.collect(), &identity(), "1.2.3")
    };
    let value = |resource: &Resource, key: &'static str| {
        resource.get(&opentelemetry::Key::new(key)).map(|value| value.to_string())
    };
    let plain = of(None, &[]);
    for (key, expected) in [
        ("service.name", "ttg"),
        ("service.version", "1.2.3"),
        ("service.instance.id", "ttg-worker-7d4-x2k9f-3f9a1c"),
        ("host.name", "kind-worker2"),
        ("k8s.pod.name", "ttg-worker-7d4-x2k9f"),
        ("k8s.node.name", "kind-worker2"),
    ] {
        assert_eq!(value(&plain, key).as_deref(), Some(expected), "{key}");
    }
    let attributes = [("service.name", "b"), ("host.name", "c")];
    let given = of(None, &attributes);
    assert_eq!(value(&given, "service.name").as_deref(), Some("b"));
    assert_eq!(value(&given, "host.name").as_deref(), Some("c"));
    assert_eq!(value(&of(Some("a"), &attributes), "service.name").as_deref(), Some("a"));
}

const JOB_OF_TESTS: SubmittedJob<'static> =
    SubmittedJob { name: "nightly", uid: "07", kernel: "primes", parameters: 100, chunks: 10 };

/// The spans of a submission, and the headers that its chunks carry.
fn submitted(
    variables: &[(&str, &str)],
    parent: Remote<'_>,
    ended: Option<Result<(), &str>>,
) -> (Vec<SpanData>, Headers) {
    let kept = Kept::default();
    let traces = traces(variables, &kept, &metrics());
    let mut submission = traces.submission("submit", parent);
    let headers = submission.publishes(JOB_OF_TESTS);
    if let Some(ended) = ended {
        submission.ended(ended.err());
    }
    drop(submission);
    traces.end(Duration::from_mins(1));
    let spans = kept.spans.lock().unwrap().clone();
    (spans, headers)
}

#[test]
fn a_submission_publishes_within_its_span_and_its_chunks_name_it() {
    let (spans, headers) = submitted(&[], Remote::default(), Some(Ok(())));
    let [submission, publishing] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((&*submission.name, &*publishing.name), ("submit", "publish"));
    assert_eq!(publishing.parent_span_id, submission.span_context.span_id());
    assert_eq!(publishing.span_context.trace_id(), submission.span_context.trace_id());
    let named = Remote { traceparent: Some(&headers.traceparent), tracestate: None };
    let named = named.span_context().unwrap();
    assert_eq!(named.span_id(), submission.span_context.span_id());
    assert_eq!(named.trace_id(), submission.span_context.trace_id());
    assert!(named.is_sampled());
    assert_eq!(headers.tracestate, "ttg=nightly");
}

#[test]
fn a_submission_is_part_of_the_trace_that_it_was_started_in() {
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let (sampled, not) = (format!("00-{trace}-{span}-01"), format!("00-{trace}-{span}-00"));
    let parent = |traceparent| Remote {
        traceparent: Some(traceparent),
        tracestate: Some("ttg=older,rojo=00f067aa0ba902b7"),
    };
    let (spans, headers) = submitted(&[], parent(&sampled), Some(Ok(())));
    assert_eq!(spans[0].span_context.trace_id().to_string(), trace);
    assert_eq!(spans[0].parent_span_id.to_string(), span);
    assert!(spans[0].parent_span_is_remote);
    assert_eq!(headers.tracestate, "ttg=nightly,rojo=00f067aa0ba902b7");

    let (spans, headers) = submitted(&[], parent(&not), Some(Ok(())));
    assert_eq!(spans, [], "its parent is not sampled");
    assert!(headers.traceparent.ends_with("-00"), "{headers:?}");
    let always = [("OTEL_TRACES_SAMPLER", "always_on")];
    assert_eq!(submitted(&always, parent(&not), Some(Ok(()))).0.len(), 2);
}

#[test]
fn a_submission_that_fails_or_is_cut_short_is_told_whatever_the_sampler_says() {
    let off = [("OTEL_TRACES_SAMPLER", "always_off")];
    assert_eq!(submitted(&off, Remote::default(), Some(Ok(()))).0, []);
    for (ended, status) in [(Some(Err("no room")), "no room"), (None, "it was cut short")] {
        let (spans, _) = submitted(&off, Remote::default(), ended);
        let expected = opentelemetry::trace::Status::error(status);
        assert_eq!(spans.iter().map(|span| &span.status).collect::<Vec<_>>(), [&expected; 2]);
    }
}
