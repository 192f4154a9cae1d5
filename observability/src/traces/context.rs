//! Trace context as messages and variables carry it: the two headers of the W3C.

use opentelemetry::trace::{SpanContext, TraceState};
use opentelemetry::{SpanId, TraceFlags, TraceId};

use super::ids::SpanIds;

/// The entry of `tracestate` that holds the name of a chunk's job: a chunk itself knows only the uid.
pub(super) const JOB_ENTRY: &str = "ttg";

/// A span of another process, as its headers say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Remote<'a> {
    /// `traceparent`.
    pub traceparent: Option<&'a str>,
    /// `tracestate`.
    pub tracestate: Option<&'a str>,
}

impl<'a> Remote<'a> {
    /// The span; `None` without one, or if its header is not valid.
    pub(super) fn span_context(self) -> Option<SpanContext> {
        let header = self.traceparent?;
        let mut parts = header.split('-');
        let [version, trace, span, flags] =
            [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let is_hex = |text: &str, length: usize| {
            text.len() == length
                && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        // A later version may say more; this one does not.
        let ends = version != "00" || parts.next().is_none();
        let lengths = [(version, 2), (trace, 32), (span, 16), (flags, 2)];
        if version == "ff" || !ends || !lengths.into_iter().all(|(text, n)| is_hex(text, n)) {
            return None;
        }
        let trace = TraceId::from_hex(trace).ok()?;
        let span = SpanId::from_hex(span).ok()?;
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
        let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
        context.is_valid().then_some(context)
    }

    /// The name of the chunk's job.
    pub(super) fn job(self) -> Option<&'a str> {
        let mut entries = self.tracestate?.split(',').map(str::trim);
        entries.find_map(|entry| entry.strip_prefix(JOB_ENTRY)?.strip_prefix('='))
    }
}

/// What a span is called in its trace. All that leave this process are sampled.
pub(super) fn context(ids: SpanIds, is_remote: bool) -> SpanContext {
    let (trace, span) = (TraceId::from(ids.trace), SpanId::from(ids.span));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, is_remote, TraceState::NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(traceparent: &str) -> Option<(String, String, bool)> {
        let remote = Remote { traceparent: Some(traceparent), tracestate: None };
        let context = remote.span_context()?;
        assert!(context.is_remote());
        let (trace, span) = (context.trace_id().to_string(), context.span_id().to_string());
        Some((trace, span, context.is_sampled()))
    }

    #[test]
    fn a_header_of_the_standard_is_read_and_no_other() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let read = |sampled| Some((trace.to_owned(), span.to_owned(), sampled));
        assert_eq!(parsed(&format!("00-{trace}-{span}-01")), read(true));
        assert_eq!(parsed(&format!("00-{trace}-{span}-02")), read(false));
        assert_eq!(parsed(&format!("cc-{trace}-{span}-01-more")), read(true));
        for bad in [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}0-{span}-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
        ] {
            assert_eq!(parsed(&bad), None, "{bad}");
        }
        assert_eq!(Remote::default().span_context(), None);
    }

    #[test]
    fn the_name_of_the_job_is_one_entry_among_others() {
        let job = |tracestate| Remote { traceparent: None, tracestate: Some(tracestate) }.job();
        assert_eq!(job("ttg=nightly-1"), Some("nightly-1"));
        assert_eq!(job("rojo=1, ttg=nightly"), Some("nightly"));
        assert_eq!(job("ttgx=1"), None);
        assert_eq!(job(""), None);
    }
}
