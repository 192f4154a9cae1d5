//! What is counted with: handles that were resolved once, so that counting is an atomic addition.

use std::marker::PhantomData;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec};
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use super::catalogue::Metric;
use super::labels::Label;

/// A number that only grows.
#[derive(Debug, Clone)]
pub struct Counter(IntCounter);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.inc_by(n);
    }

    /// The count since the start of the process.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// A number that goes up and down.
#[derive(Debug, Clone)]
pub struct Gauge(IntGauge);

impl Gauge {
    /// Replaces the number.
    pub fn set(&self, n: u64) {
        self.0.set(saturating(n));
    }

    /// Raises the number by `n`.
    pub fn add(&self, n: u64) {
        self.0.add(saturating(n));
    }

    /// Lowers the number by `n`; below 0 if more is taken than was added so far, as when the
    /// taker is faster than the one who adds.
    pub fn sub(&self, n: u64) {
        self.0.sub(saturating(n));
    }

    /// The number now.
    pub fn get(&self) -> i64 {
        self.0.get()
    }
}

/// Durations counted by size.
#[derive(Debug, Clone)]
pub struct Timing(Histogram);

impl Timing {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.0.get_sample_count()
    }
}

/// One instrument for each value of a label, found by index.
#[derive(Debug)]
pub(super) struct Family<L, I> {
    instruments: Vec<I>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, I> Family<L, I> {
    fn new(instrument: impl Fn(L) -> I) -> Self {
        Self { instruments: L::ALL.iter().copied().map(instrument).collect(), label: PhantomData }
    }

    pub(super) fn of(&self, value: L) -> &I {
        &self.instruments[value.index()]
    }
}

/// Makes instruments and registers them.
///
/// The functions panic on a metric that is registered twice or with other labels than it has:
/// mistakes of this crate that every test of [`super::Metrics`] meets.
pub(super) struct Instruments<'a>(pub(super) &'a Registry);

impl Instruments<'_> {
    pub(super) fn counter(&self, metric: Metric) -> Counter {
        Counter(self.counters(metric).with_label_values::<&str>(&[]))
    }

    pub(super) fn counter_family<L: Label>(&self, metric: Metric) -> Family<L, Counter> {
        let counters = self.counters(metric);
        Family::new(|label: L| Counter(counters.with_label_values(&[label.as_str()])))
    }

    pub(super) fn counter_table<L: Label, M: Label>(
        &self,
        metric: Metric,
    ) -> Family<L, Family<M, Counter>> {
        let counters = self.counters(metric);
        Family::new(|row: L| {
            Family::new(|column: M| {
                Counter(counters.with_label_values(&[row.as_str(), column.as_str()]))
            })
        })
    }

    pub(super) fn gauge(&self, metric: Metric) -> Gauge {
        Gauge(self.gauges(metric).with_label_values::<&str>(&[]))
    }

    pub(super) fn gauge_family<L: Label>(&self, metric: Metric) -> Family<L, Gauge> {
        let gauges = self.gauges(metric);
        Family::new(|label: L| Gauge(gauges.with_label_values(&[label.as_str()])))
    }

    pub(super) fn timing(&self, metric: Metric) -> Timing {
        Timing(self.histograms(metric).with_label_values::<&str>(&[]))
    }

    pub(super) fn timing_family<L: Label>(&self, metric: Metric) -> Family<L, Timing> {
        let histograms = self.histograms(metric);
        Family::new(|label: L| Timing(histograms.with_label_values(&[label.as_str()])))
    }

    /// For labels whose values are not known beforehand.
    pub(super) fn gauges(&self, metric: Metric) -> IntGaugeVec {
        let options = Opts::new(metric.name(), metric.help());
        self.register(IntGaugeVec::new(options, metric.labels()))
    }

    fn counters(&self, metric: Metric) -> IntCounterVec {
        let options = Opts::new(metric.name(), metric.help());
        self.register(IntCounterVec::new(options, metric.labels()))
    }

    fn histograms(&self, metric: Metric) -> HistogramVec {
        let options =
            HistogramOpts::new(metric.name(), metric.help()).buckets(metric.buckets().to_vec());
        self.register(HistogramVec::new(options, metric.labels()))
    }

    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("names, labels and buckets of a metric are valid");
        self.0.register(Box::new(collector.clone())).expect("a metric is registered once");
        collector
    }
}

fn saturating(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
