//! Logs: every line says when, what and who, as text for people or JSON for programs.

mod fields;
mod filter;
mod line;
mod panics;

use std::time::SystemTime;

use serde::Serialize;
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;

pub use filter::LogFilter;
pub use panics::log_panics;

use fields::SpanFields;
use line::Lines;

/// Who writes; fixed at the start and on every line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The worker's id; none for a command that is no worker.
    pub worker: Option<String>,
    /// The machine's name.
    pub host: String,
    /// The Kubernetes pod, if in one.
    pub pod: Option<String>,
    /// The Kubernetes node, if known.
    pub node: Option<String>,
}

impl Identity {
    fn present(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("worker", self.worker.as_deref()),
            ("host", Some(self.host.as_str())),
            ("pod", self.pod.as_deref()),
            ("node", self.node.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `time LEVEL message key=value … worker=… host=…`, without what is absent.
    #[default]
    Text,
    /// One object a line; numbers and booleans keep their type, what is absent is null.
    Json,
}

/// What is logged, how and where to.
#[derive(Debug)]
pub struct LogConfig {
    format: LogFormat,
    filter: LogFilter,
    identity: Identity,
    colour: bool,
    writer: BoxMakeWriter,
    now: fn() -> SystemTime,
}

impl LogConfig {
    /// Lines of `identity` on stderr, without colours.
    pub fn new(format: LogFormat, filter: LogFilter, identity: Identity) -> Self {
        Self {
            format,
            filter,
            identity,
            colour: false,
            writer: BoxMakeWriter::new(std::io::stderr),
            now: wall_clock,
        }
    }

    /// Whether text lines are coloured; JSON never is.
    #[must_use]
    pub fn colour(mut self, colour: bool) -> Self {
        self.colour = colour;
        self
    }

    /// Where lines go instead of stderr. Each is written by one call of `write_all`.
    #[must_use]
    pub fn writer(mut self, writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) -> Self {
        self.writer = BoxMakeWriter::new(writer);
        self
    }
}

/// Why logging could not start.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// Neither a level nor a list of directives.
    #[error("log filter `{filter}` is not valid: {reason}")]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The process logs already.
    #[error("logging was started twice in this process")]
    StartedTwice(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Starts logging for the whole process, once.
///
/// # Errors
/// [`TelemetryError::StartedTwice`]: whoever came first keeps logging.
pub fn init(config: LogConfig) -> Result<(), TelemetryError> {
    tracing::subscriber::set_global_default(subscriber(config))
        .map_err(TelemetryError::StartedTwice)
}

/// What [`init`] installs, for a test to use with [`tracing::subscriber::with_default`].
pub fn subscriber(config: LogConfig) -> impl Subscriber + Send + Sync {
    let LogConfig { format, filter, identity, colour, writer, now } = config;
    let lines = fmt::layer()
        .fmt_fields(SpanFields)
        .event_format(Lines { format, colour, identity, now })
        .with_writer(writer)
        // A closed stderr must not stop the work: its report would go to stderr and panic.
        .log_internal_errors(false)
        // On this layer only: the log's level does not decide what else sees the spans.
        .with_filter(filter.into_directives());
    tracing_subscriber::registry().with(lines)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a line's time is for people; nothing is decided by it"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
pub(crate) mod capture;
#[cfg(test)]
mod tests;
