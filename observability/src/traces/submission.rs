//! A submission as spans: itself, and in it the publishing of its chunks.

use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};

use super::Traces;
use super::attempt::span;
use super::context::{JOB_ENTRY, Remote, context};
use super::ids::SpanIds;

/// A submission under way; its end is when this is dropped.
#[derive(Debug)]
pub struct Submission {
    traces: Traces,
    /// Such as `submit`.
    command: &'static str,
    ids: SpanIds,
    parent: Option<SpanContext>,
    tracestate: Option<String>,
    is_sampled: bool,
    began: SystemTime,
    attributes: Vec<KeyValue>,
    publishing: Option<SystemTime>,
    status: Status,
}

/// The job that a submission is of.
#[derive(Debug, Clone, Copy)]
pub struct SubmittedJob<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// Its kernel.
    pub kernel: &'a str,
    /// How many parameters it has.
    pub parameters: u64,
    /// How many chunks it is cut into.
    pub chunks: u64,
}

/// The headers that a chunk's message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// `traceparent`.
    pub traceparent: String,
    /// `tracestate`.
    pub tracestate: String,
}

impl Submission {
    pub(super) fn begin(
        traces: Traces,
        command: &'static str,
        parent: Remote<'_>,
        span: SpanIds,
    ) -> Self {
        let (tracestate, parent) = (parent.tracestate.map(str::to_owned), parent.span_context());
        let trace = parent.as_ref().map(|parent| u128::from_be_bytes(parent.trace_id().to_bytes()));
        let ids = SpanIds { trace: trace.unwrap_or(span.trace), ..span };
        let is_sampled = traces.samples_submission(ids, parent.as_ref());
        Self {
            traces,
            command,
            ids,
            tracestate: tracestate.filter(|_| parent.is_some()),
            parent,
            is_sampled,
            began: super::wall_clock(),
            attributes: Vec::new(),
            publishing: None,
            // Unless it is told otherwise.
            status: Status::error("it was cut short"),
        }
    }

    /// It is of this job, whose chunks are published from now on. Returns what their messages carry.
    pub fn publishes(&mut self, job: SubmittedJob<'_>) -> Headers {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.attributes = vec![
            KeyValue::new("ttg.job.name", job.name.to_owned()),
            KeyValue::new("ttg.job.uid", job.uid.to_owned()),
            KeyValue::new("ttg.kernel", job.kernel.to_owned()),
            KeyValue::new("ttg.parameters", number(job.parameters)),
            KeyValue::new("ttg.chunks", number(job.chunks)),
        ];
        self.publishing = Some(super::wall_clock());
        let flags = u8::from(self.is_sampled);
        let (trace, span) = (self.ids.trace_id(), self.ids.span_id());
        let name = job.name;
        let own = format!("{JOB_ENTRY}={name}");
        let tracestate = match &self.tracestate {
            // At most 32 entries; the own one replaces an older one.
            Some(others) => {
                let others = others.split(',').map(str::trim).filter(|entry| {
                    !entry.is_empty() && !entry.starts_with(&format!("{JOB_ENTRY}="))
                });
                std::iter::once(&*own).chain(others).take(32).collect::<Vec<_>>().join(",")
            }
            None => own,
        };
        Headers { traceparent: format!("00-{trace}-{span}-{flags:02x}"), tracestate }
    }

    /// How it ended: well, or with an error. Without this it was cut short.
    pub fn ended(&mut self, error: Option<&str>) {
        self.status = error.map_or(Status::Ok, |error| Status::error(error.to_owned()));
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        if !self.is_sampled && self.status == Status::Ok {
            return;
        }
        let now = super::wall_clock();
        self.traces.send(2, || {
            let mut spans = Vec::with_capacity(2);
            let parent = self.parent.as_ref().map_or(SpanId::INVALID, SpanContext::span_id);
            let mut own = span(self.ids, parent, self.command.into(), self.began, now);
            own.parent_span_is_remote = self.parent.is_some();
            own.attributes = std::mem::take(&mut self.attributes);
            own.status = self.status.clone();
            spans.push(own);
            if let Some(began) = self.publishing {
                let ids = SpanIds { span: super::fresh(), ..self.ids };
                let parent = context(self.ids, false).span_id();
                let mut publishing = span(ids, parent, "publish".into(), began, now);
                publishing.span_kind = SpanKind::Producer;
                publishing.status = self.status.clone();
                spans.push(publishing);
            }
            spans
        });
    }
}
