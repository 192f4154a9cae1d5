//! The chunks of a job, for other programs.

use ttg_tests::{Sandbox, python};

use crate::sandbox;

/// Two columns and dead parameters: 30 chunks, one of which is dead as a whole.
fn done() -> Sandbox {
    let sandbox = sandbox();
    let line = "run --job rows --kernel hostile --parameters 240 --chunk-size 8";
    sandbox.ttg(line).expect_code(0);
    let dead = "run --job dead --kernel deadly --set error=0+1+5 --parameters 6 --chunk-size 2 \
                --max-attempts 1";
    sandbox.ttg(dead).expect_code(3);
    sandbox
}

/// What python's own readers make of it.
const READ: &str = "
import csv, json, sys
path, form = sys.argv[1:]
text = open(path, newline='').read()
if form == 'csv':
    rows = list(csv.DictReader(text.splitlines()))
    print(len(rows), len({r['chunk'] for r in rows}), sorted({r['column'] for r in rows}),
        sum(int(r['count'] or 0) for r in rows), sum(int(r['dead']) for r in rows))
else:
    rows = json.loads(text) if form == 'json' else [json.loads(l) for l in text.splitlines()]
    print(len(rows), len({r['chunk'] for r in rows}), sorted({c for r in rows for c in r['columns']}),
        sum(c['count'] for r in rows for c in r['columns'].values()), sum(r['dead'] for r in rows))
";

#[track_caller]
fn read(sandbox: &Sandbox, job: &str, format: &str, code: i32) -> String {
    let file = format!("{job}.{format}");
    let line = format!("results {job} --format {format} --output {file}");
    assert_eq!(sandbox.ttg(&line).expect_code(code).stdout, "");
    let path = sandbox.path(&file);
    let text = std::fs::read_to_string(&path).expect("it is there");
    let printed = sandbox.ttg(&format!("results {job} --format {format}")).expect_code(code).stdout;
    assert_eq!(printed, text, "what is printed is what is written");
    let path = path.to_str().expect("its name is text");
    python(READ, &[path, format], "").trim().to_owned()
}

#[test]
fn every_format_has_every_chunk_and_column_once() {
    let sandbox = done();
    assert_eq!(read(&sandbox, "rows", "csv", 0), "60 30 ['tiny', 'wild'] 480 0");
    assert_eq!(read(&sandbox, "rows", "json", 0), "30 30 ['tiny', 'wild'] 480 0");
    assert_eq!(read(&sandbox, "rows", "jsonl", 0), "30 30 ['tiny', 'wild'] 480 0");
    // A chunk without a value has a row, too.
    assert_eq!(read(&sandbox, "dead", "csv", 3), "3 3 ['value'] 3 3");
    assert_eq!(read(&sandbox, "dead", "jsonl", 3), "3 3 ['value'] 3 3");
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_an_older_one_stays() {
    let sandbox = done();
    let ended = sandbox.ttg("results rows --format csv --output nowhere/rows.csv").expect_code(1);
    assert!(ended.stderr.contains("the result could not be written"), "{ended:#?}");
    std::fs::write(sandbox.path("kept"), "old").expect("a file can be made");
    sandbox.ttg("results unknown --output kept").expect_code(2);
    assert_eq!(std::fs::read_to_string(sandbox.path("kept")).expect("it is there"), "old");
    sandbox.ttg("results rows --json --output kept").expect_code(0);
    let report = std::fs::read_to_string(sandbox.path("kept")).expect("it is there");
    assert_eq!(report, sandbox.ttg("results rows --json").stdout);
    sandbox.ttg("results rows --json --format csv").expect_code(2);
}
