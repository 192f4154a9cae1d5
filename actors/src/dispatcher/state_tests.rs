//! Tests of the dispatcher's decisions, apart for length.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use ttg_runtime::{
    Aggregate, ChunkIndex, Column, Counters, Failure, JobPolicy, JobSpec, JobUid, ParameterRange,
    Receipt, TraceContext,
};

use super::*;

pub(super) fn state(slots: u32) -> DispatcherState {
    let worker: WorkerId = "w-1".parse().unwrap();
    let mut state = DispatcherState::new(worker, "test".into(), Kernels::builtin(), 0, at(0).now);
    for slot in 0..slots {
        let effects = on_slot_opened(&mut state, SlotId(slot), at(0));
        assert_eq!(requested(&effects), (slot == 0).then_some(2), "one request at a time");
    }
    state
}

/// `seconds` after the start, by both clocks.
pub(super) fn at(seconds: u64) -> Moment {
    let now = Timestamp::since_boot(Duration::from_secs(seconds));
    Moment { now, wall: WallTime(seconds) }
}

pub(super) fn delivery(index: u64, kernel: &str, counters: Counters) -> Delivery {
    let spec = Arc::new(JobSpec {
        parameters: ParameterRange::new(0, 1_000).unwrap(),
        kernel: kernel.parse().unwrap(),
        options: BTreeMap::new(),
        chunk_size: NonZeroU64::new(1).unwrap(),
        policy: JobPolicy::default(),
        values: false,
    });
    let job = JobUid::from([7; 16]);
    let mut chunk = Chunk::cut(job, &spec, ChunkIndex(index), &TraceContext::default()).unwrap();
    chunk.counters = counters;
    let receipt = Receipt { key: chunk.key, token: [index, 0] };
    Delivery { chunk, receipt, suspect: false, waited: Duration::ZERO }
}

pub(super) fn counters(failures: u32, silent_deliveries: u32) -> Counters {
    Counters { failures, silent_deliveries, give_backs: 0 }
}

pub(super) fn fresh(index: u64) -> Delivery {
    delivery(index, "reference", Counters::default())
}

pub(super) fn completed(count: u64) -> Evaluated {
    let mut accumulator = ttg_runtime::Accumulator::new();
    (0..count).for_each(|parameter| accumulator.add(parameter, 1.0));
    let aggregate: Aggregate = accumulator.take();
    Evaluated::Completed {
        columns: vec![Column { name: "value".into(), aggregate }],
        dead: DeadParameters::new(),
        took: Duration::from_secs(1),
        values: Values::new(),
    }
}

pub(super) fn requested(effects: &[Effect]) -> Option<u32> {
    effects.iter().find_map(|effect| match effect {
        Effect::Receive(credit) => Some(credit.get()),
        _ => None,
    })
}

pub(super) fn assigned(effects: &[Effect]) -> Vec<(u32, Vec<u64>)> {
    let of = |effect: &Effect| match effect {
        Effect::Assign(slot, work) => Some((slot.0, work.iter().map(|w| w.id.0).collect())),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

pub(super) fn settlements(effects: Vec<Effect>) -> Vec<Settlement> {
    let of = |effect| match effect {
        Effect::Settle(settlements, _) => Some(settlements),
        _ => None,
    };
    effects.into_iter().filter_map(of).flatten().collect()
}

pub(super) fn received(state: &mut DispatcherState, deliveries: Vec<Delivery>) -> Vec<Effect> {
    on_received(state, deliveries, at(0))
}

pub(super) fn stops(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Stop))
}

#[test]
fn credit_is_what_slots_and_read_ahead_can_take_and_no_more() {
    let mut state = state(2);
    let effects = received(&mut state, vec![fresh(0), fresh(1)]);
    assert_eq!(assigned(&effects), [(0, vec![0]), (1, vec![1])]);
    assert_eq!(requested(&effects), Some(1), "two slots and one ahead, two are in flight");
    let effects = received(&mut state, vec![fresh(2)]);
    assert_eq!((assigned(&effects), requested(&effects)), (vec![], None));
    // Computed is not settled: its credit stays taken.
    let effects = on_evaluated(&mut state, vec![(DeliveryId(0), completed(1))], at(0));
    assert_eq!(assigned(&effects), [(0, vec![2])]);
    assert_eq!(requested(&effects), None);
    let effects = on_settled(&mut state, vec![DeliveryId(0)], at(0));
    assert_eq!(requested(&effects), Some(1));
}

#[test]
fn an_empty_receive_is_made_again() {
    let mut state = state(1);
    assert_eq!(requested(&received(&mut state, vec![])), Some(2));
    on_receive_failed(&mut state);
    assert_eq!(requested(&on_retry_receive(&mut state, at(0))), Some(2));
}

#[test]
fn a_completed_chunk_is_committed_and_a_failed_one_nacked() {
    let mut state = state(2);
    received(&mut state, vec![fresh(0), fresh(1)]);
    let failure = Failure::new(FailureKind::Error, Some(1), "no root");
    let ended = vec![
        (DeliveryId(0), completed(1)),
        (DeliveryId(1), Evaluated::Failed(failure.clone())),
        (DeliveryId(99), completed(1)),
    ];
    let settled = settlements(on_evaluated(&mut state, ended, at(5)));
    match &settled[..] {
        [
            Settlement::Commit { outcome, .. },
            Settlement::Nack { failures: 1, failure: why, .. },
        ] => {
            assert_eq!((outcome.attempt, outcome.finished_at), (1, WallTime(5)));
            assert_eq!(*why, failure);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_kernels_panic_nacks_its_chunk_and_harms_no_other() {
    let mut state = state(2);
    received(&mut state, vec![fresh(0), fresh(1)]);
    received(&mut state, vec![fresh(2)]);
    let failure = Failure::new(FailureKind::Panic, None, "poison");
    let failed = SlotFailure { delivery: DeliveryId(0), failure };
    let effects = on_slot_lost(&mut state, SlotId(0), Some(&failed), at(0));
    assert!(matches!(&settlements(effects)[..], [Settlement::Nack { id: DeliveryId(0), .. }]));
    let effects = on_slot_opened(&mut state, SlotId(0), at(0));
    assert_eq!(assigned(&effects), [(0, vec![2])]);
}

#[test]
fn what_a_lost_slot_had_not_begun_is_assigned_again_in_order() {
    let mut state = state(1);
    received(&mut state, vec![fresh(0)]);
    // Chunks of a microsecond: the slot gets several at once.
    let mut tiny = completed(1);
    if let Evaluated::Completed { took, .. } = &mut tiny {
        *took = Duration::from_micros(1);
    }
    on_evaluated(&mut state, vec![(DeliveryId(0), tiny)], at(0));
    assert_eq!(requested(&received(&mut state, vec![])), Some(2));
    state.requested = Credit::new(4);
    let effects = received(&mut state, (1..5).map(fresh).collect());
    assert_eq!(assigned(&effects), [(0, vec![1, 2])]);
    let effects = on_slot_lost(&mut state, SlotId(0), None, at(0));
    let cancelled = effects.iter().filter(|e| matches!(e, Effect::Cancel(c) if c[0].is_set()));
    assert_eq!(cancelled.count(), 0, "cancelling is an effect");
    assert_eq!(settlements(effects), []);
    assert_eq!(assigned(&on_slot_opened(&mut state, SlotId(0), at(0))), [(0, vec![1, 2])]);
}

#[test]
fn a_chunk_that_was_silent_too_often_is_given_up_without_being_evaluated() {
    let mut state = state(1);
    let counters = Counters { silent_deliveries: 20, ..Counters::default() };
    let effects = received(&mut state, vec![delivery(3, "reference", counters)]);
    assert_eq!(assigned(&effects), []);
    match &settlements(effects)[..] {
        [Settlement::Commit { outcome, .. }] => {
            assert!(outcome.is_dead());
            let (_, why) = outcome.dead.runs().next().unwrap();
            assert_eq!(why.message, "20 deliveries ended without a word");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_last_attempt_is_told_to_the_slot() {
    let mut state = state(1);
    let counters = Counters { failures: 2, ..Counters::default() };
    let effects = received(&mut state, vec![delivery(0, "reference", counters)]);
    let last = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Assign(_, work) if work[0].limits.last_attempt));
    assert!(last);
}

#[test]
fn a_chunk_of_a_kernel_that_is_not_here_is_given_back_delayed() {
    let mut state = state(1);
    let effects = received(&mut state, vec![delivery(0, "elsewhere", Counters::default())]);
    match &settlements(effects)[..] {
        [Settlement::GiveBack { back, .. }] => assert_eq!(back.retry_in, FOREIGN_KERNEL_DELAY),
        other => panic!("{other:?}"),
    }
}

/// How many lost leases are counted and logged.
fn lost(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::LeaseLost(_))).count()
}

#[test]
fn a_lost_lease_is_told_once_cancels_and_settles_nothing_however_its_evaluation_ends() {
    let failure = Failure::new(FailureKind::Error, None, "no root");
    for ended in [Evaluated::Cancelled, Evaluated::Failed(failure)] {
        let mut state = state(1);
        received(&mut state, vec![fresh(0), fresh(1)]);
        let effects = on_leases_lost(&mut state, &[DeliveryId(0), DeliveryId(1)], at(0));
        let cancelled = effects.iter().any(|e| matches!(e, Effect::Cancel(c) if !c.is_empty()));
        assert!(cancelled);
        assert_eq!((lost(&effects), state.observe().in_flight), (2, 1), "one was not begun");
        let effects = on_evaluated(&mut state, vec![(DeliveryId(0), ended)], at(0));
        assert_eq!((lost(&effects), settlements(effects)), (0, vec![]));
        assert_eq!(state.observe().in_flight, 0);
    }
}

#[test]
fn a_lost_lease_is_told_once_and_settles_nothing_however_its_slot_ends() {
    let failure = Failure::new(FailureKind::Panic, None, "poison");
    let panicked = SlotFailure { delivery: DeliveryId(0), failure };
    for (failed, drains) in [(Some(panicked), false), (None, false), (None, true)] {
        let mut state = state(1);
        received(&mut state, vec![fresh(0)]);
        assert_eq!(lost(&on_leases_lost(&mut state, &[DeliveryId(0)], at(0))), 1);
        if drains {
            on_drain(&mut state, at(0));
        }
        let effects = on_slot_lost(&mut state, SlotId(0), failed.as_ref(), at(0));
        assert_eq!((lost(&effects), state.observe().in_flight), (0, 0));
        assert_eq!(settlements(effects), []);
        assert_eq!(assigned(&on_slot_opened(&mut state, SlotId(0), at(0))), []);
    }
}

#[test]
fn what_is_being_settled_is_not_lost_if_it_cannot_be_renewed_any_more() {
    let mut state = state(1);
    received(&mut state, vec![fresh(0)]);
    on_evaluated(&mut state, vec![(DeliveryId(0), completed(1))], at(0));
    assert_eq!(lost(&on_leases_lost(&mut state, &[DeliveryId(0)], at(0))), 0);
    on_settled(&mut state, vec![DeliveryId(0)], at(0));
    assert_eq!(lost(&on_leases_lost(&mut state, &[DeliveryId(0)], at(0))), 0);
}

#[test]
fn an_outcome_that_was_ready_when_its_lease_was_lost_is_committed() {
    let mut state = state(1);
    received(&mut state, vec![fresh(0)]);
    on_leases_lost(&mut state, &[DeliveryId(0)], at(0));
    let settled = settlements(on_evaluated(&mut state, vec![(DeliveryId(0), completed(1))], at(0)));
    assert!(matches!(&settled[..], [Settlement::Commit { .. }]));
}

#[test]
fn a_drain_gives_everything_back_uncharged_and_then_stops() {
    let mut state = state(1);
    received(&mut state, vec![fresh(0), fresh(1)]);
    let effects = on_drain(&mut state, at(0));
    assert!(!stops(&effects) && requested(&effects).is_none());
    let back = |id| Settlement::give_back(id, fresh(id.0).receipt, Duration::ZERO);
    assert_eq!(settlements(effects), [back(DeliveryId(1))]);
    let ended = vec![(DeliveryId(0), Evaluated::Cancelled)];
    let effects = on_evaluated(&mut state, ended, at(0));
    assert!(!stops(&effects), "given back is not settled");
    assert_eq!(settlements(effects), [back(DeliveryId(0))]);
    assert!(stops(&on_settled(&mut state, vec![DeliveryId(0), DeliveryId(1)], at(0))));
}

#[test]
fn what_a_receive_brings_after_the_drain_goes_straight_back() {
    let mut state = state(1);
    received(&mut state, vec![fresh(0)]);
    state.requested = Credit::new(1);
    on_drain(&mut state, at(0));
    let effects = received(&mut state, vec![fresh(1)]);
    let back = Settlement::give_back(DeliveryId(1), fresh(1).receipt, Duration::ZERO);
    assert_eq!(settlements(effects), [back]);
}

#[test]
fn a_drain_without_work_stops_at_once() {
    assert!(stops(&on_drain(&mut state(2), at(0))));
}

#[test]
fn a_failure_at_the_last_attempt_ends_the_chunk_however_it_is_reported() {
    let counters = Counters { failures: 2, ..Counters::default() };
    let failure = Failure::new(FailureKind::Panic, None, "poison");
    let buried = |effects| match &settlements(effects)[..] {
        [Settlement::Commit { outcome, .. }] => outcome.dead.count() == 1,
        other => panic!("{other:?}"),
    };
    let mut reported = state(1);
    received(&mut reported, vec![delivery(0, "reference", counters)]);
    let ended = vec![(DeliveryId(0), Evaluated::Failed(failure.clone()))];
    assert!(buried(on_evaluated(&mut reported, ended, at(0))));
    let mut lost = state(1);
    received(&mut lost, vec![delivery(0, "reference", counters)]);
    let failed = SlotFailure { delivery: DeliveryId(0), failure };
    assert!(buried(on_slot_lost(&mut lost, SlotId(0), Some(&failed), at(0))));
}
