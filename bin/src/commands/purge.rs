//! `ttg purge`: remove jobs and all that they left.

use serde::Serialize;
use ttg_runtime::broker::JobState;
use ttg_runtime::{Broker, BrokerError, JobName, JobUid};

use crate::cli::PurgeArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::{logging, lookup, report, report::bar};

/// What was removed, for programs.
#[derive(Serialize)]
struct Purged {
    purged: u64,
}

pub(crate) async fn purge(arguments: PurgeArguments) -> Result<Exit, CommandError> {
    let names: Vec<JobName> =
        arguments.jobs.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    logging::start(&arguments.common, None, &bar(true))?;
    let broker = lookup::store(&arguments.common).await?;
    let purged = match (broker, names.first()) {
        (Some(broker), None) => all(&*broker, arguments.force).await?,
        (Some(broker), Some(_)) => named(&*broker, &names, arguments.force).await?,
        (None, Some(name)) => return Err(CommandError::UnknownJob(name.clone())),
        (None, None) => 0,
    };
    if arguments.common.json {
        report::print_json(&Purged { purged })?;
    } else {
        let jobs = if purged == 1 { "job" } else { "jobs" };
        report::print_text(&format!("{purged} {jobs} removed\n"))?;
    }
    Ok(Exit::Success)
}

async fn all(broker: &dyn Broker, force: bool) -> Result<u64, CommandError> {
    if !force {
        let jobs = broker.jobs().await;
        let jobs = jobs.map_err(CommandError::broker("the jobs could not be listed"))?;
        let mut running = Vec::new();
        for job in jobs {
            running.extend(is_running(broker, job.uid).await?.then_some(job.name));
        }
        refuse(running)?;
    }
    let purged = broker.purge_all().await;
    purged.map_err(CommandError::broker("the jobs could not be removed"))
}

/// All of them, or none.
async fn named(broker: &dyn Broker, names: &[JobName], force: bool) -> Result<u64, CommandError> {
    let mut uids = Vec::new();
    let mut running = Vec::new();
    for name in names {
        let uid = match broker.job(name).await {
            Ok(job) => job.ok_or_else(|| CommandError::UnknownJob(name.clone()))?.uid,
            // Nobody works on a job whose record does not decode.
            Err(BrokerError::Record { job, .. }) => {
                uids.push(job);
                continue;
            }
            Err(error) => return Err(CommandError::broker("a job could not be looked up")(error)),
        };
        if is_running(broker, uid).await? {
            running.push(name.clone());
        }
        uids.push(uid);
    }
    if !force {
        refuse(running)?;
    }
    let mut purged = 0;
    for uid in uids {
        let removed = broker.purge(uid).await;
        let doing = CommandError::broker("a job could not be removed");
        purged += u64::from(removed.map_err(doing)?);
    }
    Ok(purged)
}

async fn is_running(broker: &dyn Broker, job: JobUid) -> Result<bool, CommandError> {
    let progress = broker.progress(job).await;
    let progress = progress.map_err(CommandError::broker("a job's progress could not be read"))?;
    Ok(progress.is_some_and(|progress| progress.state == JobState::Running))
}

fn refuse(running: Vec<JobName>) -> Result<(), CommandError> {
    if running.is_empty() { Ok(()) } else { Err(CommandError::StillRunning(running)) }
}
