//! `--values`: every parameter's value, once, whatever happened to it.

use ttg_runtime::broker::{RabbitSpace, RedisServer};
use ttg_tests::{Sandbox, Signal, peak_memory_of_children, python};

use crate::places::Place;
use crate::sandbox;

/// What python's own readers make of a file of values: each parameter and its value, in their order.
const READ: &str = "
import csv, json, sys
path, form = sys.argv[1:]
text = open(path, newline='').read()
if form == 'csv':
    rows = [(int(r['parameter']), r['value'], r['error'] or None) for r in csv.DictReader(text.splitlines())]
    rows = [(p, float(v) if v else None, e) for p, v, e in rows]
elif form == 'table':
    lines = text.splitlines()
    assert lines[0].split() == ['parameter', 'value'] and len({l.find('value') for l in lines[:1]}) == 1
    rows = [l.split(None, 1) for l in lines[1:]]
    rows = [(int(p), None if v.startswith('dead: ') else float(v),
        v[6:] if v.startswith('dead: ') else None) for p, v in rows]
else:
    rows = json.loads(text) if form == 'json' else [json.loads(l) for l in text.splitlines()]
    rows = [(r['parameter'], r['columns'].get('value'), r['error']) for r in rows]
for row in sorted(rows, key=lambda row: row[0]):
    print(*row)
";

/// The values of `job`, a line for each, in the order of the parameters.
#[track_caller]
fn values(sandbox: &Sandbox, job: &str, format: &str, code: i32) -> Vec<String> {
    let file = format!("values.{format}");
    let line = format!("results {job} --values --format {format} --output {file}");
    sandbox.ttg(&line).expect_code(code);
    let path = sandbox.path(&file);
    let lines = python(READ, &[path.to_str().expect("its name is text"), format], "");
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn every_format_has_every_parameter_once() {
    let sandbox = sandbox();
    let line = "run --job steps --kernel collatz --parameters 3000 --chunk-size 70 --values \
                --max-attempts 1";
    sandbox.ttg(line).expect_code(3);
    let steps = "
for n in range(3000):
    m, steps = n, 0
    while m > 1:
        m, steps = (3 * m + 1 if m % 2 else m // 2), steps + 1
    print(n, *(('None', 'WHY') if n == 0 else (float(steps), None)))
";
    let expected = python(steps, &[], "");
    for format in ["csv", "json", "jsonl", "table"] {
        let mut found = values(&sandbox, "steps", format, 3);
        assert!(found[0].starts_with("0 None ") && found[0].len() > 10, "{}", found[0]);
        found[0] = "0 None WHY".to_owned();
        assert!(found.iter().map(String::as_str).eq(expected.lines()), "{format}");
    }
    let ended = sandbox.ttg("verify steps --json").expect_code(0);
    assert!(ended.stdout.contains(r#""values":2999"#), "{ended:#?}");
}

#[test]
fn whatever_dies_meanwhile_no_value_is_lost_or_there_twice() {
    let sandbox = sandbox();
    kill_and_compare(&sandbox);
    let rows = sandbox.store().query("SELECT count(*) FROM parameter_values");
    assert_eq!(rows.trim(), "300", "what was stored in vain is gone");
}

#[test]
fn on_redis_neither() {
    let server = RedisServer::start();
    let sandbox = sandbox().on(server.url());
    kill_and_compare(&sandbox);
    let uid = sandbox.look("shaken").expect("it is there").uid;
    assert_eq!(server.ask(&["HLEN", &format!("ttg:values:{uid}")]), "300");
}

#[test]
fn nor_on_rabbitmq() {
    let space = RabbitSpace::fresh();
    kill_and_compare(&space.sandbox());
}

/// Workers die while they compute the job `shaken`; then every parameter has one value or is dead.
fn kill_and_compare(sandbox: &Sandbox) {
    let job = "--job shaken --parameters 6000 --chunk-size 20 --values --retry-delay 1ms \
               --set simulate-work-ms=1 --set simulate-fault-rate=0.001";
    sandbox.ttg(&format!("submit {job}")).expect_code(0);
    for (completed, signal) in [(20, Signal::SIGKILL), (60, Signal::SIGKILL), (90, Signal::SIGTERM)]
    {
        let worker = sandbox.start("worker --concurrency 4 --lease 1s");
        sandbox.until("shaken", |report| report.chunks.completed >= completed);
        worker.signal(signal);
        worker.end();
    }
    let done = sandbox.ttg("worker --until-complete shaken --concurrency 8");
    let code = done.code.expect("no signal");
    let report = sandbox.look("shaken").expect("it is there");
    assert_eq!(report.status, "complete");
    let found = values(sandbox, "shaken", "csv", code);
    let parameter = |line: &String| line.split(' ').next().expect("a word").parse::<u64>();
    assert!(found.iter().map(parameter).map(Result::unwrap).eq(0..6_000));
    let with_value = found.iter().filter(|line| line.ends_with(" None")).count() as u64;
    assert_eq!(with_value, report.parameters.completed);
    sandbox.ttg("verify shaken --recompute").expect_code(0);
}

#[test]
fn what_a_child_process_evaluated_or_a_retry_completed_has_its_value() {
    let sandbox = sandbox();
    let line = "run --job sick --kernel deadly --set error=7+8+250 --set abort=9 \
                --set mended-by=mended --parameters 400 --chunk-size 100 --retry-delay 1ms --values";
    while sandbox.ttg(line).code != Some(3) {}
    let expected = |dead: &[u64]| -> Vec<String> {
        let line = |p: u64| if dead.contains(&p) { "None" } else { "value" };
        (0..400).map(|p| format!("{p} {}", line(p))).collect()
    };
    let found = |code| -> Vec<String> {
        let lines = values(&sandbox, "sick", "jsonl", code);
        let cut = |line: String| {
            let words: Vec<_> = line.split(' ').collect();
            let is_value = words[1] == format!("{}.0", words[0]);
            format!("{} {}", words[0], if is_value { "value" } else { words[1] })
        };
        lines.into_iter().map(cut).collect()
    };
    assert_eq!(found(3), expected(&[7, 8, 9, 250]));
    sandbox.ttg("verify sick").expect_code(0);
    std::fs::write(sandbox.path("mended"), "").expect("a file can be made");
    sandbox.ttg("dlq retry sick").expect_code(0);
    sandbox.ttg("worker --until-complete sick").expect_code(0);
    assert_eq!(found(0), expected(&[]));
    sandbox.ttg("verify sick --recompute").expect_code(0);
}

#[test]
fn values_that_were_altered_or_removed_are_found() {
    let change = "
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
found, record = store.execute('SELECT id, record FROM parameter_values WHERE chunk = 3').fetchone()
if sys.argv[2] == 'remove':
    store.execute('DELETE FROM parameter_values WHERE id = ?', [found])
else:
    # The last byte is of the last value: its sign and most of its exponent.
    store.execute('UPDATE parameter_values SET record = ? WHERE id = ?', [record[:-1] + b'@', found])
store.commit()
";
    for (how, why) in [("remove", "are not all there"), ("alter", "do not add up to its summary")] {
        let sandbox = sandbox();
        let line = "run --job kept --kernel primes --parameters 1000 --chunk-size 100 --values";
        sandbox.ttg(line).expect_code(0);
        let file = sandbox.path(".ttg/ttg.db");
        python(change, &[file.to_str().expect("its name is text"), how], "");
        let ended = sandbox.ttg("verify kept").expect_code(4);
        assert!(ended.stdout.contains(why), "{how}: {ended:#?}");
        let code = if how == "remove" { 69 } else { 0 };
        sandbox.ttg("results kept --values --format csv").expect_code(code);
    }
}

#[test]
fn shards_have_their_values_merged() {
    let sandbox = sandbox();
    for shard in ["0/2", "1/2"] {
        let folder = shard.replace('/', "-");
        let line = format!("run --kernel primes --parameters 999 --values --shard {shard}");
        sandbox.ttg(&format!("{line} --data-dir {folder}")).expect_code(0);
    }
    let found = values(&sandbox, "primes-0-999 --data-dir 1-2 --data-dir 0-2", "csv", 0);
    assert_eq!(found.len(), 999);
    assert_eq!(found.iter().filter(|line| line.contains(" 1.0 ")).count(), 168);
}

#[test]
fn a_job_that_keeps_none_is_told_so_and_other_options_do_not_resume_it() {
    let sandbox = sandbox();
    sandbox.ttg("run --job plain --parameters 100").expect_code(0);
    let ended = sandbox.ttg("results plain --values").expect_code(2);
    assert!(ended.stderr.contains("error: job `plain` keeps no values"), "{ended:#?}");
    let ended = sandbox.ttg("run --job plain --parameters 100 --values").expect_code(2);
    assert!(ended.stderr.contains("exists with values false, not true"), "{ended:#?}");
}

#[test]
fn millions_of_values_fit_in_64_mib_on_their_way_in_and_out() {
    let sandbox = sandbox();
    sandbox.ttg("run --job many --parameters 3000000 --values").expect_code(0);
    sandbox.ttg("verify many").expect_code(0);
    sandbox.ttg("results many --values --format csv --output many.csv").expect_code(0);
    let lines = std::fs::read_to_string(sandbox.path("many.csv")).expect("it is there");
    assert_eq!(lines.lines().count(), 3_000_001);
    let peak = peak_memory_of_children();
    assert!(peak <= 64 << 20, "{} MiB", peak >> 20);
}
