//! **poison**: what the plan dooms is dead at the end, of the right cause, after a bounded number of
//! attempts; nothing else is, nothing else is blamed; and what was given up on was silent too often.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::kernel::Assignment;
use ttg_runtime::{
    Chunk, Failure, FailureKind, IdempotencyKey, JobUid, Outcome, ParameterRange, WorkerId,
};

use super::checker::{Checker, End, Verdict};
use super::holdings::Holdings;
use crate::call::{Answer, Call, Short};
use crate::event::{Event, Moment};
use crate::plan::{Behaviour, JobPlan, Plan};

const RULE: &str = "poison";

pub(super) struct Poison {
    plan: Arc<Plan>,
    holdings: Holdings,
    /// Jobs by their uids, as they were registered.
    jobs: BTreeMap<JobUid, usize>,
    /// The most silent deliveries of a chunk so far.
    silent: BTreeMap<IdempotencyKey, u32>,
    /// Workers whose kernels stood still while their timers went on.
    stood_still: BTreeSet<WorkerId>,
}

impl Poison {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            plan: Arc::new(plan.clone()),
            holdings: Holdings::default(),
            jobs: BTreeMap::new(),
            silent: BTreeMap::new(),
            stood_still: BTreeSet::new(),
        }
    }

    fn job(&self, uid: JobUid) -> Option<&JobPlan> {
        self.jobs.get(&uid).map(|number| self.plan.job(*number))
    }

    /// The chunk of a failure that was reported: somebody in it must have deserved it.
    fn check_blame(&self, worker: &WorkerId, chunk: &Chunk, failure: &Failure) -> Verdict {
        let Some(job) = self.job(chunk.key.job) else {
            return Ok(());
        };
        let attempt = chunk.counters.attempt();
        let kind = failure.kind;
        let whole = job.broken && kind == FailureKind::Kernel;
        // A worker that stood still took long, too.
        let cost = || chunk.range.into_iter().map(|p| job.cost(p, attempt)).sum::<Duration>();
        let slow = kind == FailureKind::Timeout
            && (self.stood_still.contains(worker) || cost() >= chunk.spec.policy.timeout);
        let guilty =
            |parameter| job.behaviour(parameter, attempt).and_then(Behaviour::kind) == Some(kind);
        let found = match failure.parameter {
            Some(parameter) => guilty(parameter),
            None => chunk.range.into_iter().any(guilty),
        };
        if whole || slow || found {
            return Ok(());
        }
        let short = Short(&chunk.key);
        Err((
            RULE,
            format!("{short} is charged at attempt {attempt} for `{failure}`, but is innocent"),
        ))
    }

    fn check_assignment(assignment: &Assignment) -> Verdict {
        let chunk = &assignment.chunk;
        let (counters, policy) = (chunk.counters, &chunk.spec.policy);
        let short = Short(&chunk.key);
        if counters.silent_deliveries >= policy.max_deliveries {
            let silent = counters.silent_deliveries;
            return Err((RULE, format!("{short} is evaluated after {silent} silent deliveries")));
        }
        let attempt = counters.attempt();
        let last = attempt >= policy.max_attempts;
        if attempt > policy.max_attempts || last != assignment.limits.last_attempt {
            let most = policy.max_attempts;
            return Err((
                RULE,
                format!("{short} is evaluated for the {attempt}th of {most} times"),
            ));
        }
        Ok(())
    }

    fn check_given_up(&self, outcome: &Outcome) -> Verdict {
        let Some(job) = self.job(outcome.key.job) else {
            return Ok(());
        };
        let silent = self.silent.get(&outcome.key).copied().unwrap_or_default();
        if is_given_up(outcome) && silent < job.spec.policy.max_deliveries {
            let short = Short(&outcome.key);
            return Err((RULE, format!("{short} is given up after {silent} silent deliveries")));
        }
        Ok(())
    }
}

/// Whether the chunk is dead of too many silent deliveries.
fn is_given_up(outcome: &Outcome) -> bool {
    outcome.is_dead() && outcome.dead.runs().all(|(_, why)| why.kind == FailureKind::Silent)
}

fn check_dead(job: &JobPlan, outcome: &Outcome) -> Verdict {
    if is_given_up(outcome) {
        return Ok(());
    }
    let expected: Vec<_> =
        outcome.range.into_iter().filter_map(|p| Some((p, job.doomed(p)?))).collect();
    let each = |(run, kind): (ParameterRange, FailureKind)| run.into_iter().map(move |p| (p, kind));
    let dead: Vec<_> =
        outcome.dead.runs().map(|(run, why)| (run, why.kind)).flat_map(each).collect();
    if dead != expected {
        let short = Short(&outcome.key);
        return Err((RULE, format!("dead of {short} are {dead:?}, not {expected:?}")));
    }
    if outcome.attempt > job.spec.policy.max_attempts {
        let (short, attempt) = (Short(&outcome.key), outcome.attempt);
        return Err((RULE, format!("{short} was settled at attempt {attempt}")));
    }
    Ok(())
}

impl Checker for Poison {
    fn see(&mut self, moment: Moment, event: &Event) -> Verdict {
        self.holdings.see(moment, event);
        match event {
            Event::Done { call, answer: Ok(answer), .. } => match (call, answer) {
                (Call::Register(job), Answer::Registered(_)) => {
                    let number = self.plan.jobs.iter().position(|it| it.name == job.name);
                    number.map(|number| self.jobs.insert(job.uid, number));
                }
                (_, Answer::Deliveries(deliveries)) => {
                    for delivery in deliveries {
                        let silent = delivery.chunk.counters.silent_deliveries;
                        let most = self.silent.entry(delivery.chunk.key).or_default();
                        *most = silent.max(*most);
                    }
                }
                (Call::Commit(outcomes), _) => {
                    return outcomes.iter().try_for_each(|(_, it)| self.check_given_up(it));
                }
                _ => {}
            },
            Event::Called { worker, call: Call::Nack(nacks) } => {
                for nack in nacks.iter() {
                    let hands = self.holdings.of(worker);
                    let holding = hands.and_then(|hands| hands.held.get(&nack.receipt));
                    if let Some(holding) = holding {
                        self.check_blame(worker, &holding.delivery.chunk, &nack.failure)?;
                    }
                }
            }
            Event::Froze { worker } => drop(self.stood_still.insert((*worker).clone())),
            Event::Began { assignment, .. } => return Self::check_assignment(assignment),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, end: &End) -> Verdict {
        for job in &end.jobs {
            let plan = end.plan.job(job.number);
            job.outcomes.iter().try_for_each(|outcome| check_dead(plan, outcome))?;
        }
        Ok(())
    }
}
