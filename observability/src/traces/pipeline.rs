//! The way of a span out of the process: a bounded queue, a thread that sends batches, and nobody who
//! waits for either.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter, SpanProcessor,
};
use tracing::warn;

use super::config::Batching;
use crate::metrics::Metrics;

/// The queue and its thread.
#[derive(Debug)]
pub(super) struct Pipeline {
    processor: BatchSpanProcessor,
    room: Arc<Room>,
}

/// What may wait, or be under way. The processor's own queue is as long, so that it never overflows and
/// a tree of spans is kept or dropped as a whole.
#[derive(Debug)]
struct Room {
    taken: AtomicUsize,
    most: usize,
    /// How often there was none.
    refusals: Occasions,
    metrics: Metrics,
}

/// Counts what is told the more seldom the more often it happens.
#[derive(Debug, Default)]
struct Occasions(AtomicU64);

impl Occasions {
    /// It happened again: the how manieth time, if that is to be told.
    fn another(&self) -> Option<u64> {
        let times = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        times.is_power_of_two().then_some(times)
    }
}

impl Room {
    fn new(most: usize, metrics: &Metrics) -> Self {
        let (taken, refusals) = (AtomicUsize::new(0), Occasions::default());
        Self { taken, most, refusals, metrics: metrics.clone() }
    }

    fn take(&self, spans: usize) -> bool {
        if self.taken.fetch_add(spans, Ordering::Relaxed) + spans <= self.most {
            return true;
        }
        self.taken.fetch_sub(spans, Ordering::Relaxed);
        self.lose(spans);
        if let Some(failures) = self.refusals.another() {
            let queue = self.most;
            let message = "the queue of spans is full and more are dropped; work goes on";
            warn!(event = "traces_dropped", failures, spans, queue, message);
        }
        false
    }

    fn lose(&self, spans: usize) {
        self.metrics.spans_dropped().add(spans as u64);
    }
}

impl Pipeline {
    pub(super) fn start(
        exporter: impl SpanExporter + 'static,
        batching: Batching,
        resource: &Resource,
        metrics: &Metrics,
    ) -> Self {
        let room = Arc::new(Room::new(batching.queue_spans_max, metrics));
        let told = Told { exporter, room: Arc::clone(&room), failures: Occasions::default() };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(batching.queue_spans_max)
            .with_max_export_batch_size(batching.batch_spans_max)
            .with_scheduled_delay(batching.delay)
            .build();
        let mut processor = BatchSpanProcessor::new(told, config);
        processor.set_resource(resource);
        Self { processor, room }
    }

    /// Queues the spans that `make` makes, `count` of them at most, or drops them all.
    pub(super) fn send(&self, count: usize, make: impl FnOnce() -> Vec<SpanData>) {
        if !self.room.take(count) {
            return;
        }
        let spans = make();
        debug_assert!(spans.len() <= count, "{} spans, {count} were announced", spans.len());
        self.room.taken.fetch_sub(count.saturating_sub(spans.len()), Ordering::Relaxed);
        for span in spans {
            self.processor.on_end(span);
        }
    }

    /// Sends what waits, for `wait` at most. What is left then is dropped.
    pub(super) fn end(&self, wait: Duration) {
        if self.processor.shutdown_with_timeout(wait).is_err() {
            let spans = self.room.taken.load(Ordering::Relaxed);
            warn!(
                event = "traces_cut_off",
                spans, "the collector took too long for the last spans"
            );
        }
    }
}

/// An exporter whose failures are counted, and told the more seldom the more there are.
#[derive(Debug)]
struct Told<E> {
    exporter: E,
    room: Arc<Room>,
    failures: Occasions,
}

impl<E: SpanExporter> SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        self.room.taken.fetch_sub(spans, Ordering::Relaxed);
        if let Err(error) = result {
            self.room.lose(spans);
            if let Some(failures) = self.failures.another() {
                let message = "spans could not be exported and are dropped; work goes on";
                warn!(event = "traces_dropped", failures, spans, %error, message);
            }
        }
        // It is told already.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
pub(super) fn told_for_tests<E>(exporter: E, metrics: &Metrics) -> impl SpanExporter
where
    E: SpanExporter,
{
    let room = Room::new(1_000, metrics);
    room.taken.store(1_000, Ordering::Relaxed);
    Told { exporter, room: Arc::new(room), failures: Occasions::default() }
}
