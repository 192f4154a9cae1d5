//! Every flag and variable in a manifest is one that `ttg` knows.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::manifests::{Manifest, Pod, all, items};

/// Variables of OpenTelemetry's, which `ttg config` does not tell of.
const STANDARD: [&str; 1] = ["OTEL_EXPORTER_OTLP_ENDPOINT"];

/// A container of the image `ttg`: its arguments and what its variables may be.
struct Container {
    of: String,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
}

/// A value that a variable may have which the manifest takes from elsewhere.
fn sample(name: &str) -> &str {
    match name {
        "TTG_BROKER" => "redis://redis:6379",
        "TTG_TLS_CA" => "/etc/ttg/broker/ca.crt",
        _ => "sample",
    }
}

fn containers(manifest: &Manifest) -> Vec<Container> {
    let pods = manifest.pods();
    let of_pod = |pod: &Pod<'_>| {
        let containers = pod
            .containers()
            .filter(|one| one["image"].as_str().is_some_and(|image| image.starts_with("ttg:")));
        let read = |container| read(manifest, pod.of.clone(), container);
        containers.map(read).collect::<Vec<_>>()
    };
    pods.iter().flat_map(of_pod).collect()
}

fn read(manifest: &Manifest, of: String, container: &Value) -> Container {
    let text = |value: &Value| value.as_str().map(String::from);
    let mut variables = BTreeMap::new();
    for from in items(&container["envFrom"]) {
        let (name, optional) = (&from["configMapRef"]["name"], &from["configMapRef"]["optional"]);
        let mut maps = manifest.of_kind("ConfigMap");
        let Some(map) = maps.find(|map| map["metadata"]["name"] == *name) else {
            assert_eq!(*optional, true, "{of}: {name}");
            continue;
        };
        for (name, value) in map["data"].as_object().unwrap() {
            variables.insert(name.clone(), text(value).unwrap());
        }
    }
    for variable in items(&container["env"]) {
        let name = text(&variable["name"]).unwrap();
        let value = text(&variable["value"]).unwrap_or_else(|| sample(&name).to_owned());
        variables.insert(name, value);
    }
    let mut arguments: Vec<_> = items(&container["args"]).filter_map(text).collect();
    // As the kubelet does.
    for argument in &mut arguments {
        let name = argument.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')'));
        if let Some(name) = name.map(String::from) {
            *argument = variables.remove(&name).unwrap_or_else(|| panic!("{of}: {argument}"));
        }
    }
    Container { of, arguments, variables }
}

fn ttg() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttg-under-test"));
    command.env_clear();
    command
}

/// What `ttg` says of the arguments; nothing is started.
fn refusal(arguments: &[String]) -> Option<String> {
    let output = ttg().args(arguments).arg("--help").output().unwrap();
    let refused = !output.status.success();
    refused.then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The variables among these that set nothing.
fn idle(variables: &BTreeMap<String, String>) -> Vec<String> {
    let mut command = ttg();
    command.args(["config", "--json"]).envs(variables);
    // Kubernetes sets it in each pod of an indexed Job.
    command.env("JOB_COMPLETION_INDEX", "0");
    if !variables.contains_key("TTG_PARAMETERS") {
        command.args(["--parameters", "1"]);
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let settings = items(&told["settings"]);
    let count: Vec<_> = settings.flat_map(|setting| items(&setting["variables"])).collect();
    let is_idle = |name: &&String| {
        !STANDARD.contains(&name.as_str()) && !count.iter().any(|one| *one == name.as_str())
    };
    variables.keys().filter(is_idle).cloned().collect()
}

#[test]
fn every_flag_and_variable_in_a_manifest_is_one_that_ttg_knows() {
    let mut seen = 0;
    for manifest in all() {
        for Container { of, arguments, variables } in containers(&manifest) {
            seen += 1;
            assert_eq!(refusal(&arguments), None, "{of}");
            assert_eq!(idle(&variables), Vec::<String>::new(), "{of}");
        }
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn a_flag_or_variable_that_it_does_not_know_is_found() {
    let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
    assert!(refusal(&words("worker --listens 0.0.0.0:1")).is_some());
    assert!(refusal(&words("work")).is_some());
    let variables = [("TTG_LISTENS", "0.0.0.0:1"), ("TTG_LISTEN", "0.0.0.0:1")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(idle(&BTreeMap::from(variables)), ["TTG_LISTENS"]);
}

#[test]
fn exit_codes_in_a_job_are_those_of_ttg() {
    // Never again: wrong usage, dead letters, disproved, configuration. Again, uncharged: interrupted.
    let known =
        [("FailJob", [2, 3, 4, 78].as_slice()), ("Ignore", &[130, 143]), ("FailIndex", &[3])];
    let mut rules = 0;
    for manifest in all() {
        for job in manifest.of_kind("Job") {
            for rule in items(&job["spec"]["podFailurePolicy"]["rules"]) {
                let Some(codes) = rule["onExitCodes"]["values"].as_array() else { continue };
                rules += 1;
                let action = rule["action"].as_str().unwrap();
                let (_, allowed) = known.iter().find(|(name, _)| *name == action).unwrap();
                let is_known = |code: &Value| allowed.iter().any(|one| *code == *one);
                assert!(codes.iter().all(is_known), "{}: {rule}", manifest.title(job));
            }
        }
    }
    assert!(rules > 8, "{rules}");
}
