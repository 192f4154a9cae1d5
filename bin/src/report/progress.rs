//! A running job, for people: a bar on a terminal, a log line every few seconds elsewhere.

use std::collections::VecDeque;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ttg_observability::events::{Event, Progress};
use ttg_observability::metrics::{JobParameters, Metrics};
use ttg_runtime::broker::JobProgress;
use ttg_runtime::{JobName, Timestamp};

use super::number::{grouped, rate, span};

/// How often a log line tells the progress.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The rate is that of the last while.
const RATE_WINDOW: Duration = Duration::from_secs(20);

/// Shows a job's progress.
pub(crate) struct ProgressView {
    bar: ProgressBar,
    job: JobName,
    seen: VecDeque<(Timestamp, u64)>,
    told: Option<Timestamp>,
}

/// A bar for standard error; hidden if that is no terminal or `quiet`.
pub(crate) fn bar(quiet: bool) -> ProgressBar {
    let target =
        if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template("{bar:32} {percent:>3} %  {msg}");
    bar.set_style(style.expect("the template is valid").progress_chars("█▉▊▋▌▍▎▏ "));
    bar
}

impl ProgressView {
    pub(crate) fn new(bar: ProgressBar, job: JobName) -> Self {
        Self { bar, job, seen: VecDeque::new(), told: None }
    }

    /// Shows how far the job is.
    pub(crate) fn show(&mut self, progress: &JobProgress, now: Timestamp, metrics: &Metrics) {
        let parameters = progress.parameters;
        let settled = parameters.completed + parameters.dead;
        self.seen.push_back((now, settled));
        while self.seen.len() > 2
            && self.seen.get(1).is_some_and(|(at, _)| now.since(*at) > RATE_WINDOW)
        {
            self.seen.pop_front();
        }
        let per_second = self.rate();
        let left = parameters.total.saturating_sub(settled) as f64;
        let eta = Duration::try_from_secs_f64(left / per_second).ok();
        let counts = JobParameters {
            total: parameters.total,
            completed: parameters.completed,
            dead: parameters.dead,
        };
        metrics.set_job_parameters(self.job.as_str(), counts);
        self.bar.set_length(parameters.total);
        self.bar.set_position(settled);
        self.bar.set_message(message(settled, parameters.dead, per_second, eta));
        let told = *self.told.get_or_insert(now);
        if now.since(told) >= LINE_EVERY {
            self.told = Some(now);
            let job = self.job.as_str();
            Progress { job, parameters: counts, parameters_per_second: per_second, eta }
                .emit(metrics);
        }
    }

    fn rate(&self) -> f64 {
        match (self.seen.front(), self.seen.back()) {
            (Some((from, before)), Some((to, after))) if to > from => {
                after.saturating_sub(*before) as f64 / to.since(*from).as_secs_f64()
            }
            _ => 0.0,
        }
    }

    /// Leaves the bar as it is and goes on below it.
    pub(crate) fn end(&self) {
        self.bar.abandon();
    }
}

fn message(settled: u64, dead: u64, per_second: f64, eta: Option<Duration>) -> String {
    let mut text = format!("{}  {}/s", grouped(settled), rate(per_second));
    if let Some(eta) = eta {
        text += &format!("  {} left", span(eta));
    }
    if dead > 0 {
        text += &format!("  {} dead", grouped(dead));
    }
    text
}
