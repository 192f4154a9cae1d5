//! Variables: which count, and in which order.

use insta::assert_snapshot;
use ttg_tests::{Ended, Running, Sandbox};

use super::sandbox;

/// Runs `ttg` with the words of `line` and these variables.
fn with(sandbox: &Sandbox, variables: &[(&str, &str)], line: &str) -> Ended {
    let mut command = sandbox.command(line);
    command.envs(variables.iter().copied());
    Running::start(command, format!("{variables:?} ttg {line}")).end()
}

#[test]
fn a_flag_wins_over_every_variable_and_only_flags_exclude_each_other() {
    let cases = [
        ([("TTG_PARAMETERS", "7"), ("", "")], "--range 0..10"),
        ([("TTG_PARAMETERS", "seven"), ("", "")], "--range=0..10"),
        ([("TTG_RANGE", "0..7"), ("", "")], "--parameters 10"),
        ([("TTG_RANGE", "0..10"), ("TTG_PARAMETERS", "7")], ""),
        ([("TTG_BROKER", "embedded:other"), ("", "")], "--parameters 10 --data-dir mine"),
        ([("TTG_DATA_DIR", "other"), ("", "")], "--parameters 10 --broker embedded:mine"),
        ([("TTG_DATA_DIR", "mine"), ("TTG_BROKER", "embedded:other")], "--parameters 10"),
    ];
    for (variables, flags) in cases {
        let sandbox = sandbox();
        let variables: Vec<_> =
            variables.into_iter().filter(|(name, _)| !name.is_empty()).collect();
        let line = format!("run --job one --json {flags}");
        let report = with(&sandbox, &variables, &line).expect_code(0).report();
        report.assert_complete(10, 0);
        assert!(!sandbox.path("other").exists(), "{variables:?} {line}");
        if sandbox.path("mine").exists() {
            with(&sandbox, &[("TTG_BROKER", "nonsense")], "results one --data-dir mine")
                .expect_code(0);
        }
    }
    let line = "run --parameters 10 --range 0..10";
    let refused = with(&sandbox(), &[("TTG_RANGE", "0..7")], line).expect_code(2);
    assert!(refused.stderr.contains("cannot be used with"), "{refused:#?}");
}

#[test]
fn the_variable_of_set_holds_several_options_and_a_flag_wins_key_by_key() {
    let sandbox = sandbox();
    let run = "run --kernel faulty --parameters 10 --retry-delay 1ms --json";
    let set = [("TTG_SET", "nan=1+2\n  infinite=3\tpanic=5 ")];
    let report = with(&sandbox, &set, run).expect_code(3).report();
    report.assert_complete(10, 4);
    let report = with(&sandbox, &set, &format!("{run} --set nan=9 --set odd=true"));
    report.expect_code(3).report().assert_complete(10, 5);
    with(&sandbox, &[("TTG_SET", " ")], run).expect_code(0).report().assert_complete(10, 0);
    let wrong = with(&sandbox, &[("TTG_SET", "nan=1 two nan=2")], run).expect_code(2);
    for part in ["TTG_SET has `two`: write it as key=value", "TTG_SET has the key of `nan=2` twice"]
    {
        assert!(wrong.stderr.contains(part), "{wrong:#?}");
    }
}

#[test]
fn variables_of_the_earlier_system_set_what_nothing_else_sets() {
    let sandbox = sandbox();
    let earlier = [
        ("TOTAL_PARAMETERS", "100"),
        ("CHUNK_SIZE", "10"),
        ("SIMULATE_WORK_MS", "0"),
        ("SIMULATE_FAULT_RATE", "1"),
        ("LOG_FORMAT", "JSON"),
        ("LOG_LEVEL", "WARNING"),
        ("TTG_RETRY_DELAY", "1ms"),
    ];
    let run = "run --json --job";
    let ended = with(&sandbox, &earlier, &format!("{run} all")).expect_code(3);
    let report = ended.report();
    report.assert_complete(100, 100);
    assert_eq!(report.chunks.total, 10);
    assert!(ended.stderr.lines().all(|line| line.starts_with('{')), "{}", ended.stderr);
    let line = format!("{run} flags --parameters 7 --set simulate-fault-rate=0");
    with(&sandbox, &earlier, &line).expect_code(0).report().assert_complete(7, 0);
    let own = [&earlier[..], &[("TTG_PARAMETERS", "9"), ("TTG_SET", "simulate-fault-rate=0")]];
    with(&sandbox, &own.concat(), &format!("{run} own")).expect_code(0).report();
    assert_eq!(sandbox.look("own").expect("it ran").parameters.total, 9);
    let line = format!("{run} other --kernel primes --range 0..10");
    with(&sandbox, &earlier, &line).expect_code(0).report().assert_complete(10, 0);
    let empty = [("TTG_PARAMETERS", ""), ("TOTAL_PARAMETERS", "8"), ("CHUNK_SIZE", "")];
    with(&sandbox, &empty, &format!("{run} empty")).expect_code(0).report().assert_complete(8, 0);
    let pod = [("JOB_COMPLETION_INDEX", "2"), ("WORKER_ID", "0"), ("TOTAL_WORKERS", "3")];
    let line = format!("{run} sliced --parameters 100");
    with(&sandbox, &pod, &line).expect_code(0).report().assert_complete(34, 0);
    let line = format!("{run} whole --parameters 100");
    with(&sandbox, &pod[..2], &line).expect_code(0).report().assert_complete(100, 0);
    let idle = [("IDLE_TIMEOUT_SECONDS", "0.001")];
    with(&sandbox, &idle, "worker").expect_code(0);
}

#[test]
fn what_kubernetes_injects_is_ignored_with_a_warning() {
    let sandbox = sandbox();
    let injected = [("REDIS_PORT", "tcp://10.0.0.1:6379"), ("BATCH_SIZE", "udp://10.0.0.2:1")];
    let ended = with(&sandbox, &injected, "run --parameters 10").expect_code(0);
    for variable in ["REDIS_PORT", "BATCH_SIZE"] {
        let warnings = ended.stderr.lines().filter(|line| {
            line.contains("WARN") && line.contains("ignored") && line.contains(variable)
        });
        assert_eq!(warnings.count(), 1, "{ended:#?}");
    }
}

#[test]
fn progress_is_logged_after_so_many_parameters() {
    let sandbox = sandbox();
    let line = "run --parameters 3000 --chunk-size 10 --set simulate-work-ms=1 --concurrency 1";
    let every = [("BATCH_SIZE", "1000")];
    let ended = with(&sandbox, &every, line).expect_code(0);
    let lines = ended.stderr.lines().filter(|line| line.contains("event=progress"));
    // It takes three seconds, and without a number there is a line every five.
    assert!((1..=3).contains(&lines.count()), "{ended:#?}");
}

#[test]
fn a_broker_that_this_build_lacks_is_refused_and_secrets_stay_hidden() {
    let sandbox = sandbox();
    let rabbit = [
        ("QUEUE_BACKEND", "rabbitmq"),
        ("RABBITMQ_PASSWORD", "se@cret"),
        ("RABBITMQ_HOST", "127.0.0.1"),
        ("RABBITMQ_PORT", "1"),
    ];
    let ended = with(&sandbox, &rabbit, "status").expect_code(69);
    assert!(ended.stderr.contains("amqp://127.0.0.1:1/"), "{ended:#?}");
    assert!(!ended.stderr.contains("cret"), "{ended:#?}");
    let kafka = with(&sandbox, &[("QUEUE_BACKEND", "kafka")], "status").expect_code(78);
    assert_snapshot!(kafka.stderr);
    let shown = with(&sandbox, &rabbit, "config").expect_code(0).stdout;
    assert!(shown.contains("amqp://guest:[hidden]@127.0.0.1:1/%2F"), "{shown}");
    let help = with(&sandbox, &[("TTG_BROKER", "redis://:secret@r")], "status --help");
    assert!(!help.expect_code(0).stdout.contains("secret"));
}

#[test]
fn config_tells_every_setting_and_where_it_comes_from() {
    let sandbox = sandbox();
    let variables = [
        ("TTG_LEASE", "30s"),
        ("TTG_SET", "api-token=abc"),
        ("SIMULATE_WORK_MS", "1"),
        ("QUEUE_BACKEND", "redis"),
        ("REDIS_HOST", "redis"),
        ("REDIS_PORT", "tcp://10.0.0.1:6379"),
        ("BATCH_SIZE", ""),
    ];
    let line = "config --concurrency 4 --parameters 10 --set password=abc --set a=b";
    let text = with(&sandbox, &variables, line).expect_code(0).stdout;
    assert_snapshot!(text);
    let ended = with(&sandbox, &variables, &format!("{line} --json")).expect_code(0);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one object");
    let setting = |name: &str| {
        let settings = report["settings"].as_array().expect("a list");
        settings.iter().find(|setting| setting["name"] == name).expect(name).clone()
    };
    let lease = serde_json::json!(
        {"name": "lease", "value": "30s", "source": "variable", "variables": ["TTG_LEASE"]});
    assert_eq!(setting("lease"), lease);
    let concurrency = serde_json::json!(
        {"name": "concurrency", "value": "4", "source": "flag", "variables": []});
    assert_eq!(setting("concurrency"), concurrency);
    let broker = serde_json::json!({"name": "broker", "value": "redis://redis:6379",
        "source": "alias", "variables": ["QUEUE_BACKEND", "REDIS_HOST"]});
    assert_eq!(setting("broker"), broker);
    assert_eq!(setting("job")["source"], "default");
    assert_eq!(report["ignored"], serde_json::json!(["REDIS_PORT"]));
    assert!(!ended.stdout.contains("abc"), "{}", ended.stdout);
    with(&sandbox, &[], "config --lease soon").expect_code(2);
}
