//! The triggers that bring workers back see all work that is left, also a retry that is due later.

use serde_json::Value;
use ttg_runtime::broker::{RabbitServer, RedisServer};
use ttg_tests::{Sandbox, until};

use crate::manifests::{Manifest, deploy, items};

/// What scales the workers of `overlay`.
fn scaler(overlay: &str, kind: &str) -> Value {
    let manifest = Manifest::render(&deploy().join(format!("kubernetes/overlays/{overlay}")));
    manifest.of_kind(kind).next().unwrap()["spec"].clone()
}

/// The metadata of the triggers of `backend`.
fn triggers(backend: &str) -> Vec<Value> {
    let scaled = scaler(&format!("{backend}-full"), "ScaledObject");
    items(&scaled["triggers"]).map(|trigger| trigger["metadata"].clone()).collect()
}

/// By Kubernetes' default of five minutes, the first retry would bring back as many as there were.
#[test]
fn workers_that_nobody_needs_are_let_go_after_a_minute() {
    let keda = ["redis-full", "rabbitmq-full", "redis-tls-autoscaled"].map(|overlay| {
        scaler(overlay, "ScaledObject")["advanced"]["horizontalPodAutoscalerConfig"].clone()
    });
    for scaler in keda.into_iter().chain([scaler("redis-hpa", "HorizontalPodAutoscaler")]) {
        let window = &scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"];
        assert_eq!(*window, 60, "{scaler}");
    }
}

/// What each trigger of Redis counts, as KEDA asks for it.
fn counts(server: &RedisServer) -> Vec<u64> {
    let count = |trigger: &Value| {
        let answer = match (trigger["stream"].as_str(), trigger["listName"].as_str()) {
            (Some(stream), None) => server.ask(&["XLEN", stream]),
            (None, Some(list)) => server.ask(&["ZCARD", list]),
            _ => panic!("{trigger}"),
        };
        answer.parse().unwrap()
    };
    triggers("redis").iter().map(count).collect()
}

#[test]
fn with_no_worker_left_the_triggers_see_a_retry_that_is_due_later_and_the_next_worker_ends_the_job()
{
    let server = RedisServer::start();
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_ttg-under-test")).on(server.url());
    assert_eq!(counts(&server), [0, 0], "nothing is left, so no worker is needed");
    let faults = "--set simulate-fault-rate=0.5 --max-attempts 9 --retry-delay 3s";
    sandbox
        .ttg(&format!("submit --job later --parameters 8 --chunk-size 1 {faults}"))
        .expect_code(0);
    assert_eq!(counts(&server)[0], 8);
    let worker = sandbox.start("worker --concurrency 2");
    until("only retries are left", || {
        let [waiting, delayed] = counts(&server)[..] else { panic!("two triggers") };
        (waiting == 0 && delayed > 0).then_some(())
    });
    worker.signal(ttg_tests::Signal::SIGTERM);
    worker.end().expect_code(0);
    // Nobody works, and what is left is seen.
    assert!(counts(&server)[1] > 0, "{:?}", counts(&server));

    sandbox.ttg("worker --until-complete later").expect_code(0);
    sandbox.look("later").unwrap().assert_complete(8, 0);
    sandbox.ttg("verify later").expect_code(0);
    assert_eq!(counts(&server), [0, 0]);
}

#[test]
fn the_trigger_of_rabbitmq_counts_tasks_and_retries_and_no_dead_letters() {
    let triggers = triggers("rabbitmq");
    let [trigger] = triggers.as_slice() else { panic!("{triggers:?}") };
    assert_eq!(trigger["useRegex"], "true");
    assert_eq!(trigger["operation"], "sum");
    assert_eq!(trigger["excludeUnacknowledged"], "false");
    let server = RabbitServer::start();
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_ttg-under-test")).on(server.url());
    // Retries wait in a queue by their delay; what is out of attempts is a dead letter.
    let faults = "--set simulate-fault-rate=0.5 --max-attempts 2 --retry-delay 60s";
    sandbox
        .ttg(&format!("submit --job later --parameters 8 --chunk-size 1 {faults}"))
        .expect_code(0);
    let worker = sandbox.start("worker --concurrency 2");
    // What the management does with the name of each queue, by the same library of Erlang.
    let pattern = trigger["queueName"].as_str().unwrap().replace('\\', r"\\");
    let names = "Queue <- rabbit_amqqueue:list(), N <- [element(4, amqqueue:get_name(Queue))]";
    let asked = format!("[{{N, re:run(N, \"{pattern}\", [{{capture, none}}])}} || {names}].");
    let told = until("a retry waits", || {
        let answer = server.ask(&["eval", &asked]);
        answer.contains(".retry.").then_some(answer)
    });
    worker.signal(ttg_tests::Signal::SIGTERM);
    worker.end().expect_code(0);
    let (mut counted, mut other) = (Vec::new(), Vec::new());
    for queue in told.split("{<<\"").skip(1) {
        let (name, is_match) = queue.split_once("\">>,").unwrap();
        let names = if is_match.starts_with("match}") { &mut counted } else { &mut other };
        names.push(name);
    }
    assert!(counted.contains(&"ttg.tasks"), "{counted:?}");
    assert!(counted.contains(&"ttg.tasks.retry"), "{counted:?}");
    assert!(counted.iter().any(|name| name.starts_with("ttg.tasks.retry.")), "{counted:?}");
    let is_work = |name: &&str| *name == "ttg.tasks" || name.starts_with("ttg.tasks.retry");
    assert!(counted.iter().all(is_work), "{counted:?}");
    for name in ["ttg.tasks.dlq", "ttg.beats", "ttg.jobs"] {
        assert!(other.contains(&name), "{other:?}");
    }
}
