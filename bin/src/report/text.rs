//! A job's report for people.

use super::job::{JobReport, Statistics};
use super::number::{decimal, grouped, rate, span};

/// The summary, in at most 80 columns for ordinary names.
pub(super) fn summary(report: &JobReport) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| text += &labelled(label, &value);
    for (label, value) in head(report) {
        line(label, value);
    }
    for (name, statistics) in &report.columns.0 {
        for (i, row) in rows(statistics).into_iter().enumerate() {
            line(if i == 0 { name } else { "" }, row);
        }
    }
    let speed = rate(report.parameters_per_second);
    line("time", format!("{}, {speed} parameters/s", span(report.elapsed())));
    let all: u64 = report.workers.iter().map(|worker| worker.parameters).sum();
    for (i, worker) in report.workers.iter().enumerate() {
        let share = 100.0 * worker.parameters as f64 / all.max(1) as f64;
        let value = format!("{} {share:5.1} %, {} chunks", worker.id, grouped(worker.chunks));
        line(if i == 0 { "workers" } else { "" }, value);
    }
    text
}

/// A line of a report.
pub(super) fn labelled(label: &str, value: &str) -> String {
    format!("{label:<11} {value}\n")
}

/// What a job is, and what became of its parameters and chunks.
pub(super) fn head(report: &JobReport) -> [(&'static str, String); 3] {
    let JobReport { parameters, chunks, .. } = report;
    let settled = |completed, total, dead| {
        format!("{} of {} completed, {} dead", grouped(completed), grouped(total), grouped(dead))
    };
    let again = format!(
        ", {} redelivered, {} duplicates",
        grouped(chunks.redelivered),
        grouped(chunks.duplicates_dropped)
    );
    [
        ("job", format!("{} ({}, {})", report.job, report.kernel, report.status.as_str())),
        ("parameters", settled(parameters.completed, parameters.total, parameters.dead)),
        ("chunks", settled(chunks.completed, chunks.total, chunks.dead) + &again),
    ]
}

fn rows(statistics: &Statistics) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), decimal);
    let place = |at: Option<u64>| at.map_or("-".to_owned(), grouped);
    let Statistics { count, sum, mean, min, argmin, max, argmax, stddev } = *statistics;
    vec![
        format!("sum {}, count {}", decimal(sum), grouped(count)),
        format!("mean {}, deviation {}", number(mean), number(stddev)),
        format!(
            "min {} at {}, max {} at {}",
            number(min),
            place(argmin),
            number(max),
            place(argmax)
        ),
    ]
}
