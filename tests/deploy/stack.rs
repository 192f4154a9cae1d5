//! The dashboards and rules of `observability/stack` are where Prometheus and Grafana look for them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use ttg_tests::stack;

use crate::manifests::{Manifest, all, items};

/// Where the files of a `ConfigMap` are in the container `name`: its mounts.
fn mounts(manifest: &Manifest, name: &str, map: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for pod in manifest.pods() {
        let volumes = items(&pod.spec["volumes"]);
        let volumes =
            volumes.filter(|volume| volume["configMap"]["name"] == map["metadata"]["name"]);
        let volumes: Vec<_> = volumes.map(|volume| &volume["name"]).collect();
        for container in pod.containers().filter(|container| container["name"] == name) {
            let mounts = items(&container["volumeMounts"]);
            let mounts = mounts.filter(|mount| volumes.contains(&&mount["name"]));
            paths.extend(mounts.map(|mount| mount["mountPath"].as_str().unwrap().to_owned()));
        }
    }
    paths
}

/// The paths at which container `name` sees `file`, unchanged.
fn seen(manifest: &Manifest, name: &str, file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let key = file.file_name().unwrap().to_str().unwrap();
    let maps = manifest.of_kind("ConfigMap").filter(|map| map["data"][key] == text);
    let paths = maps.flat_map(|map| mounts(manifest, name, map));
    paths.map(|path| format!("{path}/{key}")).collect()
}

#[test]
fn every_dashboard_and_rule_file_is_mounted() {
    let manifests = all();
    let mut observed = 0;
    for manifest in &manifests {
        if !manifest.has("Deployment", &Value::from("grafana")) {
            continue;
        }
        observed += 1;
        for entry in fs::read_dir(stack().join("grafana/dashboards")).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            let provider = stack().join("grafana/provisioning/dashboards/ttg.yml");
            let provider = fs::read_to_string(provider).unwrap();
            let path = "/var/lib/grafana/dashboards";
            assert!(provider.contains(path), "{provider}");
            let paths = seen(manifest, "grafana", &file);
            assert!(paths.contains(&format!("{path}/{name}")), "{}: {name}", manifest.name);
        }
        for kind in ["datasources", "dashboards"] {
            let file = stack().join(format!("grafana/provisioning/{kind}/ttg.yml"));
            let wanted = format!("/etc/grafana/provisioning/{kind}/ttg.yml");
            assert!(seen(manifest, "grafana", &file).contains(&wanted), "{wanted}");
        }
        // Its paths of rules are relative to the configuration.
        for file in ["kubernetes.yml", "rules.yml"] {
            let paths = seen(manifest, "prometheus", &stack().join("prometheus").join(file));
            assert!(
                paths.contains(&format!("/etc/prometheus/{file}")),
                "{}: {file}",
                manifest.name
            );
        }
        let pods = manifest.pods();
        let pod = pods.iter().find(|pod| pod.of.ends_with("/prometheus")).unwrap();
        let arguments = pod.containers().next().unwrap()["args"].to_string();
        assert!(arguments.contains("--config.file=/etc/prometheus/kubernetes.yml"), "{arguments}");
    }
    assert!(observed >= 4, "{observed}");
}

#[test]
fn grafana_asks_the_prometheus_that_there_is() {
    let source = stack().join("grafana/provisioning/datasources/ttg.yml");
    assert!(fs::read_to_string(source).unwrap().contains("http://prometheus:9090"));
    for manifest in all() {
        if manifest.has("Deployment", &Value::from("grafana")) {
            let mut services = manifest.of_kind("Service");
            let found = services.any(|one| {
                one["metadata"]["name"] == "prometheus" && one["spec"]["ports"][0]["port"] == 9090
            });
            assert!(found, "{}", manifest.name);
        }
    }
}

#[test]
fn prometheus_finds_every_process_of_ttg_that_serves_metrics() {
    // `kubernetes.yml` keeps pods by this name, and their port by this one.
    for manifest in all() {
        for pod in manifest.pods() {
            for container in pod.containers() {
                if container["args"].to_string().contains("--listen") {
                    assert_eq!(pod.labels["app.kubernetes.io/name"], "ttg", "{}", pod.of);
                    let port = items(&container["ports"]).find(|port| port["name"] == "metrics");
                    assert!(port.is_some(), "{}", pod.of);
                }
            }
        }
    }
}
