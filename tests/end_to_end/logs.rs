//! Logs tell who did what; results stand alone on standard output.

use serde_json::Value;

use crate::sandbox;

/// The steps that every run goes through.
const STEPS: [&str; 4] = ["starting", "initialized", "running", "completed"];

#[test]
fn every_json_line_is_an_object_that_says_when_who_and_where() {
    // Panics of a kernel are log lines, too.
    let ended = sandbox()
        .ttg(
            "run --kernel faulty --parameters 100 --set panic=50 --retry-delay 1ms \
             --log-format json --log-level debug --json",
        )
        .expect_code(3);
    let lines: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect();
    let report = ended.report();
    let worker = &report.workers.first().expect("one worked").id;
    for line in &lines {
        let text = |field: &str| line[field].as_str().unwrap_or_default();
        assert!(text("timestamp").ends_with('Z'), "{line}");
        assert!(["DEBUG", "INFO", "WARN", "ERROR"].contains(&text("level")), "{line}");
        assert_eq!(text("worker"), worker, "{line}");
        assert_ne!(text("host"), "", "{line}");
        for field in ["pod", "node"] {
            assert!(line.get(field).is_some(), "no {field}: {line}");
        }
    }
    let steps: Vec<_> = lines
        .iter()
        .filter_map(|line| line["event"].as_str())
        .filter(|event| STEPS.contains(event))
        .collect();
    assert_eq!(steps, STEPS);
}

#[test]
fn every_text_line_says_who_and_where() {
    let ended = sandbox()
        .ttg("run --kernel faulty --parameters 100 --set panic=50 --retry-delay 1ms --json")
        .expect_code(3);
    let report = ended.report();
    let worker = &report.workers.first().expect("one worked").id;
    for line in ended.stderr.lines() {
        assert!(line.contains(&format!(" worker={worker}")), "{line}");
        assert!(line.contains(" host="), "{line}");
    }
    for step in STEPS {
        assert!(ended.stderr.contains(&format!("event={step} ")), "{step}");
    }
}
