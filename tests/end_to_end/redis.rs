//! Every command on a Redis server.

use ttg_runtime::broker::RedisServer;
use ttg_tests::{Sandbox, until};

use crate::sandbox;

/// A server, and a folder whose processes use it.
fn on_redis(arguments: &[&str]) -> (RedisServer, Sandbox) {
    let server = RedisServer::start_with(arguments);
    let sandbox = sandbox().on(server.url());
    (server, sandbox)
}

#[test]
fn every_command_does_its_work_there() {
    let (server, sandbox) = on_redis(&["--appendonly", "yes"]);
    server.ask(&["SET", "foreign", "1"]);
    let line = "run --job swept --parameters 10000 --chunk-size 100 --json";
    let report = sandbox.ttg(line).expect_code(0).report();
    report.assert_complete(10_000, 0);
    assert_eq!((report.broker.as_str(), report.chunks.total), ("redis", 100));
    assert_eq!(report.result("sum"), "5000355.0");
    let again = sandbox.ttg(line).expect_code(0).report();
    assert_eq!((again.uid, again.result.get()), (report.uid, report.result.get()));

    // Of collatz, 0 is a parameter that dies.
    let holed = "run --job holed --kernel collatz --range 0..1000 --retry-delay 1ms";
    sandbox.ttg(holed).expect_code(3);
    let letters = sandbox.ttg("dlq list holed").expect_code(0).stdout;
    assert!(letters.contains('0'), "{letters}");
    assert_eq!(server.ask(&["XLEN", "ttg:tasks:dlq"]), "1");
    for job in ["swept", "holed"] {
        sandbox.ttg(&format!("verify {job}")).expect_code(0);
    }
    let listed = sandbox.ttg("status").expect_code(0).stdout;
    assert!(listed.contains("swept") && listed.contains("holed"), "{listed}");

    sandbox.ttg("submit --job waits --parameters 1000 --chunk-size 10").expect_code(0);
    assert_eq!(server.ask(&["XLEN", "ttg:tasks"]), "100");
    sandbox.ttg("cancel waits").expect_code(0);
    assert_eq!(server.ask(&["XLEN", "ttg:tasks"]), "0");
    let checked = sandbox.ttg("check").expect_code(0).stdout;
    assert!(checked.contains("the server keeps a log of writes"), "{checked}");

    sandbox.ttg("purge swept").expect_code(0);
    sandbox.ttg("results swept").expect_code(2);
    sandbox.ttg("purge --all").expect_code(0);
    assert_eq!(server.ask(&["KEYS", "*"]), "foreign");
}

#[test]
fn a_submission_that_is_killed_goes_on_where_it_was() {
    let (server, sandbox) = on_redis(&[]);
    let line = "submit --job fine --parameters 200000 --chunk-size 1";
    let submitter = sandbox.start(line);
    let waiting = || server.ask(&["XLEN", "ttg:tasks"]).parse::<u64>().unwrap_or(0);
    until("a part is published", || (waiting() > 10_000).then_some(()));
    submitter.kill();
    assert!(waiting() < 200_000);
    sandbox.ttg(line).expect_code(0);
    assert_eq!(waiting(), 200_000);
    let ended = sandbox.ttg("worker --until-complete fine").expect_code(0);
    assert_eq!(ended.signal, None);
    let report = sandbox.look("fine").expect("it was submitted");
    report.assert_complete(200_000, 0);
    let chunks = report.chunks;
    assert_eq!((chunks.total, chunks.redelivered, chunks.duplicates_dropped), (200_000, 0, 0));
}

#[test]
fn what_a_person_must_mend_is_told_with_its_exit_code() {
    let (server, sandbox) = on_redis(&["--requirepass", "right"]);
    let port = server.port();
    let right = format!("redis://:right@127.0.0.1:{port}");
    let told = |url: &str, code: i32, words: &str| {
        let ended = sandbox.ttg(&format!("run --parameters 10 --broker {url}")).expect_code(code);
        assert!(ended.stderr.contains(words) && ended.stderr.contains("hint: "), "{ended:#?}");
        assert!(!ended.stderr.contains("wrong") || !url.contains("wrong@"), "{ended:#?}");
    };
    sandbox.ttg(&format!("run --parameters 10 --broker {right}")).expect_code(0);
    told(&format!("redis://:guess@127.0.0.1:{port}"), 78, "refused");
    told(&format!("rediss://:right@127.0.0.1:{port}"), 69, "is unavailable");
    told("redis://127.0.0.1:1", 69, "is unavailable");
    server.ask(&["-a", "right", "SET", "other:tasks", "1"]);
    told(&format!("{right} --namespace other"), 78, "other:tasks");
    server.ask(&["-a", "right", "CONFIG", "SET", "maxmemory", "1gb"]);
    server.ask(&["-a", "right", "CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    told(&right, 78, "noeviction");
}
