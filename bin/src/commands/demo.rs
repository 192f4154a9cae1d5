//! `ttg demo`: kill a worker in the middle of a job, and compare.

mod workers;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use ttg_runtime::broker::JobState;
use ttg_runtime::{
    Broker, Clock, JobName, JobRecord, Randomness, SystemClock, SystemRandomness, WorkerId,
};

use crate::broker::BrokerUrl;
use crate::cli::{DemoArguments, Scale};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::local_server::LocalServer;
use crate::proof::Proof;
use crate::report::{self, DemoReport, DemoRun, JobReport, JobStatus, Killed, Screen, bar};
use crate::settings::LEASE_UNUSED;
use crate::signals::Signals;
use crate::{logging, outcomes};

use workers::{Addresses, Workers};

/// How often the job is looked at: a fast one is over soon.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How often what it does is shown on a terminal, and elsewhere.
const SHOW_EVERY: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

pub(crate) async fn demo(arguments: DemoArguments) -> Result<Exit, CommandError> {
    let mut signals = Signals::catch().map_err(CommandError::Runtime)?;
    logging::start(&arguments.common, None, &bar(true))?;
    let addresses = Addresses::of(&arguments)?;
    let place = Place::of(&arguments).await?;
    let id = WorkerId::fresh("demo", &SystemRandomness);
    let broker = place.url.connect(id, LEASE_UNUSED).await?;
    let rounds = Vec::new();
    let mut stage = Stage { arguments: &arguments, addresses, place, broker, rounds };
    let played = tokio::select! {
        played = stage.play() => played.map(Ok),
        exit = signals.next() => Ok(Err(exit)),
    };
    if let Ok(Err(_)) = played {
        report::note("interrupted; what it made is removed, unless it is interrupted again");
    }
    // Also after a failure: nothing is left behind.
    let cleared = tokio::select! {
        cleared = stage.clear() => cleared.map(|()| None),
        exit = signals.next() => Ok(Some(exit)),
    };
    stage.tell_what_is_left();
    match (played?, cleared) {
        (Err(exit), _) | (Ok(_), Ok(Some(exit))) => Ok(exit),
        (Ok(report), cleared) => {
            cleared?;
            let json = arguments.common.json;
            report::print_either(&report, json, || report.text())?;
            Ok(if report.equal { Exit::Success } else { Exit::Disproved })
        }
    }
}

/// Where the jobs live.
struct Place {
    url: BrokerUrl,
    /// How workers are told.
    text: String,
    /// Ends with the demonstration.
    folder: Option<TempDir>,
    /// Likewise.
    server: Option<LocalServer>,
}

impl Place {
    async fn of(arguments: &DemoArguments) -> Result<Self, CommandError> {
        let common = &arguments.common;
        if let Some(kind) = arguments.start_broker {
            let server = LocalServer::start(kind).await?;
            let text = server.url().to_owned();
            let url = BrokerUrl::of_server(&text, common)?;
            return Ok(Self { url, text, folder: None, server: Some(server) });
        }
        let url = BrokerUrl::of(common)?;
        if common.names_no_place() {
            let folder = tempfile::tempdir().map_err(CommandError::Demo)?;
            let url = BrokerUrl::Embedded(folder.path().into());
            let text = url.to_string();
            return Ok(Self { text, url, folder: Some(folder), server: None });
        }
        // As it was written: what is shown of a server has no secrets.
        let text = match &url {
            BrokerUrl::Embedded(_) => url.to_string(),
            _ => common.broker.concat(),
        };
        Ok(Self { url, text, folder: None, server: None })
    }
}

/// The two rounds, and what they use.
struct Stage<'a> {
    arguments: &'a DemoArguments,
    addresses: Addresses,
    place: Place,
    broker: Arc<dyn Broker>,
    /// The jobs so far.
    rounds: Vec<JobName>,
}

impl Stage<'_> {
    async fn play(&mut self) -> Result<DemoReport, CommandError> {
        self.addresses.tell();
        report::note("1 of 2: undisturbed");
        let (undisturbed, _) = self.round("undisturbed", None).await?;
        let percent = self.arguments.kill_at.0;
        report::note(&format!("2 of 2: a worker is killed at {percent} %"));
        let (disturbed, killed) = self.round("disturbed", Some(percent)).await?;
        let Some(killed) = killed else {
            return Err(CommandError::DemoTooFast);
        };
        let proven = undisturbed.proven && disturbed.proven;
        Ok(DemoReport {
            equal: proven && undisturbed.equals(&disturbed),
            workers: self.arguments.workers.get(),
            killed,
            undisturbed,
            disturbed,
        })
    }

    /// Runs the job once. Kills a worker when `kill_at` per cent are done.
    async fn round(
        &mut self,
        name: &str,
        kill_at: Option<f64>,
    ) -> Result<(DemoRun, Option<Killed>), CommandError> {
        let job = self.submit(name).await?;
        let mut workers = Workers::start(self, &job.name)?;
        let mut status = JobStatus::new(job.clone());
        let mut screen = Screen::new();
        let mut killed = None;
        let mut shown = tokio::time::interval(SHOW_EVERY[usize::from(!screen.is_terminal())]);
        loop {
            let progress = report::progress(&*self.broker, &job).await?;
            if let Some(percent) = kill_at.filter(|_| killed.is_none()) {
                killed = workers.kill_at(percent, &progress)?;
            }
            if progress.state != JobState::Running {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = shown.tick() => {
                    status.look(&*self.broker).await?;
                    self.show(&status, &mut screen)?;
                }
            }
            workers.check()?;
        }
        status.look_at_all(&*self.broker).await?;
        self.show(&status, &mut screen)?;
        let run = self.prove(&job).await?;
        workers.end()?;
        Ok((run, killed))
    }

    /// On a terminal all about the job, elsewhere a line; for programs nothing but the end.
    fn show(&self, status: &JobStatus, screen: &mut Screen) -> Result<(), CommandError> {
        if self.arguments.common.json {
            return Ok(());
        }
        let text = if screen.is_terminal() { status.text() } else { status.line() };
        screen.show(&text).map(drop)
    }

    async fn submit(&mut self, name: &str) -> Result<JobRecord, CommandError> {
        let id = SystemRandomness.next_u64() >> 32;
        let name: JobName = format!("demo-{name}-{id:08x}").parse()?;
        self.rounds.push(name.clone());
        let mut command = self.ttg()?;
        command.args(["submit", "--job", name.as_str()]);
        command.args(match self.arguments.scale {
            Scale::Small => {
                ["--parameters=1000", "--chunk-size=10", "--set=simulate-work-ms=100"].as_slice()
            }
            Scale::Medium => {
                ["--parameters=10000", "--chunk-size=100", "--set=simulate-work-ms=10"].as_slice()
            }
            Scale::Large => {
                ["--range=1..10000001", "--chunk-size=1000", "--kernel=collatz"].as_slice()
            }
        });
        let output = command.stderr(Stdio::inherit()).output().map_err(CommandError::Demo)?;
        if !output.status.success() {
            return Err(CommandError::DemoStep("submit", output.status));
        }
        let job = self.broker.job(&name).await;
        let job = job.map_err(CommandError::broker("the job could not be looked up"))?;
        job.ok_or(CommandError::UnknownJob(name))
    }

    /// This program, told of the place in a way that no list of processes shows.
    fn ttg(&self) -> Result<Command, CommandError> {
        let program = std::env::current_exe().map_err(CommandError::Demo)?;
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TTG_") {
                command.env_remove(name);
            }
        }
        command.env("TTG_BROKER", &self.place.text).env("TTG_LOG_LEVEL", "error");
        let common = &self.arguments.common;
        command.env("TTG_NAMESPACE", &common.namespace);
        let files = [
            ("TTG_TLS_CA", &common.tls_ca),
            ("TTG_TLS_CERT", &common.tls_cert),
            ("TTG_TLS_KEY", &common.tls_key),
        ];
        command.envs(files.into_iter().filter_map(|(name, file)| Some((name, file.as_ref()?))));
        Ok(command)
    }

    async fn prove(&self, job: &JobRecord) -> Result<DemoRun, CommandError> {
        let progress = report::progress(&*self.broker, job).await?;
        let mut proof = Proof::begin(job);
        outcomes::for_each(&*self.broker, job, |outcome| proof.add(&outcome)).await?;
        proof.conclude(&progress);
        let report = JobReport::read(&*self.broker, job, SystemClock.wall()).await?;
        Ok(DemoRun::new(&report, proof.findings.is_empty()))
    }

    /// Removes the jobs, and keeps the names of those that are left if that fails or is cut short.
    async fn clear(&mut self) -> Result<(), CommandError> {
        let failed = || CommandError::broker("the demonstration could not be cleared away");
        while let Some(name) = self.rounds.last() {
            if let Some(job) = self.broker.job(name).await.map_err(failed())? {
                self.broker.purge(job.uid).await.map_err(failed())?;
            }
            self.rounds.pop();
        }
        Ok(())
    }

    fn tell_what_is_left(&self) {
        // With a place of its own its jobs end, too.
        if self.place.folder.is_none() && self.place.server.is_none() {
            for name in &self.rounds {
                report::note(&format!("left behind: `ttg purge {name} --force` removes it"));
            }
        }
    }
}
