//! One event, one line: text for people, JSON for programs.

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::fields::{Fields, SpanFields};
use super::{Identity, LogFormat};

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

/// Writes an event as a line that ends with who wrote it.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) format: LogFormat,
    pub(super) colour: bool,
    pub(super) identity: Identity,
    pub(super) now: fn() -> SystemTime,
}

impl<S> FormatEvent<S, SpanFields> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, SpanFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut own = Fields::default();
        event.record(&mut own);
        let message = own.take_message();
        // The event knows best, then the innermost span.
        let mut fields = Fields::default();
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            if let Some(kept) = span.extensions().get::<FormattedFields<SpanFields>>() {
                fields.merge(Fields::from_span(&kept.fields));
            }
        }
        fields.merge(own);

        // A clock set to before 1970 reads as 1970.
        let now = (self.now)().max(SystemTime::UNIX_EPOCH);
        let line = Line {
            timestamp: humantime::format_rfc3339_millis(now).to_string(),
            level: event.metadata().level().as_str(),
            target: event.metadata().target(),
            message,
            fields,
            identity: &self.identity,
        };
        match self.format {
            LogFormat::Text => line.write_text(&mut writer, self.colour),
            LogFormat::Json => line.write_json(&mut writer),
        }
    }
}

/// In the order of the JSON object.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    target: &'a str,
    message: String,
    #[serde(flatten)]
    fields: Fields,
    #[serde(flatten)]
    identity: &'a Identity,
}

impl Line<'_> {
    fn write_json(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let object = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        writeln!(writer, "{object}")
    }

    fn write_text(&self, writer: &mut Writer<'_>, colour: bool) -> fmt::Result {
        let paint = |escape: &'static str| if colour { escape } else { "" };
        let (dim, reset) = (paint(DIM), paint(RESET));
        let level_colour = paint(colour_of(self.level));
        write!(writer, "{dim}{}{reset} ", self.timestamp)?;
        write!(writer, "{level_colour}{:>5}{reset}", self.level)?;
        if !self.message.is_empty() {
            writer.write_char(' ')?;
            write_message(writer, &self.message)?;
        }
        for (name, value) in self.fields.iter() {
            write!(writer, " {dim}{name}={reset}")?;
            write_value(writer, value)?;
        }
        for (name, value) in self.identity.present() {
            write!(writer, " {dim}{name}=")?;
            write_word(writer, value)?;
            writer.write_str(reset)?;
        }
        writeln!(writer)
    }
}

fn colour_of(level: &str) -> &'static str {
    match level {
        level if level == Level::ERROR.as_str() => "\x1b[31m",
        level if level == Level::WARN.as_str() => "\x1b[33m",
        level if level == Level::INFO.as_str() => "\x1b[32m",
        _ => "\x1b[34m",
    }
}

/// A line break would start a line without a time, an escape could paint the terminal.
fn write_message(writer: &mut Writer<'_>, message: &str) -> fmt::Result {
    for character in message.chars() {
        if character.is_control() {
            write!(writer, "{}", character.escape_debug())?;
        } else {
            writer.write_char(character)?;
        }
    }
    Ok(())
}

fn write_value(writer: &mut Writer<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::String(text) => write_word(writer, text),
        other => write!(writer, "{other}"),
    }
}

/// In quotes unless it reads as one word.
fn write_word(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    let splits = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '=' | '\\');
    if text.is_empty() || text.contains(splits) {
        write!(writer, "{text:?}")
    } else {
        writer.write_str(text)
    }
}
