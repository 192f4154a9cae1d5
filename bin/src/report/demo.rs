//! Two runs of the same job, one of them disturbed.

use serde::Serialize;

use super::job::{Chunks, JobReport, Parameters};
use super::number::{decimal, grouped};
use super::table::{self, Side};

/// What the demonstration showed.
#[derive(Debug, Serialize)]
pub(crate) struct DemoReport {
    /// Both runs are proven, and have the same result to the last bit.
    pub(crate) equal: bool,
    pub(crate) workers: u32,
    pub(crate) killed: Killed,
    pub(crate) undisturbed: DemoRun,
    pub(crate) disturbed: DemoRun,
}

/// The worker that was killed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Killed {
    pub(crate) pid: u32,
    /// How much of the job was done.
    pub(crate) at_percent: f64,
    /// Chunks that were in flight, of all workers.
    pub(crate) in_flight: u64,
}

/// One of the two runs.
#[derive(Debug, Serialize)]
pub(crate) struct DemoRun {
    /// Every parameter is in exactly one outcome.
    pub(crate) proven: bool,
    pub(crate) elapsed_seconds: f64,
    pub(crate) parameters: Parameters,
    pub(crate) chunks: Chunks,
    /// In decimal, and its bits: equal only if they are.
    pub(crate) sum: f64,
    pub(crate) sum_bits: String,
    pub(crate) stddev: Option<f64>,
    pub(crate) workers_that_committed: usize,
}

impl DemoRun {
    pub(crate) fn new(report: &JobReport, proven: bool) -> Self {
        Self {
            proven,
            elapsed_seconds: report.elapsed_seconds,
            parameters: report.parameters,
            chunks: report.chunks,
            sum: report.result.sum,
            sum_bits: format!("{:016x}", report.result.sum.to_bits()),
            stddev: report.result.stddev,
            workers_that_committed: report.workers.len(),
        }
    }

    /// Whether both computed the same.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.sum_bits == other.sum_bits
            && self.stddev.map(f64::to_bits) == other.stddev.map(f64::to_bits)
            && self.parameters.completed == other.parameters.completed
            && self.parameters.dead == other.parameters.dead
    }
}

impl DemoReport {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let Killed { pid, at_percent, in_flight } = self.killed;
        let mut text = format!(
            "{} workers; process {pid} was killed at {at_percent:.0} %, with {in_flight} chunks in flight\n\n",
            self.workers
        );
        let runs = [&self.undisturbed, &self.disturbed];
        let row =
            |name: &str, of: fn(&DemoRun) -> String| [name.to_owned(), of(runs[0]), of(runs[1])];
        let rows = [
            row("parameters completed", |run| grouped(run.parameters.completed)),
            row("parameters dead", |run| grouped(run.parameters.dead)),
            row("chunks", |run| grouped(run.chunks.total)),
            row("chunks redelivered", |run| grouped(run.chunks.redelivered)),
            row("duplicates dropped", |run| grouped(run.chunks.duplicates_dropped)),
            row("sum", |run| decimal(run.sum)),
            row("its bits", |run| run.sum_bits.clone()),
            row("deviation", |run| run.stddev.map_or("none".into(), decimal)),
            row("seconds", |run| format!("{:.2}", run.elapsed_seconds)),
            row("each parameter once", |run| if run.proven { "proven" } else { "NO" }.into()),
        ];
        let head = ["", "undisturbed", "disturbed"];
        for line in table::lines([Side::Left, Side::Right, Side::Right], head, &rows) {
            text += &line;
            text.push('\n');
        }
        text += if self.equal {
            "\nThe answers are the same to the last bit.\n"
        } else {
            "\nThe answers DIFFER, or are not proven.\n"
        };
        text
    }
}
