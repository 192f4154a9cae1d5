//! A running job, for people: a bar on a terminal, a log line every few seconds elsewhere.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ttg_observability::events::{Event, Progress};
use ttg_observability::metrics::{JobParameters, Metrics};
use ttg_runtime::broker::JobProgress;
use ttg_runtime::{JobName, Timestamp};

use super::number::{grouped, rate, span};

/// How often a log line tells the progress.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How often at most, whatever it waits for.
const LINE_EVERY_MIN: Duration = Duration::from_secs(1);

/// The rate is that of the last while.
const RATE_WINDOW: Duration = Duration::from_secs(20);

/// Shows a job's progress.
pub(crate) struct ProgressView {
    bar: ProgressBar,
    job: JobName,
    seen: VecDeque<(Timestamp, u64)>,
    /// Parameters that a line tells of; without them, the time decides.
    every: Option<NonZeroU64>,
    /// When the last line was, and how much was settled.
    told: Option<(Timestamp, u64)>,
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
    /// Tells after `every` so many parameters, if it is given.
    pub(crate) fn new(bar: ProgressBar, job: JobName, every: Option<NonZeroU64>) -> Self {
        Self { bar, job, seen: VecDeque::new(), every, told: None }
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
        if self.is_line_due(settled, now) {
            self.told = Some((now, settled));
            let job = self.job.as_str();
            Progress { job, parameters: counts, parameters_per_second: per_second, eta }
                .emit(metrics);
        }
    }

    fn is_line_due(&mut self, settled: u64, now: Timestamp) -> bool {
        let (at, before) = *self.told.get_or_insert((now, settled));
        match self.every {
            None => now.since(at) >= LINE_EVERY,
            Some(every) => {
                settled.saturating_sub(before) >= every.get() && now.since(at) >= LINE_EVERY_MIN
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_by_time_or_by_parameters_and_never_twice_a_second() {
        let at = |millis| Timestamp::since_boot(Duration::from_millis(millis));
        let view = |every| ProgressView::new(bar(true), "job".parse().unwrap(), every);
        let mut by_time = view(None);
        let due = [(0, 0), (1_000_000, 4_999), (0, 5_000)];
        let due = due.map(|(settled, now)| by_time.is_line_due(settled, at(now)));
        assert_eq!(due, [false, false, true]);
        let mut by_parameters = view(NonZeroU64::new(100));
        let due = [(50, 0), (149, 9_000), (150, 999), (150, 1_000)];
        let due = due.map(|(settled, now)| by_parameters.is_line_due(settled, at(now)));
        assert_eq!(due, [false, false, false, true]);
    }
}
