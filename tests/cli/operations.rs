//! The commands that look after jobs: what they say, and what they leave alone.

use insta::assert_snapshot;
use ttg_tests::Sandbox;

use super::{failures, sandbox, transcript};

/// A store with a job that is complete, one with dead parameters, and one that nobody works on.
fn three_jobs() -> Sandbox {
    let sandbox = sandbox();
    let options = "--chunk-size 10 --retry-delay 1ms";
    sandbox.ttg(&format!("run --parameters 1000 --job good {options}")).expect_code(0);
    let holed = format!("run --kernel collatz --range 0..100 --job holed {options}");
    sandbox.ttg(&holed).expect_code(3);
    sandbox.ttg(&format!("submit --parameters 1000 --job waiting {options}")).expect_code(0);
    sandbox
}

/// Without what is never the same: times, rates and names of workers.
fn constant(transcript: &str) -> String {
    let mut text = String::new();
    let mut table = false;
    for line in transcript.lines() {
        table = if table { line.starts_with("  ") } else { line.starts_with("workers ") };
        let constant = match line.split_once(' ') {
            Some(("time", _)) => format!("{:<11} […]", "time"),
            // Who is as wide as a machine's name.
            _ if table => line.split_whitespace().collect::<Vec<_>>().join(" "),
            _ if line.ends_with(" s") || line.ends_with("age") => {
                line.trim_end_matches(" s").rsplit_once(' ').map_or(line, |(line, _)| line).into()
            }
            _ => line.to_owned(),
        };
        text += &format!("{}\n", constant.trim_end());
    }
    let mut words = text.split_inclusive(char::is_whitespace).map(|word| {
        let is_worker = word.trim_end().rsplit_once('-').is_some_and(|(_, incarnation)| {
            incarnation.len() == 8 && incarnation.chars().all(|c| c.is_ascii_hexdigit())
        });
        if is_worker { word.replace(word.trim_end(), "[worker]") } else { word.to_owned() }
    });
    words.by_ref().collect()
}

#[test]
fn help_of_the_commands_that_look_after_jobs() {
    let lines = ["status --help", "cancel --help", "purge --help"];
    assert_snapshot!(transcript(&sandbox(), &lines));
}

#[test]
fn status_tells_what_jobs_there_are_and_what_one_does() {
    let sandbox = three_jobs();
    let lines = ["status", "status good", "status holed", "status waiting"];
    assert_snapshot!(constant(&transcript(&sandbox, &lines)));
    let line = "status --data-dir elsewhere";
    assert_eq!(sandbox.ttg(line).expect_code(0).stdout, "no jobs in embedded:elsewhere\n");
    assert!(!sandbox.path("elsewhere").exists(), "looking makes no store");
}

#[test]
fn status_of_a_job_is_its_report_for_programs() {
    let sandbox = three_jobs();
    for (job, code) in [("good", 0), ("holed", 3), ("waiting", 0)] {
        let [status, results] = ["status", "results"].map(|command| {
            let ended = sandbox.ttg(&format!("{command} {job} --json")).expect_code(code);
            let report = ended.report();
            (report.uid, report.status, report.parameters, report.result.get().to_owned())
        });
        assert_eq!(status, results);
    }
    let jobs = sandbox.ttg("status --json").expect_code(0).stdout;
    let jobs: serde_json::Value = serde_json::from_str(&jobs).expect("it is one object");
    assert_eq!(jobs["broker"], "embedded:.ttg");
    let job = &jobs["jobs"][1];
    assert_eq!((&job["job"], &job["status"]), (&"holed".into(), &"complete".into()));
    assert_eq!(job["parameters"], serde_json::json!({"total": 100, "completed": 99, "dead": 1}));
    assert_eq!(job["chunks"]["total"], 10);
    assert!(job["age_seconds"].is_number() && job["uid"].is_string(), "{job}");
}

#[test]
fn a_cancelled_job_keeps_what_it_has_and_cannot_be_resumed() {
    let sandbox = three_jobs();
    let lines = ["cancel waiting", "cancel waiting", "cancel good", "status"];
    assert_snapshot!(constant(&transcript(&sandbox, &lines)));
    let resume = "run --parameters 1000 --job waiting --chunk-size 10 --retry-delay 1ms";
    let refused = sandbox.ttg(resume).expect_code(2);
    assert!(refused.stderr.contains("job `waiting` was cancelled"), "{refused:#?}");
    sandbox.look("good").expect("it is there").assert_complete(1_000, 0);
}

#[test]
fn a_purge_removes_what_it_names_and_nothing_that_runs() {
    let sandbox = three_jobs();
    let refused = [
        "purge",
        "purge good --all",
        "purge good unknown",
        "purge good waiting",
        "purge --all",
        "purge any --data-dir elsewhere",
        "cancel unknown",
        "cancel",
        "status unknown",
        "status unknown --watch",
        "status good --watch --interval 1ms",
    ];
    let told = failures(&sandbox, 2, &refused);
    for job in ["good", "holed", "waiting"] {
        assert!(sandbox.look(job).is_some(), "{job} is still there");
    }
    let done = [
        "purge good",
        "status",
        "purge holed waiting --force --json",
        "status",
        "purge --all",
        "purge --all --data-dir elsewhere",
    ];
    assert_snapshot!(told + &constant(&transcript(&sandbox, &done)));
    assert!(!sandbox.path("elsewhere").exists(), "looking makes no store");
}
