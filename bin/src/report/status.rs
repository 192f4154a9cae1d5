//! What a job does now.

use std::time::Duration;

use ttg_runtime::broker::{Beat, JobProgress, JobState};
use ttg_runtime::{Broker, Clock, JobRecord, SystemClock, WallTime};

use super::job::{JobReport, Status, WorkerShare, progress};
use super::number::{grouped, percent, rate, span};
use super::reading::{More, Reading};
use super::table::{self, Side};
use super::text::{head, labelled};
use crate::error::CommandError;

/// Workers that were heard of within this time are alive.
pub(crate) const ALIVE: Duration = Duration::from_secs(5);

/// How long one look reads outcomes, at most: the first looks at a large job show what is read so
/// far, and not nothing.
const READ_FOR: Duration = Duration::from_millis(500);

/// Workers shown, the most active first.
const WORKERS_SHOWN: usize = 16;

/// Columns for a worker's id.
const ID_WIDTH: usize = 24;

/// A job, looked at now and then.
pub(crate) struct JobStatus {
    job: JobRecord,
    reading: Reading,
    /// All outcomes of the last look were read.
    whole: bool,
    seen: Option<Seen>,
}

/// What the last look saw.
struct Seen {
    report: JobReport,
    progress: JobProgress,
    beats: Vec<Beat>,
    at: WallTime,
}

impl JobStatus {
    pub(crate) fn new(job: JobRecord) -> Self {
        Self { job, reading: Reading::default(), whole: false, seen: None }
    }

    /// Looks at the job, for a moment, or if it has ended until all that there is has been read.
    pub(crate) async fn look(&mut self, broker: &dyn Broker) -> Result<(), CommandError> {
        let until = SystemClock.now().after(READ_FOR);
        let at = SystemClock.wall();
        // First: outcomes are never fewer than it counts.
        let progress = progress(broker, &self.job).await?;
        self.whole = false;
        let ended = progress.state != JobState::Running;
        while !self.whole && (ended || SystemClock.now() < until) {
            self.whole = self.reading.read_on(broker, self.job.uid, at).await? == More::No;
        }
        // Best effort, as beats are.
        let beats = broker.beats(ALIVE).await.unwrap_or_default();
        let name = broker.capabilities().name;
        let report = JobReport::new(name, &self.job, &progress, &self.reading, at);
        self.seen = Some(Seen { report, progress, beats, at });
        Ok(())
    }

    /// Looks until all that there is has been read.
    pub(crate) async fn look_at_all(&mut self, broker: &dyn Broker) -> Result<(), CommandError> {
        loop {
            self.look(broker).await?;
            if self.whole {
                return Ok(());
            }
        }
    }

    /// The report, whole if all outcomes were read; `None` before the first look.
    pub(crate) fn report(&self) -> Option<&JobReport> {
        self.seen.as_ref().map(|seen| &seen.report)
    }

    /// All about it, in at most 80 columns for ordinary names.
    pub(crate) fn text(&self) -> String {
        let Some(seen) = &self.seen else { return String::new() };
        let [job, (label, parameters), chunks] = head(&seen.report);
        let settled = seen.report.parameters.completed + seen.report.parameters.dead;
        let done = percent(settled, seen.report.parameters.total);
        let mut text = labelled(job.0, &job.1);
        text += &labelled(label, &format!("{parameters}; {done}"));
        text += &labelled(chunks.0, &chunks.1);
        if seen.report.status == Status::Running {
            text += &labelled("", &seen.waiting());
        }
        text += &labelled("time", &seen.time(&self.reading));
        for (i, line) in self.workers(seen).into_iter().enumerate() {
            text += &labelled(if i == 0 { "workers" } else { "" }, &line);
        }
        text
    }

    /// The most important, in one line.
    pub(crate) fn line(&self) -> String {
        let Some(seen) = &self.seen else { return String::new() };
        let JobReport { job, status, parameters, .. } = &seen.report;
        let settled = parameters.completed + parameters.dead;
        let mut parts = vec![
            format!("{job} {} {}", status.as_str(), percent(settled, parameters.total)),
            format!("{} dead", grouped(parameters.dead)),
        ];
        if *status == Status::Running {
            parts.push(seen.waiting());
        }
        parts.push(seen.time(&self.reading));
        parts.join(", ") + "\n"
    }

    fn workers(&self, seen: &Seen) -> Vec<String> {
        let mut workers = seen.workers();
        if workers.is_empty() {
            return vec!["none".to_owned()];
        }
        let all = seen.report.parameters.completed;
        let running = seen.report.status == Status::Running;
        let more = workers.len().saturating_sub(WORKERS_SHOWN);
        workers.truncate(WORKERS_SHOWN);
        let row = |(share, beat): &(WorkerShare, Option<&Beat>)| {
            let per_second = self.reading.rate_of(&share.id, seen.at);
            [
                table::end_of(&share.id, ID_WIDTH),
                percent(share.parameters, all),
                grouped(share.chunks),
                if running { format!("{}/s", rate(per_second)) } else { String::new() },
                match beat {
                    _ if !running => String::new(),
                    Some(beat) => grouped(beat.in_flight.into()),
                    None => "gone".to_owned(),
                },
            ]
        };
        let rows: Vec<_> = workers.iter().map(row).collect();
        let sides = [Side::Left, Side::Right, Side::Right, Side::Right, Side::Right];
        let columns = if running {
            ["id", "share", "chunks", "rate", "holds"]
        } else {
            ["id", "share", "chunks", "", ""]
        };
        let mut lines = table::lines(sides, columns, &rows);
        if more > 0 {
            lines.push(format!("and {} more", grouped(more as u64)));
        }
        if !self.whole {
            lines.push("(still reading who did what)".to_owned());
        }
        lines
    }
}

impl Seen {
    fn waiting(&self) -> String {
        let chunks = &self.progress.chunks;
        format!(
            "{} ready, {} in flight, {} delayed",
            grouped(chunks.ready),
            grouped(chunks.in_flight),
            grouped(chunks.delayed)
        )
    }

    /// How long it took, how fast it is and how long it will take.
    fn time(&self, reading: &Reading) -> String {
        let elapsed = span(self.report.elapsed());
        if self.report.status != Status::Running {
            return format!("{elapsed}, {} parameters/s", rate(self.report.parameters_per_second));
        }
        let per_second = match reading.rate(self.at) {
            // Chunks may take longer than what counts as of late.
            late if late > 0.0 => late,
            _ if self.beats.is_empty() => 0.0,
            _ => self.report.parameters_per_second,
        };
        let left = self.progress.parameters.unsettled() as f64 / per_second;
        let left = Duration::try_from_secs_f64(left).map_or("unknown".to_owned(), span);
        format!("{elapsed}, {} parameters/s, {left} left", rate(per_second))
    }

    /// Those who committed something and those who are alive: who is alive and did most, first.
    fn workers(&self) -> Vec<(WorkerShare, Option<&Beat>)> {
        let mut workers: Vec<_> = Vec::new();
        for share in &self.report.workers {
            let beat = self.beats.iter().find(|beat| beat.worker.as_str() == share.id);
            workers.push((share.clone(), beat));
        }
        if self.report.status == Status::Running {
            let idle = |beat: &&Beat| {
                self.report.workers.iter().all(|share| share.id != beat.worker.as_str())
            };
            for beat in self.beats.iter().filter(idle) {
                let id = beat.worker.to_string();
                workers.push((WorkerShare { id, chunks: 0, parameters: 0 }, Some(beat)));
            }
        }
        workers.sort_by_key(|(share, beat)| (beat.is_none(), u64::MAX - share.parameters));
        workers
    }
}
