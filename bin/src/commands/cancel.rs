//! `ttg cancel`: stop a job.

use ttg_runtime::broker::JobState;
use ttg_runtime::{Clock, SystemClock};

use crate::cli::CancelArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{self, JobReport};
use crate::{logging, lookup, report::bar};

pub(crate) async fn cancel(arguments: CancelArguments) -> Result<Exit, CommandError> {
    let name = arguments.job.parse()?;
    logging::start(&arguments.common, None, &bar(true))?;
    let (broker, job) = lookup::job(&arguments.common, name).await?;
    if report::progress(&*broker, &job).await?.state == JobState::Complete {
        report::note(&format!("job `{}` is complete: there is nothing to cancel", job.name));
    } else {
        let cancelled = broker.cancel(job.uid).await;
        let doing = CommandError::broker("the job could not be cancelled");
        if !cancelled.map_err(doing)? {
            return Err(CommandError::UnknownJob(job.name));
        }
        let flushed = broker.flush().await;
        flushed.map_err(CommandError::broker("the store could not be flushed"))?;
    }
    let report = JobReport::read(&*broker, &job, SystemClock.wall()).await?;
    report::print(&report, arguments.common.json)?;
    Ok(Exit::Success)
}
