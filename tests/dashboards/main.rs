//! Dashboards and alerts that cannot rot: their rules are checked and tried by `promtool`, and every
//! query is asked of a real Prometheus that watched real workers on each broker while they were
//! killed and frozen, and their broker was away.

#![expect(clippy::unwrap_used, reason = "what cannot be looked at fails the test")]

mod panels;
mod places;
mod watched;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use ttg_observability::metrics::{Metric, MetricKind};
use ttg_tests::stack;

use crate::panels::queries;

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
