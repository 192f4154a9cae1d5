//! Tests of how suspects and chunks that hung are handled, apart for length.

use ttg_runtime::JobPolicy;

use super::super::hangs::on_tick;
use super::tests::{
    assigned, at, completed, counters, delivery, fresh, received, requested, settlements, state,
    stops,
};
use super::*;

fn suspect(index: u64) -> Delivery {
    let silent_deliveries = 1;
    Delivery { suspect: true, ..delivery(index, "reference", counters(0, silent_deliveries)) }
}

fn failed_by(index: u64, kind: FailureKind) -> Delivery {
    let mut delivery = delivery(index, "reference", counters(1, 0));
    delivery.chunk.last_failure = Some(Failure::new(kind, None, "before"));
    delivery
}

fn isolated(effects: &[Effect]) -> Vec<(u64, bool)> {
    let of = |effect: &Effect| match effect {
        Effect::Assign(_, work) => work.iter().map(|w| (w.id.0, w.isolated)).collect(),
        _ => vec![],
    };
    effects.iter().flat_map(of).collect()
}

/// Ticks every second, and returns what the last of them brings.
fn tick(state: &mut DispatcherState, seconds: std::ops::RangeInclusive<u64>) -> Vec<Effect> {
    seconds.map(|second| on_tick(state, at(second))).last().unwrap_or_default()
}

#[test]
fn a_suspect_is_evaluated_when_nothing_else_is_held() {
    let mut state = state(2);
    received(&mut state, vec![fresh(0)]);
    let effects = received(&mut state, vec![suspect(1)]);
    assert_eq!((assigned(&effects), requested(&effects)), (vec![], None), "0 is under way");
    let ended = vec![(DeliveryId(0), completed(1))];
    let effects = on_evaluated(&mut state, ended, at(1));
    assert_eq!(assigned(&effects), [], "its outcome is not stored");
    let effects = on_settled(&mut state, vec![DeliveryId(0)], at(1));
    assert_eq!((isolated(&effects), requested(&effects)), (vec![(1, true)], None));
    on_evaluated(&mut state, vec![(DeliveryId(1), completed(1))], at(2));
    let effects = on_settled(&mut state, vec![DeliveryId(1)], at(2));
    assert!(requested(&effects).is_some(), "work goes on");
}

#[test]
fn what_waits_beside_a_suspect_is_given_back_and_suspects_go_one_by_one() {
    let mut state = state(2);
    let effects = received(&mut state, vec![suspect(0), fresh(1)]);
    assert_eq!(isolated(&effects), [], "what is given back is still held");
    let returned = settlements(effects);
    assert!(
        matches!(&returned[..], [Settlement::GiveBack { id: DeliveryId(1), .. }]),
        "{returned:?}"
    );
    assert_eq!(isolated(&on_settled(&mut state, vec![DeliveryId(1)], at(0))), [(0, true)]);
    // A request that was on its way brings more.
    state.requested = Credit::new(2);
    let effects = received(&mut state, vec![suspect(2), fresh(3)]);
    assert_eq!(isolated(&effects), []);
    assert_eq!(settlements(effects).len(), 1);
    on_settled(&mut state, vec![DeliveryId(3)], at(0));
    on_evaluated(&mut state, vec![(DeliveryId(0), completed(1))], at(1));
    assert_eq!(isolated(&on_settled(&mut state, vec![DeliveryId(0)], at(1))), [(2, true)]);
}

#[test]
fn what_a_chunk_did_before_decides_where_it_is_evaluated() {
    let table = [
        (failed_by(0, FailureKind::Error), Manner::Shared),
        (failed_by(0, FailureKind::Panic), Manner::Shared),
        (failed_by(0, FailureKind::Timeout), Manner::Isolated),
        (failed_by(0, FailureKind::Killed), Manner::Alone),
        (delivery(0, "reference", counters(2, 0)), Manner::Isolated),
        (suspect(0), Manner::Alone),
        (fresh(0), Manner::Shared),
    ];
    for (delivery, expected) in table {
        assert_eq!(manner(&delivery), expected, "{delivery:?}");
    }
}

#[test]
fn a_worker_that_stood_still_blames_no_kernel_for_it() {
    let mut state = state(1);
    received(&mut state, vec![fresh(0)]);
    let timeout = JobPolicy::default().timeout.as_secs();
    let woken = 9 * timeout;
    assert_eq!(on_tick(&mut state, at(woken)).len(), 0, "its machine slept");
    assert_eq!(on_tick(&mut state, at(woken + 1)).len(), 0);
    let ticks = (woken + 2..).map(|second| on_tick(&mut state, at(second)).len());
    let noticed = ticks.take_while(|effects| *effects == 0).count() as u64;
    assert!((timeout - 3..timeout + 1).contains(&noticed), "{noticed}");
}

#[test]
fn a_kernel_that_does_not_come_back_is_given_up_and_its_job_isolated() {
    let mut state = state(1);
    received(&mut state, vec![fresh(0), fresh(1)]);
    let timeout = JobPolicy::default().timeout.as_secs();
    assert_eq!(tick(&mut state, 1..=timeout).len(), 0);
    let effects = on_tick(&mut state, at(timeout + 1));
    let [Effect::Abandon(SlotId(0), failed)] = &effects[..] else { panic!("one effect") };
    assert_eq!((failed.delivery, failed.failure.kind), (DeliveryId(0), FailureKind::Timeout));
    let effects = on_slot_lost(&mut state, SlotId(0), Some(failed), at(timeout + 1));
    let nacked = settlements(effects);
    assert!(matches!(&nacked[..], [Settlement::Nack { id: DeliveryId(0), .. }]), "{nacked:?}");
    let effects = on_slot_opened(&mut state, SlotId(0), at(timeout + 1));
    assert_eq!(isolated(&effects), [(1, true)], "though it was received before");
    on_evaluated(&mut state, vec![(DeliveryId(1), completed(1))], at(timeout + 1));
    on_settled(&mut state, vec![DeliveryId(0), DeliveryId(1)], at(timeout + 1));
    state.requested = Credit::new(1);
    assert_eq!(isolated(&received(&mut state, vec![fresh(2)])), [(2, true)]);
    let effects = tick(&mut state, timeout + 2..=2 * timeout + 2);
    let [Effect::AbandonUnlessAt(SlotId(0), failed)] = &effects[..] else { panic!("one effect") };
    assert_eq!(failed.delivery, DeliveryId(2), "a child is watched elsewhere, but has it begun?");
}

#[test]
fn a_slot_that_is_stuck_in_what_a_dispatcher_before_this_one_assigned_blames_no_job_of_this_one() {
    let mut state = state(1);
    received(&mut state, vec![fresh(0), fresh(1)]);
    let timeout = JobPolicy::default().timeout.as_secs();
    let effects = tick(&mut state, 1..=timeout + 1);
    let [Effect::Abandon(SlotId(0), failed)] = &effects[..] else { panic!("one effect") };
    let stuck_in = SlotFailure { delivery: DeliveryId(u64::MAX), ..failed.clone() };
    let effects = on_slot_lost(&mut state, SlotId(0), Some(&stuck_in), at(timeout + 1));
    assert_eq!(settlements(effects).len(), 0);
    let effects = on_slot_opened(&mut state, SlotId(0), at(timeout + 1));
    assert_eq!(isolated(&effects).first(), Some(&(0, false)));
}

#[test]
fn a_slot_that_goes_on_to_its_next_chunk_has_its_time_anew() {
    let mut state = state(1);
    received(&mut state, vec![fresh(0)]);
    let timeout = JobPolicy::default().timeout.as_secs();
    tick(&mut state, 1..=timeout - 1);
    received(&mut state, vec![fresh(1)]);
    let effects = on_evaluated(&mut state, vec![(DeliveryId(0), completed(1))], at(timeout));
    assert_eq!(assigned(&effects), [(0, vec![1])]);
    assert_eq!(tick(&mut state, timeout..=timeout + 1).len(), 0);
}

#[test]
fn a_drain_gives_suspects_back_too() {
    let mut state = state(1);
    received(&mut state, vec![fresh(0)]);
    received(&mut state, vec![suspect(1)]);
    assert_eq!(settlements(on_drain(&mut state, at(0))).len(), 1);
    on_evaluated(&mut state, vec![(DeliveryId(0), Evaluated::Cancelled)], at(0));
    assert!(stops(&on_settled(&mut state, vec![DeliveryId(0), DeliveryId(1)], at(0))));
}
