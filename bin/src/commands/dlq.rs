//! `ttg dlq`: the dead letters of a job.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use ttg_observability::metrics::Metrics;
use ttg_runtime::broker::JobState;
use ttg_runtime::{
    Broker, Chunk, Clock, Counters, DeadParameters, Failure, FailureKind, IdempotencyKey,
    JobRecord, JobSpec, Outcome, Receipt, SystemClock, SystemRandomness, TraceContext, WorkerId,
};

use crate::cli::{DlqArguments, DlqCommand, DlqJobArguments};
use crate::dead_letters::{DeadLetters, Replay};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{self, bar};
use crate::traces::TracesOfProcess;
use crate::{build, logging, lookup, publisher};

/// Groups that people are shown; programs get all.
const GROUPS_SHOWN: usize = 20;

/// Outcomes per commit.
const BATCH: usize = 500;

pub(crate) async fn dlq(
    arguments: DlqArguments,
    traces: &TracesOfProcess,
) -> Result<Exit, CommandError> {
    let (DlqCommand::List(of) | DlqCommand::Retry(of) | DlqCommand::Drop(of)) = &arguments.command;
    let DlqJobArguments { job, common } = of;
    logging::start(common, None, &bar(true))?;
    let (broker, job) = lookup::job(common, job.parse()?).await?;
    let letters = DeadLetters::read(&*broker, &job).await?;
    match &arguments.command {
        DlqCommand::List(_) => {
            let list = List::new(&job, &letters);
            report::print_either(&list, common.json, || list.for_people())?;
        }
        DlqCommand::Retry(_) => {
            expect_finished(&*broker, &job).await?;
            traces.start(common, None, &Metrics::new(build::VERSION, build::COMMIT))?;
            let mut submitting = traces.submission("dlq retry");
            let replays = letters.replays();
            let spec = Arc::new(job.spec.clone());
            let trace = submitting.publishes(&job);
            let chunks: Vec<_> =
                replays.iter().map(|replay| chunk_of(&job, &spec, replay, &trace)).collect();
            let published = publisher::publish_all(&*broker, &chunks).await;
            submitting.ended(&published);
            published.map_err(CommandError::broker("the dead letters could not be published"))?;
            done("retried", &*broker, &job, &replays, common.json).await?;
        }
        DlqCommand::Drop(_) => {
            expect_finished(&*broker, &job).await?;
            let replays = letters.replays();
            let person = WorkerId::fresh("dlq", &SystemRandomness);
            let outcomes: Vec<_> =
                replays.iter().map(|replay| given_up(&job, replay, &person)).collect();
            for batch in outcomes.chunks(BATCH) {
                let committed = broker.commit(batch).await;
                committed.map_err(CommandError::broker("the dead letters could not be dropped"))?;
            }
            done("dropped", &*broker, &job, &replays, common.json).await?;
        }
    }
    Ok(Exit::Success)
}

/// While a job runs, its dead letters are not all there, and replays of them may be open, which must
/// not be published a second time under other keys.
async fn expect_finished(broker: &dyn Broker, job: &JobRecord) -> Result<(), CommandError> {
    match report::progress(broker, job).await?.state {
        JobState::Complete => Ok(()),
        JobState::Running => Err(CommandError::NotFinished(job.name.clone())),
        JobState::Cancelled => Err(CommandError::Cancelled(job.name.clone())),
    }
}

/// The replay as a chunk that remembers why it died, so that a killer is isolated at once.
fn chunk_of(job: &JobRecord, spec: &Arc<JobSpec>, replay: &Replay, trace: &TraceContext) -> Chunk {
    let Replay { chunk, generation, range, reason } = replay;
    let parameter = Some(range.start());
    Chunk {
        key: IdempotencyKey { job: job.uid, chunk: *chunk, generation: *generation },
        range: *range,
        counters: Counters::default(),
        last_failure: Some(Failure::new(reason.kind, parameter, reason.message.as_str())),
        trace: trace.clone(),
        spec: Arc::clone(spec),
    }
}

/// The outcome of a replay that nobody makes.
fn given_up(job: &JobRecord, replay: &Replay, person: &WorkerId) -> (Receipt, Outcome) {
    let Replay { chunk, generation, range, reason } = replay;
    let key = IdempotencyKey { job: job.uid, chunk: *chunk, generation: *generation };
    let why = format!("given up after: {}", reason.message);
    let outcome = Outcome {
        key,
        range: *range,
        columns: Vec::new(),
        dead: DeadParameters::all(*range, FailureKind::Dropped, &why),
        attempt: 1,
        worker: person.clone(),
        build: build::id(),
        finished_at: SystemClock.wall(),
        computed_us: 0,
        values: None,
    };
    // No delivery is settled by it.
    (Receipt { key, token: [0, 0] }, outcome)
}

/// What a command did.
#[derive(Serialize)]
struct Done<'a> {
    job: &'a str,
    #[serde(flatten)]
    parameters: BTreeMap<&'static str, u64>,
    chunks: u64,
}

async fn done(
    what: &'static str,
    broker: &dyn Broker,
    job: &JobRecord,
    replays: &[Replay],
    json: bool,
) -> Result<(), CommandError> {
    let flushed = broker.flush().await;
    flushed.map_err(CommandError::broker("the store could not be flushed"))?;
    let parameters: u64 = replays.iter().map(|replay| replay.range.len()).sum();
    let chunks = replays.len() as u64;
    let name = job.name.as_str();
    let done = Done { job: name, parameters: BTreeMap::from([(what, parameters)]), chunks };
    report::print_either(&done, json, || {
        let then = if what == "retried" && chunks > 0 {
            format!("; `ttg worker --until-complete {name}` computes them")
        } else {
            String::new()
        };
        let (parameters, chunks) =
            (report::counted(parameters, "dead letter"), report::counted(chunks, "chunk"));
        format!("{parameters} of job {name} {what}, in {chunks}{then}\n")
    })
}

/// All that is dead, for programs; by reason, for people.
#[derive(Serialize)]
struct List<'a> {
    job: &'a str,
    dead: u64,
    /// Given up by a person, and in none of the groups.
    dropped: u64,
    groups: Vec<Group<'a>>,
}

#[derive(Serialize)]
struct Group<'a> {
    kind: FailureKind,
    reason: &'a str,
    parameters: u64,
    /// Half open.
    ranges: Vec<(u64, u64)>,
    /// Evaluates the first of them alone, in a store of its own.
    reproduce: String,
}

impl<'a> List<'a> {
    fn new(job: &'a JobRecord, letters: &'a DeadLetters) -> Self {
        let mut groups: BTreeMap<_, Group<'a>> = BTreeMap::new();
        for (range, reason) in letters.runs() {
            let group = groups.entry((reason.kind, &reason.message)).or_insert_with(|| Group {
                kind: reason.kind,
                reason: &reason.message,
                parameters: 0,
                ranges: Vec::new(),
                reproduce: reproduce(&job.spec, range.start()),
            });
            group.parameters += range.len();
            match group.ranges.last_mut() {
                Some(last) if last.1 == range.start() => last.1 = range.end(),
                _ => group.ranges.push(range.into()),
            }
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.parameters));
        let dead = groups.iter().map(|group| group.parameters).sum();
        Self { job: job.name.as_str(), dead, dropped: letters.dropped(), groups }
    }

    fn for_people(&self) -> String {
        let dead = report::counted(self.dead, "dead letter");
        let mut text = format!("{dead} in job {}", self.job);
        if self.dropped > 0 {
            text += &format!(", and {} dropped", self.dropped);
        }
        text.push('\n');
        for Group { kind, reason, parameters, ranges, reproduce } in
            self.groups.iter().take(GROUPS_SHOWN)
        {
            let shown: Vec<_> = ranges.iter().take(5).map(|range| ranged(*range)).collect();
            let more = if ranges.len() > shown.len() { ", …" } else { "" };
            let shown = shown.join(", ");
            text += &format!("\n{parameters:>11}  {kind}: {reason}\n");
            text += &format!("{:>11}  at {shown}{more}\n{:>11}  {reproduce}\n", "", "");
        }
        if let Some(more) = self.groups.len().checked_sub(GROUPS_SHOWN).filter(|more| *more > 0) {
            text +=
                &format!("\nand {}; `--json` shows all\n", report::counted(more as u64, "reason"));
        }
        text
    }
}

fn ranged((start, end): (u64, u64)) -> String {
    if end - start == 1 { start.to_string() } else { format!("{start}..{end}") }
}

/// The command line that evaluates `parameter` as the job does.
fn reproduce(spec: &JobSpec, parameter: u64) -> String {
    let mut line =
        format!("ttg run --kernel {} --range {parameter}..{}", spec.kernel, parameter + 1);
    for (key, value) in &spec.options {
        line += &format!(" --set {}", quoted(&format!("{key}={value}")));
    }
    line + " --max-attempts 1 --data-dir \"$(mktemp -d)\""
}

/// As a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+.,:/@%".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_they_must_be() {
        assert_eq!(quoted("simulate-work-ms=0.5"), "simulate-work-ms=0.5");
        assert_eq!(quoted("a=b c"), "'a=b c'");
        assert_eq!(quoted("a=it's"), r"'a=it'\''s'");
    }
}
