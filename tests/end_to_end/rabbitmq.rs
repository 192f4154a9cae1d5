//! What only a RabbitMQ server does to a run.

use ttg_runtime::broker::RabbitServer;

use crate::sandbox;

#[test]
fn a_run_goes_on_when_its_server_was_killed_and_started_again() {
    let mut server = RabbitServer::start();
    let sandbox = sandbox().on(server.url());
    let line = "run --job long --parameters 10000 --chunk-size 20 --concurrency 2 --lease 3s \
                --set simulate-work-ms=1 --json";
    let mut running = sandbox.start(line);
    sandbox.until("long", |report| report.chunks.completed > 100);
    server.kill();
    running.until_line("is unavailable");
    server.launch();
    let report = running.end().expect_code(0).report();
    report.assert_complete(10_000, 0);
    assert_eq!(report.result("sum"), "5000355.0");
    sandbox.ttg("verify long").expect_code(0);
}

#[test]
fn what_a_person_must_mend_is_told_with_its_exit_code() {
    let server = RabbitServer::start();
    let sandbox = sandbox();
    let port = server.port();
    let right = server.url();
    let told = |url: &str, code: i32, words: &str| {
        let ended = sandbox.ttg(&format!("run --parameters 10 --broker {url}")).expect_code(code);
        assert!(ended.stderr.contains(words) && ended.stderr.contains("hint: "), "{ended:#?}");
        assert!(!ended.stderr.contains("guess"), "{ended:#?}");
    };
    told(&format!("amqp://guest:guess@127.0.0.1:{port}"), 78, "refused");
    told(&format!("{right}/nowhere"), 78, "refused");
    told("amqp://127.0.0.1:1", 69, "is unavailable");
    told(&format!("{right} --timeout 1h"), 78, "too long");
    let checked = sandbox.ttg(&format!("check --broker {right}")).expect_code(0).stdout;
    assert!(checked.contains("takes messages"), "{checked}");
    server.ask(&["set_vm_memory_high_watermark", "0"]);
    sandbox.ttg(&format!("check --broker {right}")).expect_code(69);
}
