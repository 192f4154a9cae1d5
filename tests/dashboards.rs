//! Dashboards and alerts that cannot rot: their rules are checked and tried by `promtool`, and every
//! query is asked of a real Prometheus that watched real workers, one of which was killed.

#![expect(clippy::unwrap_used, reason = "what cannot be looked at fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use ttg_observability::metrics::{Metric, MetricKind};
use ttg_tests::{Prometheus, Sandbox, Signal, stack, until};

/// A panel's title, in its dashboard, and a query of it.
struct Query {
    panel: String,
    expression: String,
}

/// Every query of every panel, with the dashboards' variables filled in.
fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for entry in fs::read_dir(stack().join("grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                let filled = [("$__rate_interval", "1m"), ("$__range", "1h")];
                let filled = filled.into_iter().chain([("$job", ".*"), ("$instance", ".*")]);
                let expression =
                    filled.fold(expression.to_owned(), |text, (name, to)| text.replace(name, to));
                let panel = format!("{} › {title}", dashboard["title"].as_str().unwrap());
                queries.push(Query { panel, expression });
            }
        }
    }
    assert!(queries.len() > 20, "{} queries", queries.len());
    queries
}

/// The names of TTG's metrics and of recorded series in `text`.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c| !is_part(c));
    let of_ttg = |word: &&str| word.starts_with("ttg_") || word.starts_with("ttg:");
    // That one is a label.
    words.filter(of_ttg).filter(|word| *word != "ttg_job").map(String::from).collect()
}

/// The names under which Prometheus has the metrics of the catalogue.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for metric in Metric::ALL {
        let name = metric.name();
        match metric.kind() {
            MetricKind::Histogram => {
                known.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")));
            }
            MetricKind::Counter | MetricKind::Gauge => drop(known.insert(name.to_owned())),
        }
    }
    known
}

fn rules() -> String {
    fs::read_to_string(stack().join("prometheus/rules.yml")).unwrap()
}

/// The names that `rules.yml` records or alerts by.
fn named(rules: &str, kind: &str) -> BTreeSet<String> {
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix(kind));
    names.map(|name| name.trim().to_owned()).collect()
}

#[track_caller]
fn promtool(arguments: &[&str]) {
    let folder = stack().join("prometheus");
    let output = Command::new("promtool").args(arguments).current_dir(folder).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
}

#[test]
fn the_configuration_is_valid_and_each_alert_fires_when_it_should() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "rules.yml"]);
    promtool(&["test", "rules", "rules_test.yml"]);
    // Each is in the tests twice at least: it fires, and it does not.
    let tests = fs::read_to_string(stack().join("prometheus/rules_test.yml")).unwrap();
    for alert in named(&rules(), "- alert:") {
        let times = tests.matches(&format!("alertname: {alert}")).count();
        assert!(times >= 2, "{alert} is tested {times} times");
    }
}

#[test]
fn what_is_asked_for_exists_and_what_exists_is_shown() {
    let rules = rules();
    let mut known = known();
    let mut asked = names(&rules);
    asked.extend(queries().iter().flat_map(|query| names(&query.expression)));
    let unseen: Vec<_> = Metric::ALL
        .into_iter()
        .filter(|metric| !asked.iter().any(|name| name.starts_with(metric.name())))
        .collect();
    assert_eq!(unseen, [], "on no dashboard");
    known.extend(named(&rules, "- record:"));
    let unknown: Vec<_> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// `text` of an address, as it was before its encoding.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn links_of_panels_lead_to_searches_for_what_spans_have() {
    let read = |path: &str| fs::read_to_string(stack().join(path)).unwrap();
    let sources = read("grafana/provisioning/datasources/ttg.yml");
    let traces = read("../traces.md");
    let mut links = 0;
    for entry in fs::read_dir(stack().join("grafana/dashboards")).unwrap() {
        let dashboard = fs::read_to_string(entry.unwrap().path()).unwrap();
        let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        for link in panels.iter().filter_map(|panel| panel["links"].as_array()).flatten() {
            let (_, panes) = link["url"].as_str().unwrap().split_once("&panes=").unwrap();
            let panes: Value = serde_json::from_str(&decoded(panes)).unwrap();
            let pane = &panes["ttg"];
            let source = pane["datasource"].as_str().unwrap();
            assert!(sources.contains(&format!("uid: {source}\n")), "{source}");
            let query = &pane["queries"][0];
            assert_eq!(query["datasource"]["uid"], source);
            assert!(traces.contains(query["operation"].as_str().unwrap()), "{query}");
            let (tag, value) = query["tags"].as_str().unwrap().split_once('=').unwrap();
            // That one is Jaeger's own: the status of a span.
            assert!(tag == "error" || traces.contains(&format!("`{tag}`")), "{tag}");
            assert!(value == "true" || traces.contains(&format!("`{value}`")), "{value}");
            links += 1;
        }
    }
    assert!(links >= 8, "{links} links");
}

#[test]
fn every_alert_is_explained_where_people_look() {
    let readme = fs::read_to_string(stack().join("README.md")).unwrap();
    for alert in named(&rules(), "- alert:") {
        assert!(readme.contains(&format!("| `{alert}` |")), "{alert} is not in the README");
    }
}

#[test]
fn a_run_with_faults_is_seen_on_every_panel_and_raises_its_alert() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_ttg-under-test"));
    let worker = |address: &str| {
        sandbox.start(&format!("worker --concurrency 2 --lease 2s --listen {address}"))
    };
    let mut killed = worker("127.0.0.1:0");
    let mut steady = worker("127.0.0.1:0");
    let (first, second) = (killed.address(), steady.address());
    let prometheus = Prometheus::start(&[&first, &second]);
    let reaches = |expression: &str| {
        until(expression, || prometheus.query(expression).unwrap().first().copied());
    };
    reaches("count(ttg_broker_up == 1) == 2");
    let faults = "--set simulate-work-ms=3 --set simulate-fault-rate=0.05 --retry-delay 200ms";
    let job = format!("submit --job seen --parameters 8000 --chunk-size 10 {faults}");
    sandbox.ttg(&job).expect_code(0);
    reaches("sum(ttg_chunks_total{outcome='completed'}) > 40");
    killed.kill();
    let _revived = worker(&first);
    reaches("sum(increase(ttg_redeliveries_total[1m])) > 0");
    reaches("max(ttg:job_parameters:max{state='pending'}) == 0");
    reaches("ttg:job_eta:seconds");
    reaches("ALERTS{alertname='TtgDeadLetters', alertstate='firing'}");

    for Query { panel, expression } in queries() {
        let samples = prometheus.query(&expression);
        let samples = samples.unwrap_or_else(|error| panic!("{panel}: {error}: {expression}"));
        let is_shown = samples.iter().any(|sample| !sample.is_nan());
        assert!(is_shown, "{panel} is empty: {expression}");
    }
    let groups = prometheus.api("rules");
    let groups = groups["data"]["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }

    // It tells the truth.
    let report = sandbox.look("seen").unwrap();
    let shown = |state: &str| {
        let expression = format!("ttg:job_parameters:max{{ttg_job='seen',state='{state}'}}");
        prometheus.query(&expression).unwrap()
    };
    report.assert_complete(8_000, report.parameters.dead);
    assert_eq!(shown("dead"), [report.parameters.dead as f64]);
    assert_eq!(shown("completed"), [report.parameters.completed as f64]);
    steady.signal(Signal::SIGTERM);
    steady.end().expect_code(0);
}
