//! `ttg status`: what jobs there are, or what one does.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::{Broker, Clock, JobName, SystemClock};

use crate::broker::BrokerUrl;
use crate::cli::StatusArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{self, JobStatus, JobsReport, Reader, Screen, Status};
use crate::signals::Signals;
use crate::{logging, lookup, report::bar};

/// Looking costs others a little.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

pub(crate) async fn status(arguments: StatusArguments) -> Result<Exit, CommandError> {
    if arguments.interval.0 < INTERVAL_MIN {
        let interval = arguments.interval.0;
        let wrong = format!("--interval is {interval:?}: looks need at least {INTERVAL_MIN:?}");
        return Err(CommandError::Settings(vec![wrong]));
    }
    let name = arguments.job.as_ref().map(|name| name.parse()).transpose()?;
    logging::start(&arguments.common, None, &bar(true))?;
    match name {
        Some(name) => one(&arguments, name).await,
        None => all(&arguments).await,
    }
}

/// Tells of one job, once or until it ends.
async fn one(arguments: &StatusArguments, name: JobName) -> Result<Exit, CommandError> {
    let json = arguments.common.json;
    let (broker, job) = lookup::job(&arguments.common, name.clone()).await?;
    let mut status = JobStatus::new(job);
    if !arguments.watch {
        status.look_at_all(&*broker).await?;
        show(&status, json, None)?;
        return Ok(exit(&status));
    }
    let mut watch = Watch::begin(arguments.interval.0)?;
    loop {
        let look = async {
            if json { status.look_at_all(&*broker).await } else { status.look(&*broker).await }
        };
        tokio::select! {
            looked = look => looked.or_else(unless_passing)?,
            exit = watch.signals.next() => return Ok(watch.end(exit)),
        }
        let reader = show(&status, json, Some(&mut watch.screen))?;
        if let Some(report) = status.report().filter(|report| report.status != Status::Running) {
            let cancelled = report.status == Status::Cancelled;
            return if cancelled { Err(CommandError::Cancelled(name)) } else { Ok(exit(&status)) };
        }
        if let Some(exit) = watch.pause(reader).await {
            return Ok(exit);
        }
    }
}

fn exit(status: &JobStatus) -> Exit {
    status.report().map_or(Exit::Success, report::JobReport::exit)
}

/// For programs an object, for people all about it, or a line of a log.
fn show(
    status: &JobStatus,
    json: bool,
    screen: Option<&mut Screen>,
) -> Result<Reader, CommandError> {
    match (status.report(), screen) {
        (None, _) => Ok(Reader::Reads),
        (Some(report), _) if json => report::print_json(report),
        (_, None) => report::print_text(&status.text()),
        (_, Some(screen)) if screen.is_terminal() => screen.show(&status.text()),
        (_, Some(screen)) => screen.show(&status.line()),
    }
}

/// Tells of all jobs, once or until interrupted.
async fn all(arguments: &StatusArguments) -> Result<Exit, CommandError> {
    let json = arguments.common.json;
    let url = BrokerUrl::of(&arguments.common)?.to_string();
    let mut broker = lookup::store(&arguments.common).await?;
    let narrow = io::stdout().is_terminal();
    let read = async |broker: Option<&Arc<dyn Broker>>| {
        let broker = broker.map(|broker| &**broker);
        JobsReport::read(url.clone(), broker, SystemClock.wall()).await
    };
    if !arguments.watch {
        let jobs = read(broker.as_ref()).await?;
        if json {
            report::print_json(&jobs)?
        } else {
            report::print_text(&jobs.text(narrow))?
        };
        return Ok(Exit::Success);
    }
    let mut watch = Watch::begin(arguments.interval.0)?;
    loop {
        let reader = match read(broker.as_ref()).await {
            Ok(jobs) if json => report::print_json(&jobs)?,
            Ok(jobs) => watch.screen.show(&jobs.text(narrow))?,
            Err(error) => unless_passing(error).map(|()| Reader::Reads)?,
        };
        if let Some(exit) = watch.pause(reader).await {
            return Ok(exit);
        }
        if broker.is_none() {
            broker = lookup::store(&arguments.common).await?;
        }
    }
}

/// What passes is waited for.
fn unless_passing(error: CommandError) -> Result<(), CommandError> {
    match error {
        CommandError::Broker { cause, .. } if cause.is_transient() => {
            tracing::warn!(error = %cause, "the store does not answer; looking again");
            Ok(())
        }
        error => Err(error),
    }
}

/// Looks now and then.
struct Watch {
    screen: Screen,
    signals: Signals,
    interval: Duration,
}

impl Watch {
    fn begin(interval: Duration) -> Result<Self, CommandError> {
        let signals = Signals::catch().map_err(CommandError::Runtime)?;
        Ok(Self { screen: Screen::new(), signals, interval })
    }

    /// Waits for the next look; or says how to end: nobody reads on, or a signal came.
    async fn pause(&mut self, reader: Reader) -> Option<Exit> {
        if reader == Reader::Gone {
            return Some(Exit::Success);
        }
        tokio::select! {
            () = tokio::time::sleep(self.interval) => None,
            exit = self.signals.next() => Some(self.end(exit)),
        }
    }

    fn end(&self, exit: Exit) -> Exit {
        self.screen.end();
        exit
    }
}
