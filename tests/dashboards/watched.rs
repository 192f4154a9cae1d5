//! A run on each broker, with faults that make happen what the panels are about, watched by a real
//! Prometheus. Its jobs go on when the test lets them, so that nothing is over before it was seen.

use std::fs;
use std::time::Duration;

use ttg_runtime::broker::{RabbitServer, RedisServer};
use ttg_tests::{Haste, Prometheus, Running, Sandbox, Signal, get, metric, until};

use crate::panels::queries;
use crate::places::{Embedded, Place, Served};

/// What may have been zero all the time: actors do not fail but for their kernels, mailboxes are empty
/// whenever somebody looks, and who lost a lease notices before it settles what another did.
const MAY_BE_ZERO: [&str; 3] =
    [r#"reason!~"kernel_.*""#, "ttg_actor_mailbox_depth", "ttg_duplicates_dropped_total"];

/// A worker whose broker is away answers a scrape within two seconds.
const HASTE: Haste = Haste { scrape_every: "2s500ms", fires_at_once: false };

/// A pause between two looks at a worker, each of which asks the broker, too.
const PAUSE: Duration = Duration::from_millis(50);

#[test]
fn a_run_with_faults_is_seen_on_every_panel_and_raises_its_alerts_on_embedded() {
    is_seen::<Embedded>();
}

#[test]
fn a_run_with_faults_is_seen_on_every_panel_and_raises_its_alerts_on_redis() {
    is_seen::<Served<RedisServer>>();
}

#[test]
fn a_run_with_faults_is_seen_on_every_panel_and_raises_its_alerts_on_rabbitmq() {
    is_seen::<Served<RabbitServer>>();
}

fn is_seen<P: Place>() {
    let mut run = Run::<P>::start().loses_a_worker();
    run.has_one_that_stands_still();
    if P::IS_SERVER {
        run.loses_its_broker_for_a_while();
    } else {
        run.meets_a_store_that_takes_nothing();
    }
    run.meets_poison();

    let Run { mut prometheus, place, steady, .. } = run;
    for query in queries() {
        let expression = query.expression;
        let of_servers = !P::IS_SERVER && expression.contains("ttg_broker_reconnects_total");
        let may_be_zero = MAY_BE_ZERO.iter().any(|part| expression.contains(part)) || of_servers;
        let least = if may_be_zero { ">= 0" } else { "> 0" };
        // At some time of the run. What is not a number is neither.
        let shown = format!("max_over_time(({expression})[10m:1s]) {least} # {}", query.panel);
        prometheus.reaches(&shown);
    }
    let groups = prometheus.api("rules");
    let groups = groups["data"]["groups"].as_array().unwrap();
    for rule in groups.iter().flat_map(|group| group["rules"].as_array().unwrap()) {
        assert_eq!(rule["health"], "ok", "{rule}");
    }

    // It tells the truth.
    place.sandbox().look("poisoned").unwrap().assert_complete(100, 1);
    for (state, count) in [("dead", 1), ("completed", 99), ("pending", 0)] {
        let expression = format!("ttg:job_parameters:max{{ttg_job='poisoned',state='{state}'}}");
        prometheus.reaches(&format!("{expression} == {count}"));
    }
    steady.running.signal(Signal::SIGTERM);
    steady.running.end().expect_code(0);
}

/// Two workers that are watched.
struct Run<P> {
    place: P,
    prometheus: Prometheus,
    victim: Watched,
    steady: Watched,
}

/// A worker, and where it tells its metrics.
struct Watched {
    running: Running,
    address: String,
}

impl Watched {
    /// Its spans go to a collector that is away.
    fn start(sandbox: &Sandbox, address: &str) -> Self {
        let line = format!("worker --concurrency 2 --lease 2s --listen {address}");
        let mut command = sandbox.command(&line);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
        command.env("OTEL_BSP_SCHEDULE_DELAY", "100");
        let mut running = Running::start(command, format!("ttg {line}"));
        let address = running.address();
        Self { running, address }
    }

    /// Waits until `series` is so.
    fn until(&mut self, series: &str, is_so: impl Fn(f64) -> bool) {
        until(series, || {
            let value = metric(&get(&self.address, "/metrics").body, series);
            if value.is_some_and(&is_so) {
                return Some(());
            }
            assert!(!self.running.ends_within(PAUSE), "{}", self.running);
            None
        });
    }

    fn until_done(&mut self, job: &str) {
        let pending = format!(r#"ttg_job_parameters{{state="pending",ttg_job="{job}"}}"#);
        self.until(&pending, |pending| pending == 0.0);
    }
}

impl<P: Place> Run<P> {
    fn start() -> Self {
        let place = P::start();
        let [victim, steady] = [(); 2].map(|()| Watched::start(place.sandbox(), "127.0.0.1:0"));
        let mut prometheus = Prometheus::start(&[&victim.address, &steady.address], HASTE);
        prometheus.reaches("count(ttg_broker_up == 1) == 2");
        Self { place, prometheus, victim, steady }
    }

    /// Submits a job of so many chunks, of which none ends yet.
    fn submit(&mut self, job: &str, chunks: u64) {
        let gate = self.place.sandbox().path(job);
        let (gate, options) = (gate.display(), "--chunk-size 1 --kernel gated");
        let line = format!("submit --job {job} --parameters {chunks} {options} --set gate={gate}");
        self.place.sandbox().ttg(&line).expect_code(0);
    }

    /// Submits more than one of them takes, and waits until both hold some of it.
    fn submit_to_both(&mut self, job: &str) {
        self.submit(job, 24);
        self.victim.until("ttg_in_flight", |chunks| chunks > 0.0);
        self.steady.until("ttg_in_flight", |chunks| chunks > 0.0);
    }

    /// Parameters of `job` below this end, and no others.
    fn open(&self, job: &str, below: u64) {
        fs::write(self.place.sandbox().path(job), below.to_string()).unwrap();
    }

    fn loses_a_worker(mut self) -> Self {
        self.submit_to_both("loses");
        self.prometheus.reaches("min(ttg_in_flight) > 0");
        let Watched { running, address } = self.victim;
        running.kill();
        self.victim = Watched::start(self.place.sandbox(), &address);
        self.open("loses", 12);
        self.prometheus.reaches("ttg:job_eta:seconds > 0");
        self.open("loses", 24);
        self.steady.until_done("loses");
        self
    }

    /// For longer than its lease.
    fn has_one_that_stands_still(&mut self) {
        self.submit_to_both("pauses");
        let frozen = &self.steady.running;
        until("it stands where it holds up nobody", || {
            frozen.freeze();
            let is_free = self.place.is_free_of(frozen);
            if !is_free {
                frozen.thaw();
            }
            is_free.then_some(())
        });
        self.open("pauses", 24);
        self.victim.until_done("pauses");
        // It still computes, and loses what it computes.
        self.open("pauses", 0);
        self.steady.running.thaw();
        self.steady.until("ttg_lease_lost_total", |leases| leases > 0.0);
        self.open("pauses", 24);
    }

    fn loses_its_broker_for_a_while(&mut self) {
        // Who has slots that are free asks for more, and hears of it at once.
        self.submit("outlasts", 1);
        self.place.leave();
        self.prometheus.reaches("ALERTS{alertname='TtgBrokerAway'}");
        self.place.come_back();
        self.victim.until("ttg_broker_reconnects_total", |times| times > 0.0);
        self.steady.until("ttg_broker_reconnects_total", |times| times > 0.0);
        self.open("outlasts", 1);
        self.steady.until_done("outlasts");
    }

    fn meets_a_store_that_takes_nothing(&mut self) {
        self.submit_to_both("outlasts");
        self.place.leave();
        self.open("outlasts", 24);
        let failed = r#"ttg_broker_errors_total{operation="commit"}"#;
        self.steady.until(failed, |calls| calls > 0.0);
        self.place.come_back();
        self.steady.until_done("outlasts");
    }

    fn meets_poison(&mut self) {
        let options = "--parameters 100 --chunk-size 10 --retry-delay 200ms --set panic=7";
        let line = format!("submit --job poisoned --kernel faulty {options}");
        self.place.sandbox().ttg(&line).expect_code(0);
        self.steady.until_done("poisoned");
        self.prometheus.reaches("ALERTS{alertname='TtgDeadLetters', alertstate='firing'}");
    }
}
