//! Guarantee 4: order, cut and merge tree do not show.

use proptest::prelude::*;
use proptest::sample::Index;
use ttg_runtime::wire::encode;
use ttg_runtime::{Accumulator, Aggregate};

use super::{aggregate, value};

fn column() -> impl Strategy<Value = Vec<f64>> {
    // Beyond a few blocks of the accumulator.
    prop_oneof![prop::collection::vec(value(), 0..50), prop::collection::vec(-1e3..1e3, 0..1500),]
}

fn shuffled() -> impl Strategy<Value = (Vec<f64>, Vec<usize>)> {
    column().prop_flat_map(|column| {
        let order: Vec<usize> = (0..column.len()).collect();
        (Just(column), Just(order).prop_shuffle())
    })
}

/// Merges neighbours or strangers, two at a time, as `choices` say.
fn merge_all(mut parts: Vec<Aggregate>, choices: &[Index]) -> Aggregate {
    let mut choices = choices.iter().cycle();
    let mut choose = |parts: &mut Vec<Aggregate>| {
        let choice = choices.next().expect("a cycle").index(parts.len());
        parts.swap_remove(choice)
    };
    while parts.len() > 1 {
        let mut merged = choose(&mut parts);
        merged.merge(&choose(&mut parts));
        parts.push(merged);
    }
    parts.pop().unwrap_or_default()
}

proptest! {
    #[test]
    fn every_order_of_the_values_gives_the_same_bytes((column, order) in shuffled()) {
        let mut accumulator = Accumulator::new();
        for index in order {
            accumulator.add(index as u64, column[index]);
        }
        let one_by_one = accumulator.take();
        let in_order = aggregate(0, &column);
        prop_assert_eq!(&one_by_one, &in_order);
        prop_assert_eq!(encode(&one_by_one), encode(&in_order));
    }

    #[test]
    fn every_cut_and_every_merge_tree_gives_the_same_bytes(
        column in column(),
        cuts in prop::collection::vec(any::<Index>(), 0..20),
        choices in prop::collection::vec(any::<Index>(), 1..40),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(column.len() + 1)).collect();
        cuts.extend([0, column.len()]);
        cuts.sort_unstable();

        // One accumulator for all, as in a compute slot.
        let mut accumulator = Accumulator::new();
        let chunks = cuts.windows(2).map(|cut| {
            accumulator.add_slice(cut[0] as u64, &column[cut[0]..cut[1]]);
            accumulator.take()
        });
        let merged = merge_all(chunks.collect(), &choices);
        let whole = aggregate(0, &column);
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(encode(&merged), encode(&whole));
    }
}

#[test]
fn a_take_leaves_nothing_behind() {
    let mut accumulator = Accumulator::new();
    accumulator.add_slice(0, &[1e300, -3.0, 5e-324]);
    assert_eq!(accumulator.take().count(), 3);
    assert_eq!(accumulator.take(), Aggregate::default());
}

#[test]
fn what_cancels_leaves_no_trace() {
    let (large, small) = (aggregate(0, &[1e300, -1e300]), aggregate(2, &[1e-300, -1e-300]));
    let (mut ascending, mut descending) = (small.clone(), large.clone());
    ascending.merge(&large);
    descending.merge(&small);
    assert_eq!(ascending, descending);
    assert_eq!(encode(&ascending), encode(&descending));
}

#[test]
fn flushing_in_the_middle_of_a_column_changes_nothing() {
    const FLUSH: usize = 1 << 21;
    // The largest mantissa, so that one addition too many overflows its bin.
    let block = vec![f64::MAX; FLUSH / 2];
    for extra in [0, 1, 700] {
        let mut accumulator = Accumulator::new();
        for parameter in 0..extra {
            accumulator.add(parameter, f64::MAX);
        }
        accumulator.add_slice(extra, &block);
        accumulator.add_slice(extra + block.len() as u64, &block);
        let whole = accumulator.take();

        let mut merged = aggregate(0, &block[..usize::try_from(extra).unwrap()]);
        merged.merge(&aggregate(extra, &block));
        merged.merge(&aggregate(extra + block.len() as u64, &block));
        assert_eq!(whole, merged);
        assert_eq!(whole.mean(), Some(f64::MAX));
        assert_eq!(whole.variance(), Some(0.0));
    }
}
