//! What does it cost to be watched? The time that metrics and traces take of the life of one chunk, and
//! its share of 50 µs, which a chunk has when 20 000 of them are done in a second; the aim is 1 %.
//!
//! A chunk that is alone has the eight messages of its life told, handled and timed for it only, and so
//! its receive and its commit. A worker that does 20 000 in a second settles every 4 ms, 80 at once, and
//! hands out and receives as many; here 20 share them. Reading the clock is a part of it. The log is at
//! its default level and goes nowhere.
//! With traces on, a collector is named that is not there: the queue has room for all spans, or is full
//! of what cannot be sent, as it would be after some tenths of a second.
//!
//! `cargo bench -p ttg-observability --bench watching`

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so by a panic")]

use std::hint::black_box;
use std::io;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use ttg_observability::events::{ChunkCompleted, ChunkRef, Event};
use ttg_observability::metrics::{ActorKind, BrokerOperation, Metrics};
use ttg_observability::traces::{Attempt, ChunkTrace, Course, Ending, Remote, TracesConfig};
use ttg_observability::{Identity, LogConfig, LogFilter, LogFormat, Traces, telemetry};

const ROUNDS: usize = 11;
/// A chunk's at 20 000 in a second.
const BUDGET: Duration = Duration::from_micros(50);
const JOB: [u8; 16] = [7; 16];
/// Whom a chunk's life sends messages, one after the other.
const MESSAGES: [ActorKind; 8] = [
    ActorKind::Dispatcher,
    ActorKind::LeaseKeeper,
    ActorKind::Compute,
    ActorKind::Dispatcher,
    ActorKind::ResultSink,
    ActorKind::ResultSink,
    ActorKind::Dispatcher,
    ActorKind::LeaseKeeper,
];

fn main() {
    let log = LogConfig::new(LogFormat::Text, LogFilter::default(), Identity::default());
    telemetry::init(log.writer(io::sink)).unwrap();
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    let runtime = threads.worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let metrics = Metrics::new("1.2.3", "abc");

    println!("medians of {ROUNDS} rounds   ns per chunk   share of {BUDGET:?}");
    tell("metrics, alone", || timed(200_000, |chunk| count(&metrics, chunk, 1)));
    tell("metrics, 20 at once", || timed(200_000, |chunk| count(&metrics, chunk, 20)));
    tell("traces off", || timed(200_000, |chunk| trace(None, chunk)));
    let sampled = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.01")];
    for (what, attempts, variables) in [
        ("traces, 1 % sampled", 200_000, &sampled[..]),
        ("traces, queue full", 200_000, &[("OTEL_BSP_MAX_QUEUE_SIZE", "5")]),
        ("traces, all kept", 20_000, &[("OTEL_BSP_MAX_QUEUE_SIZE", "100000")]),
    ] {
        tell(what, || {
            let traces = traces(variables, &metrics);
            let each = timed(attempts, |chunk| trace(Some(&traces), chunk));
            traces.end(Duration::ZERO);
            each
        });
    }
}

/// All observations of one chunk, of which so many share their messages and calls.
fn count(metrics: &Metrics, chunk: u64, sharing: u64) {
    if chunk.is_multiple_of(sharing) {
        count_shared(metrics, chunk);
    }
    let took = Duration::from_nanos(chunk);
    metrics.queue_wait().observe(took);
    let job = uid();
    let chunk = ChunkRef { job: &job, index: chunk, generation: 0, span: None };
    let completed = ChunkCompleted { chunk, completed: 1, dead: 0, error: "", duration: took };
    completed.emit(metrics);
}

fn count_shared(metrics: &Metrics, chunk: u64) {
    for actor in MESSAGES {
        metrics.mailbox_depth(actor).add(1);
        metrics.mailbox_depth(actor).sub(1);
        metrics.actor_messages(actor).add(1);
        let began = now();
        if actor == ActorKind::Dispatcher {
            metrics.in_flight().set(chunk);
        }
        metrics.actor_handle(actor).observe(began.elapsed());
    }
    for operation in [BrokerOperation::Receive, BrokerOperation::Commit] {
        let began = now();
        metrics.broker_operation(operation).observe(began.elapsed());
        metrics.broker_up().set(1);
    }
}

fn trace(traces: Option<&Traces>, chunk: u64) {
    let Some(traces) = black_box(traces) else { return };
    let moment = Duration::from_micros(5);
    traces.attempt(&Attempt {
        trace: ChunkTrace::of(JOB, chunk, 0),
        submission: Remote {
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            tracestate: Some("ttg=nightly"),
        },
        job: &uid(),
        chunk,
        generation: 0,
        range: (chunk, chunk + 1),
        kernel: "reference",
        worker: "ttg-worker-7d4-x2k9f-3f9a1c",
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
        ending: Ending::Committed { completed: 1, dead: 0, dead_letters: &[], dead_runs: 0 },
    });
}

/// The job's uid as text, which is made for each chunk.
fn uid() -> String {
    format!("{:032x}", u128::from_be_bytes(black_box(JOB)))
}

/// To a collector that is not there.
fn traces(variables: &[(&str, &str)], metrics: &Metrics) -> Traces {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{gone}");
    let look_up = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        let endpoint = (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then_some(&*endpoint);
        found.map(|(_, value)| *value).or(endpoint).map(str::to_owned)
    };
    let config = TracesConfig::from_variables(&look_up).unwrap().unwrap();
    Traces::start(config, &Identity::default(), "1.2.3", metrics).unwrap()
}

/// The time that `life` takes of each of so many chunks.
fn timed(chunks: u64, life: impl Fn(u64)) -> f64 {
    let began = now();
    (0..chunks).for_each(life);
    began.elapsed().as_secs_f64() / chunks as f64
}

fn tell(what: &str, round: impl Fn() -> f64) {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort_by(f64::total_cmp);
    let each = rounds[ROUNDS / 2];
    let share = each / BUDGET.as_secs_f64() * 100.0;
    println!("{what:20}   {:12.0}   {share:13.2} %", each * 1e9);
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}
