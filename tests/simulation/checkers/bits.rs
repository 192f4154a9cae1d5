//! **nothing lost**: every parameter is in one outcome. **counted once**: the counters are what the
//! outcomes say. **same bits**: the aggregate is that of one thread without faults over what is not
//! dead, to the last bit.

use std::collections::BTreeSet;

use ttg_runtime::broker::JobState;
use ttg_runtime::{Accumulator, Aggregate, wire};

use super::checker::{Checker, End, EndOfJob, Verdict};
use crate::event::{Event, Moment};
use crate::plan::JobPlan;

pub(super) struct Bits;

fn check_whole(plan: &JobPlan, job: &EndOfJob) -> Verdict {
    let mut next = plan.spec.parameters.start();
    for outcome in &job.outcomes {
        if !ttg_runtime::invariants::outcome_is_whole(outcome) {
            return Err(("nothing lost", format!("an outcome is not whole: {outcome:?}")));
        }
        if outcome.range.start() != next {
            let range = outcome.range;
            return Err(("nothing lost", format!("{}: {range} follows {next}", plan.name)));
        }
        next = outcome.range.end();
    }
    if next != plan.spec.parameters.end() {
        return Err(("nothing lost", format!("{}: nothing follows {next}", plan.name)));
    }
    Ok(())
}

fn check_counts(plan: &JobPlan, job: &EndOfJob) -> Verdict {
    let total = plan.spec.parameters.len();
    let dead: u64 = job.outcomes.iter().map(|outcome| outcome.dead.count()).sum();
    let dead_chunks = job.outcomes.iter().filter(|outcome| outcome.is_dead()).count() as u64;
    let chunks = job.outcomes.len() as u64;
    let progress = &job.progress;
    let is_right = progress.state == JobState::Complete
        && progress.parameters.total == total
        && progress.parameters.dead == dead
        && progress.parameters.completed == total - dead
        && progress.chunks.dead == dead_chunks
        && progress.chunks.completed == chunks - dead_chunks
        && progress.chunks.ready + progress.chunks.in_flight + progress.chunks.delayed == 0;
    if is_right { Ok(()) } else { Err(("counted once", format!("{}: {progress:?}", plan.name))) }
}

fn check_bits(plan: &JobPlan, job: &EndOfJob) -> Verdict {
    let dead = |outcome: &ttg_runtime::Outcome| {
        outcome.dead.runs().flat_map(|(run, _)| run).collect::<Vec<_>>()
    };
    let dead: BTreeSet<u64> = job.outcomes.iter().flat_map(dead).collect();
    let columns: &[f64] = if plan.spec.kernel.as_str() == "rare" { &[1.0, 2.0] } else { &[1.0] };
    for (n, divisor) in columns.iter().enumerate() {
        let mut expected = Accumulator::new();
        let living = plan.spec.parameters.into_iter().filter(|p| !dead.contains(p));
        living.for_each(|parameter| expected.add(parameter, plan.value(parameter) / divisor));
        let mut found = Aggregate::default();
        let aggregates =
            job.outcomes.iter().filter_map(|outcome| Some(&outcome.columns.get(n)?.aggregate));
        aggregates.for_each(|aggregate| found.merge(aggregate));
        if wire::encode(&found) != wire::encode(&expected.take()) {
            return Err(("same bits", format!("{}, column {n}", plan.name)));
        }
    }
    Ok(())
}

impl Checker for Bits {
    fn see(&mut self, _: Moment, _: &Event) -> Verdict {
        Ok(())
    }

    fn end(&mut self, end: &End) -> Verdict {
        for job in &end.jobs {
            let plan = end.plan.job(job.number);
            check_whole(plan, job)?;
            check_counts(plan, job)?;
            check_bits(plan, job)?;
        }
        Ok(())
    }
}
