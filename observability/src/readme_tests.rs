//! The folder's README shows what the code does, so it is checked against it.

use std::time::Duration;

use crate::Metrics;
use crate::events::{ChunkFailed, ChunkRef, Event};
use crate::metrics::{
    ActorKind, BrokerOperation, ChunkOutcome, Label, Metric, ParameterState, QueueState,
    RestartReason,
};
use crate::telemetry::LogFormat;
use crate::telemetry::capture::{capture, identity};

const README: &str = include_str!("../README.md");

#[test]
fn the_readme_has_every_metric_as_it_is() {
    let rows = README.lines().filter(|line| line.starts_with("| `ttg_"));
    let expected = Metric::ALL.map(|metric| {
        let labels: Vec<_> = metric.labels().iter().map(|label| format!("`{label}`")).collect();
        let kind = format!("{:?}", metric.kind()).to_lowercase();
        let (name, help) = (metric.name(), metric.help());
        format!("| `{name}` | {kind} | {} | {help} |", labels.join(", "))
    });
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

fn values_of<L: Label>() -> String {
    let values: Vec<_> = L::ALL.iter().map(|value| format!("`{}`", value.as_str())).collect();
    format!("| {} |", values.join(", "))
}

#[test]
fn the_readme_has_every_closed_set_as_it_is() {
    for values in [
        values_of::<ChunkOutcome>(),
        values_of::<ActorKind>(),
        values_of::<RestartReason>(),
        values_of::<BrokerOperation>(),
        values_of::<QueueState>(),
        values_of::<ParameterState>(),
    ] {
        assert!(README.contains(&values), "{values}");
    }
}

#[test]
fn the_readme_has_the_lines_that_are_written() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let lines = capture(format, identity(), || {
            let chunk = ChunkRef { job: "sweep", index: 17, generation: 0, span: None };
            let event = ChunkFailed {
                chunk,
                failures: 1,
                max_attempts: 3,
                retry_in: Duration::from_millis(1250),
                error: "parameter 1742: division by zero",
            };
            event.emit(&Metrics::new("0.1.0", "c0d5a4b"));
        });
        assert!(README.contains(&lines[0]), "{}", lines[0]);
    }
}
