//! The values of single parameters, one after the other, for people and for other programs.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::chunks::{RowFormat, of_csv};

/// How wide a column of values is for people: the longest decimal of an f64.
const VALUE_WIDTH: usize = 24;

/// Writes rows as they come. Memory does not grow with their number.
pub(crate) struct ValueRows<W: Write> {
    rows: Rows<W>,
    columns: Vec<String>,
    written: u64,
    /// Of the parameters, for people.
    width: usize,
}

enum Rows<W: Write> {
    Table(W),
    Json { out: W, array: bool },
    Csv(Box<csv::Writer<W>>),
}

/// A parameter: its value in each column, or why it has none.
#[derive(Serialize)]
struct ValueRow<'a> {
    parameter: u64,
    columns: Cells<'a>,
    error: Option<&'a str>,
}

struct Cells<'a>(&'a [String], &'a [f64]);

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.1.len()))?;
        for (name, value) in self.0.iter().zip(self.1) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<W: Write> ValueRows<W> {
    /// Rows with these columns, for people if there is no `format`. No parameter is above `last`.
    pub(crate) fn begin(
        out: W,
        format: Option<RowFormat>,
        columns: Vec<String>,
        last: u64,
    ) -> io::Result<Self> {
        let width = last.to_string().len().max("parameter".len());
        let rows = match format {
            None => Rows::Table(out),
            Some(RowFormat::Csv) => Rows::Csv(Box::new(csv::Writer::from_writer(out))),
            Some(RowFormat::JsonArray) => Rows::Json { out, array: true },
            Some(RowFormat::JsonLines) => Rows::Json { out, array: false },
        };
        let mut rows = Self { rows, columns, written: 0, width };
        rows.head()?;
        Ok(rows)
    }

    fn head(&mut self) -> io::Result<()> {
        match &mut self.rows {
            Rows::Table(out) => {
                write!(out, "{:>width$}", "parameter", width = self.width)?;
                for column in &self.columns {
                    write!(out, "  {column:>VALUE_WIDTH$}")?;
                }
                writeln!(out)
            }
            Rows::Json { out, array: true } => out.write_all(b"["),
            Rows::Json { .. } => Ok(()),
            Rows::Csv(csv) => {
                csv.write_field("parameter").map_err(of_csv)?;
                for column in &self.columns {
                    csv.write_field(column).map_err(of_csv)?;
                }
                csv.write_record(["error"]).map_err(of_csv)
            }
        }
    }

    /// A parameter with its values, one a column.
    pub(crate) fn value(&mut self, parameter: u64, values: &[f64]) -> io::Result<()> {
        self.row(parameter, values, None)
    }

    /// A parameter without.
    pub(crate) fn dead(&mut self, parameter: u64, why: &str) -> io::Result<()> {
        self.row(parameter, &[], Some(why))
    }

    fn row(&mut self, parameter: u64, values: &[f64], error: Option<&str>) -> io::Result<()> {
        let first = self.written == 0;
        self.written += 1;
        match &mut self.rows {
            Rows::Table(out) => {
                write!(out, "{parameter:>width$}", width = self.width)?;
                for value in values {
                    write!(out, "  {value:>VALUE_WIDTH$?}")?;
                }
                match error {
                    Some(why) => writeln!(out, "  dead: {}", why.escape_debug()),
                    None => writeln!(out),
                }
            }
            Rows::Json { out, array } => {
                if *array {
                    out.write_all(if first { b"\n" } else { b",\n" })?;
                }
                let columns = Cells(&self.columns, values);
                serde_json::to_writer(&mut *out, &ValueRow { parameter, columns, error })?;
                if *array { Ok(()) } else { out.write_all(b"\n") }
            }
            Rows::Csv(csv) => {
                csv.write_field(parameter.to_string()).map_err(of_csv)?;
                for column in 0..self.columns.len() {
                    let value = values.get(column);
                    csv.write_field(value.map_or(String::new(), |value| format!("{value:?}")))
                        .map_err(of_csv)?;
                }
                csv.write_record([error.unwrap_or_default()]).map_err(of_csv)
            }
        }
    }

    pub(crate) fn end(self) -> io::Result<()> {
        match self.rows {
            Rows::Json { mut out, array: true } => {
                out.write_all(if self.written == 0 { b"]\n" } else { b"\n]\n" })?;
                out.flush()
            }
            Rows::Json { mut out, .. } | Rows::Table(mut out) => out.flush(),
            Rows::Csv(mut csv) => csv.flush(),
        }
    }
}
