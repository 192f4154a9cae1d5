//! The outcomes of a job, one after the other, for other programs.

use std::io::{self, Write};

use serde::Serialize;
use ttg_runtime::Outcome;

use super::job::{Columns, Statistics};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowFormat {
    JsonArray,
    JsonLines,
    Csv,
}

/// Writes rows as they come. Memory does not grow with their number.
pub(crate) struct ChunkRows<W: Write> {
    rows: Rows<W>,
    written: u64,
}

enum Rows<W: Write> {
    Json { out: W, array: bool },
    Csv(Box<csv::Writer<W>>),
}

/// A chunk's outcome.
#[derive(Serialize)]
struct ChunkRow<'a> {
    chunk: u64,
    /// 0 for the original cut, more for each time that dead parameters were tried again.
    generation: u32,
    start: u64,
    /// One past the last parameter.
    end: u64,
    completed: u64,
    dead: u64,
    attempt: u32,
    worker: &'a str,
    build: &'a str,
    /// Milliseconds since 1970.
    finished_at_ms: u64,
    seconds: f64,
    columns: Columns,
}

/// One column of it: the form that every tool reads, whatever the columns.
#[derive(Serialize)]
struct CsvRow<'a> {
    chunk: u64,
    generation: u32,
    start: u64,
    end: u64,
    completed: u64,
    dead: u64,
    attempt: u32,
    worker: &'a str,
    build: &'a str,
    finished_at_ms: u64,
    seconds: f64,
    /// Empty, and so is the rest, for a chunk that has no columns: nobody could evaluate it.
    column: &'a str,
    count: Option<u64>,
    sum: Option<f64>,
    mean: Option<f64>,
    min: Option<f64>,
    argmin: Option<u64>,
    max: Option<f64>,
    argmax: Option<u64>,
    stddev: Option<f64>,
}

impl<W: Write> ChunkRows<W> {
    pub(crate) fn begin(out: W, format: RowFormat) -> Self {
        let rows = match format {
            RowFormat::Csv => Rows::Csv(Box::new(csv::Writer::from_writer(out))),
            RowFormat::JsonArray => Rows::Json { out, array: true },
            RowFormat::JsonLines => Rows::Json { out, array: false },
        };
        Self { rows, written: 0 }
    }

    pub(crate) fn write(&mut self, outcome: &Outcome) -> io::Result<()> {
        let row = ChunkRow::of(outcome);
        let first = self.written == 0;
        self.written += 1;
        match &mut self.rows {
            Rows::Json { out, array } => {
                out.write_all(match (*array, first) {
                    (true, true) => b"[\n",
                    (true, false) => b",\n",
                    (false, _) => b"",
                })?;
                serde_json::to_writer(&mut *out, &row)?;
                if !*array {
                    out.write_all(b"\n")?;
                }
            }
            Rows::Csv(csv) => {
                for row in row.columns_apart() {
                    csv.serialize(row).map_err(of_csv)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn end(self) -> io::Result<()> {
        match self.rows {
            Rows::Json { mut out, array } => {
                if array {
                    let (open, close) =
                        if self.written == 0 { ("[", "]\n") } else { ("", "\n]\n") };
                    out.write_all(open.as_bytes())?;
                    out.write_all(close.as_bytes())?;
                }
                out.flush()
            }
            Rows::Csv(mut csv) => csv.flush(),
        }
    }
}

/// What a writer of CSV says, as what it is: that nobody reads on is no error.
pub(super) fn of_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

impl<'a> ChunkRow<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let columns = outcome.columns.iter();
        let columns = columns.map(|c| (c.name.clone(), Statistics::from(&c.aggregate)));
        Self {
            chunk: outcome.key.chunk.0,
            generation: outcome.key.generation.0,
            start: outcome.range.start(),
            end: outcome.range.end(),
            completed: outcome.completed(),
            dead: outcome.dead.count(),
            attempt: outcome.attempt,
            worker: outcome.worker.as_str(),
            build: &outcome.build,
            finished_at_ms: outcome.finished_at.0,
            seconds: outcome.computed_for().as_secs_f64(),
            columns: Columns(columns.collect()),
        }
    }

    fn columns_apart(&self) -> Vec<CsvRow<'_>> {
        if self.columns.0.is_empty() {
            return vec![self.column_apart("", None)];
        }
        let columns = self.columns.0.iter();
        columns.map(|(name, statistics)| self.column_apart(name, Some(statistics))).collect()
    }

    fn column_apart<'b>(&'b self, column: &'b str, of: Option<&Statistics>) -> CsvRow<'b> {
        CsvRow {
            chunk: self.chunk,
            generation: self.generation,
            start: self.start,
            end: self.end,
            completed: self.completed,
            dead: self.dead,
            attempt: self.attempt,
            worker: self.worker,
            build: self.build,
            finished_at_ms: self.finished_at_ms,
            seconds: self.seconds,
            column,
            count: of.map(|of| of.count),
            sum: of.map(|of| of.sum),
            mean: of.and_then(|of| of.mean),
            min: of.and_then(|of| of.min),
            argmin: of.and_then(|of| of.argmin),
            max: of.and_then(|of| of.max),
            argmax: of.and_then(|of| of.argmax),
            stddev: of.and_then(|of| of.stddev),
        }
    }
}
