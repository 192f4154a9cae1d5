//! Tests of what is told of attempts, apart for length.

use super::tests::{assigned, at, completed, fresh, received, settlements, state};
use super::*;

fn traced(slots: u32) -> DispatcherState {
    let mut state = state(slots);
    state.is_traced = true;
    state
}

fn told_by(settlement: &Settlement) -> Option<&Attempt> {
    match settlement {
        Settlement::Commit { told_by, .. }
        | Settlement::Nack { told_by, .. }
        | Settlement::GiveBack { told_by, .. } => told_by.as_deref(),
    }
}

/// From when to when each of these was computed, and when it was decided how it ends, in seconds.
fn courses(effects: Vec<Effect>) -> Vec<(Option<(u64, u64)>, u64)> {
    let seconds = |time: Timestamp| time.as_millis() / 1_000;
    let course = |attempt: &Attempt| {
        let computed = attempt.computed.map(|(from, to)| (seconds(from), seconds(to)));
        (computed, seconds(attempt.decided))
    };
    settlements(effects).iter().filter_map(told_by).map(course).collect()
}

fn lost(effects: &[Effect]) -> Vec<u64> {
    let of = |effect: &Effect| match effect {
        Effect::TellLost(attempt) => Some(attempt.delivery.chunk.key.chunk.0),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

#[test]
fn evaluations_that_are_reported_together_came_one_after_the_other() {
    let mut state = traced(1);
    state.pace.learn(Duration::from_millis(1), 1);
    on_received(&mut state, vec![fresh(0), fresh(1)], at(2));
    let effects = on_evaluated(&mut state, vec![(DeliveryId(0), completed(1))], at(10));
    assert_eq!(courses(effects), [(Some((2, 3)), 10)], "it took a second");
    let failure = Failure::new(FailureKind::Error, None, "no root");
    let ended = vec![
        (DeliveryId(1), completed(1)),
        (DeliveryId(2), Evaluated::Cancelled),
        (DeliveryId(3), Evaluated::Failed(failure)),
    ];
    state.requested = Credit::new(2);
    on_received(&mut state, vec![fresh(2), fresh(3)], at(10));
    for id in [2, 3] {
        state.table.get_mut(DeliveryId(id)).unwrap().stage = Stage::Assigned(SlotId(0));
    }
    let effects = on_evaluated(&mut state, ended, at(20));
    let expected = [(Some((10, 11)), 20), (Some((11, 11)), 20), (Some((11, 20)), 20)];
    assert_eq!(courses(effects), expected, "only the last one ended just now");
}

#[test]
fn a_chunk_that_took_its_slot_down_was_computed_until_then() {
    let mut state = traced(1);
    on_received(&mut state, vec![fresh(0)], at(2));
    let failure = Failure::new(FailureKind::Panic, None, "poison");
    let failed = SlotFailure { delivery: DeliveryId(0), failure };
    let effects = on_slot_lost(&mut state, SlotId(0), Some(&failed), at(5));
    assert_eq!(courses(effects), [(Some((2, 5)), 5)]);
}

#[test]
fn what_was_never_begun_has_no_time_in_the_kernel() {
    let mut state = traced(1);
    on_received(&mut state, vec![fresh(0), fresh(1)], at(2));
    assert_eq!(courses(on_drain(&mut state, at(7))), [(None, 7)]);
}

#[test]
fn a_lost_lease_is_told_when_its_evaluation_has_ended() {
    let mut state = traced(1);
    received(&mut state, vec![fresh(0), fresh(1)]);
    let effects = on_leases_lost(&mut state, &[DeliveryId(0), DeliveryId(1)], at(3));
    assert_eq!(lost(&effects), [1], "the other one is under way");
    let ended = vec![(DeliveryId(0), Evaluated::Cancelled)];
    assert_eq!(lost(&on_evaluated(&mut state, ended, at(4))), [0]);
}

#[test]
fn without_traces_nothing_is_kept_for_them() {
    let mut state = state(1);
    received(&mut state, vec![fresh(0), fresh(1)]);
    assert_eq!(lost(&on_leases_lost(&mut state, &[DeliveryId(1)], at(3))), [0; 0]);
    let effects = on_evaluated(&mut state, vec![(DeliveryId(0), completed(1))], at(4));
    assert!(settlements(effects).iter().all(|settlement| told_by(settlement).is_none()));
}

fn urgency(effects: Vec<Effect>) -> Urgency {
    let of = |effect| match effect {
        Effect::Settle(_, urgency) => Some(urgency),
        _ => None,
    };
    effects.into_iter().find_map(of).unwrap()
}

fn computed(id: u64, took: Duration) -> Vec<(DeliveryId, Evaluated)> {
    let Evaluated::Completed { columns, dead, values, .. } = completed(1) else { unreachable!() };
    vec![(DeliveryId(id), Evaluated::Completed { columns, dead, took, values })]
}

/// More than a worker asks for that knows nothing of how long chunks take.
fn received_at_once(state: &mut DispatcherState, chunks: std::ops::Range<u64>) -> Vec<Effect> {
    state.requested = Credit::new(9);
    received(state, chunks.map(fresh).collect())
}

#[test]
fn the_last_chunks_are_for_whoever_ends_first() {
    let mut state = state(2);
    received_at_once(&mut state, 0..6);
    let short = Duration::from_millis(20);
    let effects = on_evaluated(&mut state, computed(0, short), at(1));
    assert_eq!(assigned(&effects), [(0, vec![2]), (1, vec![3])], "enough are left to hand ahead");
    let effects = on_evaluated(&mut state, computed(1, short), at(2));
    assert_eq!(assigned(&effects), [], "both still have one");
    let effects = on_evaluated(&mut state, computed(2, short), at(3));
    assert_eq!(assigned(&effects), [(0, vec![4])]);
    let effects = on_evaluated(&mut state, computed(4, short), at(4));
    assert_eq!(assigned(&effects), [(0, vec![5])], "the other one has not ended meanwhile");
}

#[test]
fn outcomes_wait_for_company_while_slots_have_work_and_not_beyond() {
    let mut state = state(2);
    received_at_once(&mut state, 0..4);
    let short = Duration::from_millis(20);
    let effects = on_evaluated(&mut state, computed(0, short), at(1));
    assert_eq!(urgency(effects), Urgency::MayLinger, "the others are computed meanwhile");
    let effects = on_evaluated(&mut state, computed(1, short), at(2));
    assert_eq!(urgency(effects), Urgency::Pressing, "a slot runs dry");
    let effects = on_evaluated(&mut state, computed(2, short), at(3));
    assert_eq!(urgency(effects), Urgency::MayLinger, "more has been asked for");
    let effects = on_evaluated(&mut state, computed(3, short), at(4));
    assert_eq!(urgency(effects), Urgency::Last, "nothing is computed");
    on_settled(&mut state, (0..4).map(DeliveryId).collect(), at(5));
    received_at_once(&mut state, 4..7);
    let failure = Evaluated::Failed(Failure::new(FailureKind::Kernel, None, "no"));
    let effects = on_evaluated(&mut state, vec![(DeliveryId(4), failure)], at(6));
    assert_eq!(urgency(effects), Urgency::Pressing, "others may wait for it");
}

#[test]
fn outcomes_of_long_chunks_wait_for_nothing() {
    let mut state = state(2);
    received_at_once(&mut state, 0..5);
    let long = Duration::from_millis(60);
    on_evaluated(&mut state, computed(0, long), at(1));
    let effects = on_evaluated(&mut state, computed(1, long), at(2));
    assert_eq!(urgency(effects), Urgency::Pressing);
}
