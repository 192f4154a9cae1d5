//! The script for people: what it would do, and that it is well written.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::manifests::{deploy, parse};

/// What people do with it.
const COMMANDS: [&str; 11] = [
    "up", "deploy", "submit", "scale", "watch", "results", "demo", "list", "clean", "recover",
    "tag",
];

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
    let parts = said.split(" '-f' '-' <<END\n").skip(1);
    parts.flat_map(|part| parse(part.split("\nEND\n").next().unwrap())).collect()
}

/// The keys of each Secret that it makes.
pub(crate) fn secrets() -> BTreeMap<String, Vec<String>> {
    let mut secrets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for backend in ["redis", "rabbitmq"] {
        let line = format!("deploy --backend {backend} --tls --with observability,autoscaling");
        for secret in applied(&line).iter().filter(|object| object["kind"] == "Secret") {
            let name = secret["metadata"]["name"].as_str().unwrap();
            for data in ["stringData", "data"] {
                let keys =
                    secret[data].as_object().into_iter().flatten().map(|(key, _)| key.clone());
                secrets.entry(name.to_owned()).or_default().extend(keys);
            }
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
        "--dry-run submit --parameters 0",
        "--dry-run submit --parameters 18446744073709551616",
        "--dry-run submit --parameters 100000000000000000000",
        "--dry-run submit --range 5",
        "--dry-run submit --range 1..5 --parameters 4",
        // What would be accepted, and could not work.
        "--dry-run deploy --backend static --tls",
        "--dry-run deploy --backend static --with observability",
        "--dry-run deploy --backend static --broker redis://host",
        "--dry-run deploy --backend rabbitmq --broker redis://host",
        "--dry-run deploy --broker host:6379",
        "--dry-run deploy --broker amqp://host --tls",
        "--dry-run deploy --broker amqp://host --with autoscaling",
        "--dry-run deploy --broker redis://host --with redis-insight",
        "--dry-run deploy --backend rabbitmq --with redis-insight",
        "--dry-run deploy --tls --with redis-insight",
        "--dry-run deploy --with autoscaling,autoscaling-cpu",
        "--dry-run deploy --workers 6 --with autoscaling",
        "--dry-run demo --workers 6 --with autoscaling-cpu",
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
        ("clean", "'kind' 'delete' 'cluster' '--name' 'ttg'"),
        ("clean --keep-cluster", "'delete' 'namespace' 'ttg'"),
        ("clean --keep-cluster", ",scaledobjects.keda.sh,"),
        ("submit --job nightly", "'delete' 'job' 'ttg-submit-nightly'"),
        (
            "--context lab results nightly",
            "'lab' '--namespace' 'ttg' 'delete' 'job' 'ttg-results-nightly'",
        ),
        ("recover", "'docker' 'start'"),
        ("recover", "'delete' 'pods' '--field-selector=status.phase=Failed'"),
        ("demo --fault-demo", "'--force' '--grace-period=0'"),
        ("deploy --backend static", "kind: Namespace"),
    ] {
        let said = dry(line);
        assert!(said.contains(told), "{line}: {said}");
    }
}

#[test]
fn what_is_asked_for_is_in_what_is_applied() {
    let line = "--namespace lab --image r.example.org/ttg:7 deploy --with autoscaling";
    let objects = applied(line);
    let find = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    assert_eq!(find("Namespace")["metadata"]["name"], "lab");
    // Once, and with the mark by which it may be removed: one that was there stays as it was.
    assert_eq!(objects.iter().filter(|object| object["kind"] == "Namespace").count(), 1);
    assert_eq!(find("Namespace")["metadata"]["annotations"]["ttg.io/made-by"], "ttg-cluster");
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
    // A space of its own; an empty variable is none.
    let objects = applied("submit --job nightly --range 1..50");
    let data = &objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap()["data"];
    assert_eq!(["TTG_PARAMETERS", "TTG_RANGE"].map(|name| &data[name]), ["", "1..50"]);
    // As many as `ttg` takes.
    let objects = applied("submit --parameters 18446744073709551615");
    let map = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
    assert_eq!(map["data"]["TTG_PARAMETERS"], u64::MAX.to_string());
}

#[test]
fn parts_add_up_and_speak_tls_where_the_broker_does() {
    let objects = applied("deploy --tls --with aks-spot --with autoscaling,observability");
    let find = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    let deployments = objects.iter().filter(|object| object["kind"] == "Deployment");
    let names: Vec<_> = deployments.map(|one| one["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["grafana", "prometheus", "ttg-worker"]);
    let worker = objects.iter().find(|object| object["metadata"]["name"] == "ttg-worker").unwrap();
    assert!(worker.to_string().contains("scalesetpriority"), "{worker}");
    for trigger in find("ScaledObject")["spec"]["triggers"].as_array().unwrap() {
        assert_eq!(trigger["metadata"]["enableTLS"], "true", "{trigger}");
    }
    let authority = json!({"parameter": "ca", "name": "redis-tls", "key": "ca.crt"});
    let known = &find("TriggerAuthentication")["spec"]["secretTargetRef"];
    assert!(known.as_array().unwrap().contains(&authority), "{known}");
}

#[test]
fn workers_start_anew_when_the_broker_is_another_one() {
    for line in ["deploy", "deploy --backend rabbitmq --tls", "deploy --broker amqp://host"] {
        let objects = applied(line);
        let mut deployments = objects.iter().filter(|object| object["kind"] == "Deployment");
        let worker = deployments.find(|one| one["metadata"]["name"] == "ttg-worker").unwrap();
        let annotations = &worker["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations["ttg.io/broker"], "[of Secret ttg-broker]", "{line}");
    }
}

#[test]
fn a_tag_tells_one_state_of_the_tree_from_another() {
    let repository = tempfile::tempdir().unwrap();
    let path = |name: &str| repository.path().join(name);
    std::fs::create_dir(path("deploy")).unwrap();
    std::fs::copy(deploy().join("ttg-cluster"), path("deploy/ttg-cluster")).unwrap();
    std::fs::write(path("Cargo.toml"), "version = \"1.2.3\"\n").unwrap();
    let run = |program: &str, line: &str| {
        let mut command = Command::new(program);
        command.current_dir(repository.path()).args(line.split_whitespace());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let tag = || run("deploy/ttg-cluster", "tag");
    assert_eq!(tag(), "1.2.3", "of a tree without history");
    run("git", "init --quiet");
    run("git", "add .");
    let author = "-c user.name=a -c user.email=a@localhost";
    run("git", &format!("{author} commit --quiet --message one"));
    let commit = run("git", "rev-parse --short=12 HEAD");
    assert_eq!(tag(), format!("1.2.3-{commit}"));

    std::fs::write(path("new.rs"), "a").unwrap();
    let first = tag();
    assert!(first.starts_with(&format!("1.2.3-{commit}-changed-")), "{first}");
    assert_eq!(tag(), first, "nothing was changed meanwhile");
    std::fs::write(path("new.rs"), "b").unwrap();
    let second = tag();
    assert_ne!(second, first);
    std::fs::write(path("Cargo.toml"), "version = \"1.2.3\"\n# changed\n").unwrap();
    assert_ne!(tag(), second);
}

#[test]
fn secrets_are_random_and_stay_hidden() {
    let made = secrets();
    let names: Vec<_> = made.keys().map(String::as_str).collect();
    let expected =
        ["grafana-auth", "rabbitmq-auth", "rabbitmq-tls", "redis-auth", "redis-tls", "ttg-broker"];
    assert_eq!(names, expected);
    // The function that makes them, taken out of the script.
    let text = std::fs::read_to_string(deploy().join("ttg-cluster")).unwrap();
    let random = text.lines().find(|line| line.starts_with("random() {")).unwrap();
    let run = || Command::new("bash").args(["-c", &format!("{random}; random")]).output().unwrap();
    let [one, other] = [run(), run()].map(|output| String::from_utf8(output.stdout).unwrap());
    assert_ne!(one, other);
    assert!(one.len() == 48 && one.chars().all(|digit| digit.is_ascii_hexdigit()), "{one}");
    // A dry run puts this in place of what it gave.
    for (backend, secret) in [("redis", "redis-auth"), ("rabbitmq", "rabbitmq-auth")] {
        let made = applied(&format!("deploy --backend {backend} --with observability"));
        for name in [secret, "grafana-auth"] {
            let secret = made.iter().find(|object| object["metadata"]["name"] == name).unwrap();
            assert_eq!(secret["stringData"]["password"], "[random]", "{name}");
        }
        let broker = made.iter().find(|one| one["metadata"]["name"] == "ttg-broker").unwrap();
        assert_eq!(broker["data"]["url"], "[hidden]");
    }
    let said = dry("deploy --broker redis://:sesame@host:6379");
    assert!(!said.contains("sesame"), "{said}");
    assert!(!said.contains("c2VzYW1l"), "{said}");
}
