//! The fields of an event or a span, typed and in the order they were written.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormattedFields;
use tracing_subscriber::fmt::format::{FormatFields, Writer};

type Name = Cow<'static, str>;

/// What a line says itself; a field of this name is shown as `field.<name>` instead.
const RESERVED: [&str; 8] =
    ["timestamp", "level", "target", "message", "worker", "host", "pod", "node"];

/// Named values, each name once: the last value wins, at the place of the first.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields(Vec<(Name, Value)>);

impl Fields {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Adds `others`, which win over what is there, under names that the line does not use.
    pub(super) fn merge(&mut self, others: Self) {
        for (name, value) in others.0 {
            if RESERVED.contains(&name.as_ref()) {
                self.set(Name::Owned(format!("field.{name}")), value);
            } else {
                self.set(name, value);
            }
        }
    }

    /// Takes an event's message out, which `tracing` records as one of its fields.
    pub(super) fn take_message(&mut self) -> String {
        match self.0.iter().position(|(name, _)| name == "message") {
            None => String::new(),
            Some(place) => match self.0.remove(place).1 {
                Value::String(message) => message,
                other => other.to_string(),
            },
        }
    }

    /// What [`SpanFields`] keeps; nothing for a text that is not from it.
    pub(super) fn from_span(formatted: &str) -> Self {
        Self(serde_json::from_str(formatted).unwrap_or_default())
    }

    fn to_span(&self) -> Result<String, fmt::Error> {
        serde_json::to_string(&self.0).map_err(|_| fmt::Error)
    }

    fn set(&mut self, name: Name, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    fn record(&mut self, field: &Field, value: impl Into<Value>) {
        // A field written `r#type` in Rust is called `type`.
        let name = field.name().trim_start_matches("r#");
        self.set(Name::Borrowed(name), value.into());
    }
}

/// One object.
impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// JSON has no NaN and no infinity: they become null.
impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record(field, with_causes(value));
    }

    /// Also what was written with `%`, and integers of 128 bits.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, text_of(format_args!("{value:?}")));
    }
}

/// Keeps a span's fields typed, as JSON pairs, until a line is written inside the span.
#[derive(Debug)]
pub(super) struct SpanFields;

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        recorded: R,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        recorded.record(&mut fields);
        writer.write_str(&fields.to_span()?)
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        recorded: &Record<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::from_span(&current.fields);
        recorded.record(&mut fields);
        current.fields = fields.to_span()?;
        Ok(())
    }
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = text_of(format_args!("{error}"));
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&text_of(format_args!("{error}")));
        cause = error.source();
    }
    text
}

/// Unlike `to_string`, does not panic on a value whose formatting fails.
fn text_of(value: fmt::Arguments<'_>) -> String {
    let mut text = String::new();
    if text.write_fmt(value).is_err() {
        text.push_str("<cannot be shown>");
    }
    text
}
