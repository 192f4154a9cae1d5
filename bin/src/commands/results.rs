//! `ttg results`: a job's aggregate, its chunks, or its values.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;
use ttg_runtime::{Clock, SystemClock, ValuesRecord};

use crate::cli::{ResultsArguments, ResultsFormat};
use crate::dead_letters::DeadLetters;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::kept_values::{self, Kept, Next};
use crate::report::{self, ChunkRows, JobReport, RowFormat, ValueRows, bar};
use crate::shards::Part;
use crate::{logging, lookup, outcomes};

pub(crate) async fn results(arguments: ResultsArguments) -> Result<Exit, CommandError> {
    let ResultsArguments { job, format, values, output, common } = arguments;
    logging::start(&common, None, &bar(true))?;
    let parts = lookup::parts(&common, &job.parse()?).await?;
    let rows = match format {
        ResultsFormat::Table => None,
        ResultsFormat::Json => Some(RowFormat::JsonArray),
        ResultsFormat::Csv => Some(RowFormat::Csv),
        ResultsFormat::Jsonl => Some(RowFormat::JsonLines),
    };
    if let Some(without) = parts.iter().find(|part| values && !part.job.spec.values) {
        return Err(CommandError::NoValues(without.job.name.clone()));
    }
    let what = match rows {
        _ if values => What::Values(rows),
        Some(format) => What::Chunks(format),
        None => What::Report(Box::new(JobReport::read_merged(&parts, SystemClock.wall()).await?)),
    };
    match &output {
        Some(path) => {
            let mut file = Whole::begin(path).map_err(CommandError::Output)?;
            what.write(&parts, common.json, file.out()).await?;
            file.end(path).map_err(CommandError::Output)?;
        }
        None => match &what {
            What::Report(report) => report::print(report, common.json)?,
            _ => what.write(&parts, common.json, io::stdout().lock()).await?,
        },
    }
    if let What::Report(report) = what {
        return Ok(report.exit());
    }
    let mut dead = 0;
    for Part { broker, job, .. } in &parts {
        dead += report::progress(&**broker, job).await?.parameters.dead;
    }
    Ok(if dead > 0 { Exit::DeadLetters } else { Exit::Success })
}

/// What is told.
enum What {
    Report(Box<JobReport>),
    Chunks(RowFormat),
    Values(Option<RowFormat>),
}

impl What {
    async fn write(&self, parts: &[Part], json: bool, out: impl Write) -> Result<(), CommandError> {
        match self {
            Self::Report(report) => report::write(report, json, out),
            Self::Chunks(format) => write_chunks(parts, out, *format).await,
            Self::Values(format) => write_values(parts, out, *format).await,
        }
    }
}

async fn write_chunks(
    parts: &[Part],
    out: impl Write,
    format: RowFormat,
) -> Result<(), CommandError> {
    let mut rows = ChunkRows::begin(BufWriter::new(out), format);
    let mut written = Ok(());
    for Part { broker, job, .. } in parts {
        let write = |outcome| {
            if written.is_ok() {
                written = rows.write(&outcome);
            }
        };
        outcomes::for_each(&**broker, job, write).await?;
    }
    told(written.and_then(|()| rows.end()))
}

/// Those of the parameters that have one, then the others with their reasons.
async fn write_values(
    parts: &[Part],
    out: impl Write,
    format: Option<RowFormat>,
) -> Result<(), CommandError> {
    let last = parts.iter().map(|part| part.job.spec.parameters.end() - 1).max();
    let columns = columns(parts).await?;
    let rows = ValueRows::begin(BufWriter::new(out), format, columns, last.unwrap_or_default());
    let mut rows = match rows {
        Ok(rows) => rows,
        Err(error) => return told(Err(error)),
    };
    let mut written = Ok(());
    for Part { broker, job, .. } in parts {
        let mut is_lost = false;
        let write = |kept: Kept<'_>| {
            match kept {
                Kept::Record(_, record) => written = write_record(&mut rows, &record),
                Kept::Missing(_) => is_lost = true,
                Kept::End(_) => {}
            }
            if written.is_ok() && !is_lost { Next::Go } else { Next::Stop }
        };
        kept_values::for_each(&**broker, job, write).await?;
        if is_lost {
            return Err(CommandError::ValuesLost(job.name.clone()));
        }
        if written.is_err() {
            return told(written);
        }
    }
    for Part { broker, job, .. } in parts {
        let letters = DeadLetters::read(&**broker, job).await?;
        for (run, why) in letters.all_runs() {
            for parameter in run {
                written = written.and_then(|()| rows.dead(parameter, &why.message));
            }
        }
    }
    told(written.and_then(|()| rows.end()))
}

/// The columns of the first outcome that has some.
async fn columns(parts: &[Part]) -> Result<Vec<String>, CommandError> {
    for Part { broker, job, .. } in parts {
        let mut names = Vec::new();
        let look = |kept: Kept<'_>| match kept {
            Kept::End(outcome) if outcome.columns.is_empty() => Next::Go,
            Kept::Missing(outcome) | Kept::Record(outcome, _) | Kept::End(outcome) => {
                names = outcome.columns.iter().map(|column| column.name.clone()).collect();
                Next::Stop
            }
        };
        kept_values::for_each(&**broker, job, look).await?;
        if !names.is_empty() {
            return Ok(names);
        }
    }
    Ok(Vec::new())
}

fn write_record(rows: &mut ValueRows<impl Write>, record: &ValuesRecord) -> io::Result<()> {
    let columns = record.columns();
    let mut values = Vec::with_capacity(columns.len());
    for (place, parameter) in record.range.into_iter().enumerate() {
        values.clear();
        values.extend(columns.iter().map(|column| column[place]));
        // What is dead here may have completed in a replay, or is told at the end.
        if !values.iter().any(|value| value.is_nan()) {
            rows.value(parameter, &values)?;
        }
    }
    Ok(())
}

/// A reader that has seen enough, such as `head`, is no error.
fn told(written: io::Result<()>) -> Result<(), CommandError> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(CommandError::Output),
    }
}

/// A file that appears under its name when it is whole, so that nobody takes half of it for all.
struct Whole(NamedTempFile);

impl Whole {
    fn begin(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        Ok(Self(tempfile::Builder::new().prefix(".ttg-").tempfile_in(folder)?))
    }

    fn out(&mut self) -> &mut impl Write {
        self.0.as_file_mut()
    }

    fn end(self, path: &Path) -> io::Result<()> {
        // A temporary file is its owner's alone; this one is to be what any new file is.
        let mode = fs::metadata(path).map_or(0o644, |old| mode_of(&old));
        fs::set_permissions(self.0.path(), std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        self.0.as_file().sync_all()?;
        self.0.persist(path).map(drop).map_err(|error| error.error)
    }
}

fn mode_of(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
}
