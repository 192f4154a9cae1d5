//! What a store holds.

use serde::Serialize;
use ttg_runtime::{Broker, WallTime};

use super::job::{Chunks, Parameters, Status};
use super::number::{grouped, percent, span};
use super::table::{self, Side};
use crate::error::CommandError;

/// Columns for a name on a terminal.
const NAME_WIDTH: usize = 20;

/// All jobs of a store, the newest last.
#[derive(Debug, Serialize)]
pub(crate) struct JobsReport {
    broker: String,
    jobs: Vec<JobLine>,
}

/// One of them: as in its own report, but for what its outcomes say.
#[derive(Debug, Serialize)]
struct JobLine {
    job: String,
    uid: String,
    status: Status,
    kernel: String,
    parameters: Parameters,
    chunks: Chunks,
    /// Since it was submitted.
    age_seconds: f64,
}

impl JobsReport {
    /// Reads all; none without a store.
    pub(crate) async fn read(
        url: String,
        broker: Option<&dyn Broker>,
        now: WallTime,
    ) -> Result<Self, CommandError> {
        let mut report = Self { broker: url, jobs: Vec::new() };
        let Some(broker) = broker else { return Ok(report) };
        let jobs = broker.overview().await;
        for (job, progress) in jobs.map_err(CommandError::broker("the jobs could not be listed"))? {
            report.jobs.push(JobLine {
                job: job.name.to_string(),
                uid: job.uid.to_string(),
                status: progress.state.into(),
                kernel: job.spec.kernel.to_string(),
                parameters: progress.parameters.into(),
                chunks: progress.chunks.into(),
                age_seconds: now.since(job.submitted_at).as_secs_f64(),
            });
        }
        Ok(report)
    }

    /// A table; names are cut to fit into 80 columns if `narrow`.
    pub(crate) fn text(&self, narrow: bool) -> String {
        if self.jobs.is_empty() {
            return format!("no jobs in {}\n", self.broker);
        }
        let name = |name: &str, width| {
            if narrow { table::end_of(name, width) } else { name.to_owned() }
        };
        let row = |job: &JobLine| {
            let settled = job.parameters.completed + job.parameters.dead;
            [
                name(&job.job, NAME_WIDTH),
                job.status.as_str().to_owned(),
                name(&job.kernel, NAME_WIDTH / 2),
                percent(settled, job.parameters.total),
                grouped(job.parameters.dead),
                grouped(job.chunks.total),
                span(std::time::Duration::from_secs_f64(job.age_seconds)),
            ]
        };
        let rows: Vec<_> = self.jobs.iter().map(row).collect();
        let right = Side::Right;
        let sides = [Side::Left, Side::Left, Side::Left, right, right, right, right];
        let head = ["job", "state", "kernel", "done", "dead", "chunks", "age"];
        table::lines(sides, head, &rows).join("\n") + "\n"
    }
}
