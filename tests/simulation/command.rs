//! The command: which seeds to simulate, and what to tell of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, ExitCode};
use std::time::Duration;

use ttg_runtime::{Clock, SystemClock};

use crate::sabotage::Sabotage;
use crate::scale::{Figures, Question, measure};
use crate::story::{self, Report};
use crate::witness::Violation;

const USAGE: &str = "\
Usage: tests/run simulate SEED… [--trace]
       tests/run simulate --seeds N [--from SEED]
       tests/run simulate --scale [--workers N] [--parameters N] [--chunk-size N] [--uneven]

SEED…        simulate these; the digest of one is the same each time
--trace      print all that happens
--seeds N    simulate N seeds, from 0 or SEED on
--scale      measure a large fleet: 1000 workers, 10000000 parameters of 1 ms; --uneven: workers of
             all speeds down to a half
--sabotage GUARANTEE
             break a guarantee, to see that it is noticed
";

/// After so many seeds that break a rule there is enough to do.
const BROKEN_MAX: usize = 20;

/// What is asked for.
struct Request {
    seeds: Vec<u64>,
    count: u64,
    from: u64,
    trace: bool,
    sabotage: Option<Sabotage>,
    scale: Option<Question>,
}

fn parse(arguments: impl Iterator<Item = String>) -> Option<Request> {
    let mut request =
        Request { seeds: Vec::new(), count: 0, from: 0, trace: false, sabotage: None, scale: None };
    let mut question = Question {
        workers: 1_000,
        parameters: 10_000_000,
        chunk_size: 500,
        cost: Duration::from_millis(1),
        uneven: false,
    };
    let mut is_scale = false;
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--trace" => request.trace = true,
            "--seeds" => request.count = arguments.next()?.parse().ok()?,
            "--from" => request.from = arguments.next()?.parse().ok()?,
            "--sabotage" => request.sabotage = Some(Sabotage::named(&arguments.next()?)?),
            "--scale" => is_scale = true,
            "--uneven" => question.uneven = true,
            "--workers" => question.workers = arguments.next()?.parse().ok()?,
            "--parameters" => question.parameters = arguments.next()?.parse().ok()?,
            "--chunk-size" => question.chunk_size = arguments.next()?.parse().ok()?,
            seed => request.seeds.push(seed.parse().ok()?),
        }
    }
    request.scale = is_scale.then_some(question);
    let asked = is_scale || request.count > 0 || !request.seeds.is_empty();
    asked.then_some(request)
}

pub(crate) fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let Some(request) = parse(arguments) else {
        tell_error(&format!("{USAGE}\nGuarantees: {}\n", Sabotage::names()));
        return ExitCode::from(2);
    };
    if let Some(question) = request.scale {
        let began = SystemClock.now();
        let figures = measure(question);
        let took = SystemClock.now().since(began);
        tell(&format!("{}simulated in {took:.1?}\n", table_of(question, &figures)));
        return ExitCode::SUCCESS;
    }
    simulate(&request)
}

/// Whoever reads it may have enough.
fn tell(said: &str) {
    std::io::stdout().write_all(said.as_bytes()).ok();
}

fn tell_error(said: &str) {
    std::io::stderr().write_all(said.as_bytes()).ok();
}

fn simulate(request: &Request) -> ExitCode {
    let began = SystemClock.now();
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut events, mut lasted) = (0, Duration::ZERO);
    let mut broken = Vec::new();
    let range = request.from..request.from + request.count;
    for seed in request.seeds.iter().copied().chain(range) {
        let report = story::run(seed, request.trace, request.sabotage);
        if request.count == 0 {
            tell(&format!("seed {seed} has digest {:016x}\n", report.digest));
        }
        events += report.events;
        lasted += report.lasted;
        for (name, count) in &report.counts {
            *counts.entry(name).or_default() += count;
        }
        if report.violation.is_some() {
            tell_violation(&report, broken.is_empty());
            broken.push(seed);
            if broken.len() == BROKEN_MAX {
                break;
            }
        }
    }
    for (name, count) in counts {
        tell(&format!("{count:>12} {name}\n"));
    }
    let seeds = request.seeds.len() as u64 + request.count;
    let took = SystemClock.now().since(began);
    tell(&format!("{seeds} seeds, {events} events, {lasted:.0?} of virtual time in {took:.1?}\n"));
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell_violation(report: &Report, with_trace: bool) {
    let Some(violation) = &report.violation else {
        return;
    };
    if with_trace {
        tell_error(&(report.recent.join("\n") + "\n\n"));
    }
    let (seed, commit) = (report.seed, commit());
    let Violation { rule, what } = violation;
    tell_error(&format!(
        "error: seed {seed} breaks the rule `{rule}` at commit {commit}\n  {what}\n\
         replay: tests/run simulate {seed} --trace\n"
    ));
}

/// The commit that is simulated, as far as git knows.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let said = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        Some(said.trim().to_owned())
    };
    let changed = git(&["status", "--porcelain"]).is_none_or(|said| !said.is_empty());
    let head = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".into());
    if changed { format!("{head}, with changes") } else { head }
}

fn table_of(question: Question, figures: &Figures) -> String {
    let Question { workers, parameters, chunk_size, cost, uneven } = question;
    let speeds = if uneven { "fast to half as fast" } else { "all as fast" };
    let seconds = |duration: Duration| duration.as_secs_f64();
    let (ideal, makespan) = (seconds(figures.ideal), seconds(figures.makespan));
    let ratio = makespan / ideal;
    let (spread, tail) = (seconds(figures.spread), seconds(figures.tail));
    let all: u64 = figures.calls.values().sum();
    let rate = |count: u64| count as f64 / makespan;
    let mut table = format!(
        "workers         {workers}, one slot each, {speeds}\n\
         parameters      {parameters} of {cost:?}, in chunks of {chunk_size}\n\
         makespan        {makespan:.3} s, {ratio:.3} of the ideal {ideal:.3} s\n\
         spread          {spread:.3} s until all had begun\n\
         tail            {tail:.3} s since the first had ended\n\
         calls           {all}, {:.0}/s, {} within the busiest second\n",
        rate(all),
        figures.calls_per_second_max,
    );
    for (name, count) in &figures.calls {
        table += &format!("  {name:<16}{count:>8}, {:>8.0}/s\n", rate(*count));
    }
    table + &format!("digest          {:016x}\n", figures.digest)
}
