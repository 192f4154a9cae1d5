//! The script for people: what it would do, and that it is well written.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::Value;

use crate::manifests::{deploy, parse};

/// What people do with it.
const COMMANDS: [&str; 10] =
    ["up", "deploy", "submit", "scale", "watch", "results", "demo", "list", "clean", "recover"];

fn script(line: &str) -> Output {
    let mut command = Command::new(deploy().join("ttg-cluster"));
    // It reaches no cluster, whatever this machine's configuration says.
    command.args(line.split_whitespace()).env("KUBECONFIG", "/dev/null").output().unwrap()
}

/// What it prints, without doing anything.
fn dry(line: &str) -> String {
    let output = script(&format!("--dry-run {line}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The objects that it would apply.
fn applied(line: &str) -> Vec<Value> {
    let said = dry(line);
    let parts = said.split("+ kubectl apply -f - <<END\n").skip(1);
    parts.flat_map(|part| parse(part.split("\nEND\n").next().unwrap())).collect()
}

/// The keys of each Secret that it makes.
pub(crate) fn secrets() -> BTreeMap<String, Vec<String>> {
    let mut secrets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for backend in ["redis", "rabbitmq"] {
        let line = format!("deploy --backend {backend} --tls --with observability,autoscaling");
        for secret in applied(&line).iter().filter(|object| object["kind"] == "Secret") {
            let name = secret["metadata"]["name"].as_str().unwrap();
            let keys = secret["stringData"].as_object().unwrap().keys().cloned();
            secrets.entry(name.to_owned()).or_default().extend(keys);
        }
    }
    secrets
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    for name in ["deploy/ttg-cluster", "deploy/aks/ttg-aks", "tests/run"] {
        let path = deploy().join("..").join(name);
        let output = Command::new("shellcheck").arg(path).output();
        let output = output.expect("there is a shellcheck: `tests/run` installs it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn help_tells_every_command_and_wrong_usage_ends_with_2() {
    let help = script("--help");
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
    }
    let wrong = [
        "",
        "deployy",
        "--dry-run deploy --backend kafka",
        "--dry-run deploy --workers many",
        "--dry-run deploy --with a-pony",
        "--dry-run deploy --backend",
        "--dry-run submit --job Not_A_Name",
        "--dry-run scale",
        "--dry-run results",
        "--dry-run --namespace A/b list",
    ];
    for line in wrong {
        assert_eq!(script(line).status.code(), Some(2), "{line}");
    }
}

#[test]
fn a_dry_run_needs_no_cluster_and_tells_what_would_be_done() {
    for (line, told) in [
        ("up", "kind' 'create' 'cluster"),
        ("scale 7", "'deployment/ttg-worker' '--replicas=7'"),
        ("watch nightly", "'ttg' 'status' 'nightly' '--watch'"),
        ("list", "'app.kubernetes.io/part-of=ttg'"),
        ("clean --keep-cluster", "'delete'"),
        ("recover", "'docker' 'start'"),
        ("demo --fault-demo", "'--force' '--grace-period=0'"),
        ("deploy --backend static", "kind: Namespace"),
    ] {
        let said = dry(line);
        assert!(said.contains(told), "{line}: {said}");
    }
}

#[test]
fn what_is_asked_for_is_in_what_is_applied() {
    let line = "--namespace lab --image r.example.org/ttg:7 deploy --workers 5 --with autoscaling";
    let objects = applied(line);
    let find = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    assert_eq!(find("Namespace")["metadata"]["name"], "lab");
    let worker = &find("Deployment")["spec"];
    assert_eq!(worker["template"]["spec"]["containers"][0]["image"], "r.example.org/ttg:7");
    // The number of workers is the autoscaler's.
    assert_eq!(worker["replicas"], Value::Null);
    let plain = applied("deploy --workers 5");
    let plain = plain.iter().find(|object| object["kind"] == "Deployment").unwrap();
    assert_eq!(plain["spec"]["replicas"], 5);
    for object in objects.iter().filter(|object| object["kind"] != "Namespace") {
        assert_eq!(object["metadata"]["namespace"], "lab", "{object}");
    }
}

#[test]
fn a_job_is_submitted_as_it_was_asked_for() {
    let line =
        "submit --job nightly --parameters 77 --kernel collatz --set a=1 --set b=2 --chunk-size 9";
    let objects = applied(line);
    let find = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    assert_eq!(find("Job")["metadata"]["name"], "ttg-submit-nightly");
    let data = &find("ConfigMap")["data"];
    let told = ["TTG_JOB", "TTG_PARAMETERS", "TTG_KERNEL", "TTG_SET", "TTG_CHUNK_SIZE"];
    assert_eq!(told.map(|name| &data[name]), ["nightly", "77", "collatz", "a=1 b=2", "9"]);
}

#[test]
fn secrets_are_random_and_stay_hidden() {
    let made = secrets();
    let names: Vec<_> = made.keys().map(String::as_str).collect();
    let expected =
        ["grafana-auth", "rabbitmq-auth", "rabbitmq-tls", "redis-auth", "redis-tls", "ttg-broker"];
    assert_eq!(names, expected);
    let said = dry("deploy --broker redis://:sesame@host:6379");
    assert!(!said.contains("sesame"), "{said}");
}
