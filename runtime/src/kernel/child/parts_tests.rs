//! Tests of what is asked of a child, apart for length.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::*;
use crate::aggregate::Accumulator;
use crate::chunk::TraceContext;
use crate::ids::{ChunkIndex, JobUid};
use crate::job::{JobPolicy, JobSpec};

/// A kernel of value 1 in a child that some parameters take down, and some fail.
#[derive(Default)]
struct Scripted {
    killers: BTreeSet<u64>,
    failing: BTreeSet<u64>,
    /// It dies before its first parameter.
    broken: bool,
    /// Whatever it is asked then, it is killed from outside at this parameter.
    killed_once_at: Option<u64>,
    cancelled_after: Option<usize>,
    asked: Vec<ParameterRange>,
}

impl AskChild for Scripted {
    fn ask(&mut self, part: Chunk, last_attempt: bool) -> Result<Evaluated, NoAnswer> {
        self.asked.push(part.range);
        if self.cancelled_after.is_some_and(|after| self.asked.len() > after) {
            return Err(NoAnswer::Cancelled);
        }
        let lost = |cursor| NoAnswer::Lost {
            kind: FailureKind::Killed,
            message: "signal 6".to_owned(),
            cursor,
        };
        if self.broken {
            return Err(lost(None));
        }
        let mut accumulator = Accumulator::new();
        let mut dead = DeadParameters::new();
        let mut values = Vec::new();
        for parameter in part.range {
            if self.killed_once_at.take_if(|at| *at == parameter).is_some() {
                return Err(lost(Some(parameter)));
            }
            if self.killers.contains(&parameter) {
                return Err(lost(Some(parameter)));
            }
            if !self.failing.contains(&parameter) {
                accumulator.add(parameter, 1.0);
                values.push(1.0);
            } else if last_attempt {
                values.push(f64::NAN);
                dead.push(parameter, FailureKind::Error, "no root");
            } else {
                let failure = Failure::new(FailureKind::Error, Some(parameter), "no root");
                return Ok(Evaluated::Failed(failure));
            }
        }
        let columns = vec![Column { name: "value".into(), aggregate: accumulator.take() }];
        let mut kept = Values::new();
        kept.put(0, &[values]);
        let took = Duration::from_millis(1);
        Ok(Evaluated::Completed { columns, dead, took, values: kept })
    }
}

fn run(child: &mut Scripted, last_attempt: bool) -> Evaluated {
    let spec = Arc::new(JobSpec {
        parameters: ParameterRange::new(0, 100).unwrap(),
        kernel: "any".parse().unwrap(),
        options: BTreeMap::new(),
        chunk_size: NonZeroU64::new(100).unwrap(),
        policy: JobPolicy::default(),
        values: false,
    });
    let job = JobUid::from([7; 16]);
    let chunk = Chunk::cut(job, &spec, ChunkIndex(0), &TraceContext::default()).unwrap();
    evaluate(&Order { chunk: &chunk, last_attempt }, child)
}

/// Completed parameters, and the dead ones by kind.
fn settled(evaluated: Evaluated) -> (u64, Vec<(u64, FailureKind)>) {
    let Evaluated::Completed { columns, dead, values, .. } = evaluated else {
        panic!("{evaluated:?}");
    };
    // Of each parameter that lives, in its place. If none does, nobody knows the columns.
    for (column, parameter) in values.columns().iter().flat_map(|column| column.iter().zip(0..)) {
        let is_dead = dead.runs().any(|(run, _)| run.contains(parameter));
        assert_eq!(column.is_nan(), is_dead, "{parameter}");
    }
    assert!(values.len() == 100 || columns.is_empty());
    let dead = dead.runs().flat_map(|(run, why)| run.into_iter().map(|p| (p, why.kind)));
    (columns.iter().map(|column| column.aggregate.count()).sum(), dead.collect())
}

#[test]
fn at_the_last_attempt_every_killer_dies_alone() {
    for killers in [vec![0], vec![99], vec![41, 42], vec![3, 50, 51, 98], (0..100).collect()] {
        let mut child = Scripted {
            killers: killers.iter().copied().collect(),
            failing: BTreeSet::from([42, 77]),
            ..Scripted::default()
        };
        let (completed, dead) = settled(run(&mut child, true));
        let mut expected: BTreeMap<_, _> =
            [42, 77].into_iter().map(|parameter| (parameter, FailureKind::Error)).collect();
        expected.extend(killers.iter().map(|parameter| (*parameter, FailureKind::Killed)));
        assert_eq!(dead, expected.into_iter().collect::<Vec<_>>());
        assert_eq!(completed + dead.len() as u64, 100);
    }
}

#[test]
fn before_the_last_attempt_the_first_death_is_the_attempts_failure() {
    let mut child = Scripted { killers: BTreeSet::from([7, 9]), ..Scripted::default() };
    let failure = Failure::new(FailureKind::Killed, Some(7), "signal 6");
    assert_eq!(run(&mut child, false), Evaluated::Failed(failure));
    assert_eq!(child.asked.len(), 1, "a child answers for the whole chunk or not at all");
}

#[test]
fn a_kernel_whose_start_takes_the_child_down_ends_in_one_death() {
    let mut child = Scripted { broken: true, ..Scripted::default() };
    assert_eq!(settled(run(&mut child, true)).1.len(), 100);
    assert_eq!(child.asked.len(), 2);
    assert!(matches!(run(&mut child, false), Evaluated::Failed(_)));
}

#[test]
fn a_child_that_is_killed_from_outside_costs_nothing() {
    for at in [0, 57, 99] {
        let mut child = Scripted { killed_once_at: Some(at), ..Scripted::default() };
        assert_eq!(settled(run(&mut child, true)), (100, vec![]));
    }
}

#[test]
fn a_cancelled_attempt_settles_nothing() {
    for after in [0, 3] {
        let mut child = Scripted { cancelled_after: Some(after), ..Scripted::default() };
        assert_eq!(run(&mut child, true), Evaluated::Cancelled);
    }
}

#[test]
fn what_a_death_costs_is_a_part_and_not_the_chunk() {
    let mut child = Scripted { killers: BTreeSet::from([98]), ..Scripted::default() };
    settled(run(&mut child, true));
    let asked: u64 = child.asked.iter().map(|range| range.len()).sum();
    assert!(asked < 300, "{:?}", child.asked);
    assert!(child.asked.len() < 20, "parts grow: {:?}", child.asked);
}
