//! `ttg results`: a job's aggregate, or its chunks.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;
use ttg_runtime::{Broker, Clock, JobRecord, SystemClock};

use crate::cli::{ResultsArguments, ResultsFormat};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{self, ChunkRows, JobReport, RowFormat, bar};
use crate::{logging, lookup, outcomes};

pub(crate) async fn results(arguments: ResultsArguments) -> Result<Exit, CommandError> {
    let ResultsArguments { job, format, output, common } = arguments;
    logging::start(&common, None, &bar(true))?;
    let (broker, job) = lookup::job(&common, job.parse()?).await?;
    let rows = match format {
        ResultsFormat::Table => None,
        ResultsFormat::Json => Some(RowFormat::JsonArray),
        ResultsFormat::Csv => Some(RowFormat::Csv),
        ResultsFormat::Jsonl => Some(RowFormat::JsonLines),
    };
    if let Some(format) = rows {
        match &output {
            Some(path) => {
                let mut file = Whole::begin(path).map_err(CommandError::Output)?;
                write_chunks(&*broker, &job, file.out(), format).await?;
                file.end(path).map_err(CommandError::Output)?;
            }
            None => write_chunks(&*broker, &job, io::stdout().lock(), format).await?,
        }
        let dead = report::progress(&*broker, &job).await?.parameters.dead;
        return Ok(if dead > 0 { Exit::DeadLetters } else { Exit::Success });
    }
    let report = JobReport::read(&*broker, &job, SystemClock.wall()).await?;
    match &output {
        Some(path) => {
            let mut file = Whole::begin(path).map_err(CommandError::Output)?;
            report::write(&report, common.json, file.out())?;
            file.end(path).map_err(CommandError::Output)?;
        }
        None => report::print(&report, common.json)?,
    }
    Ok(report.exit())
}

async fn write_chunks(
    broker: &dyn Broker,
    job: &JobRecord,
    out: impl Write,
    format: RowFormat,
) -> Result<(), CommandError> {
    let mut rows = ChunkRows::begin(BufWriter::new(out), format);
    let mut written = Ok(());
    outcomes::for_each(broker, job, |outcome| {
        if written.is_ok() {
            written = rows.write(&outcome);
        }
    })
    .await?;
    match written.and_then(|()| rows.end()) {
        // A reader that has seen enough, such as `head`.
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
