//! The record of an aggregate: small, canonical, and not trusted.

use proptest::prelude::*;
use serde::Serialize;
use serde_bytes::ByteBuf;
use ttg_runtime::Aggregate;
use ttg_runtime::randomness::{Randomness, SeededRandomness};
use ttg_runtime::wire::{VERSION, decode, encode};

use super::{aggregate, value};

/// The fields of the record, as anybody may write them.
#[derive(Clone, Debug, Serialize)]
struct Foreign {
    n: u64,
    s: ByteBuf,
    q: ByteBuf,
    x: Option<(f64, u64, f64, u64)>,
}

fn foreign(n: u64, s: &[u8], q: &[u8], x: Option<(f64, u64, f64, u64)>) -> Foreign {
    let (s, q) = (ByteBuf::from(s), ByteBuf::from(q));
    Foreign { n, s, q, x }
}

/// Integers with a few digits anywhere, canonical or not.
fn integer() -> impl Strategy<Value = ByteBuf> {
    let digit = prop_oneof![Just(0), Just(1), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()];
    let digits = prop::collection::vec(digit, 0..12);
    let offset = prop_oneof![0..600_u16, any::<u16>()];
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..3),
        9 => (offset, digits).prop_map(|(offset, digits)| {
            let mut bytes = offset.to_le_bytes().to_vec();
            bytes.extend(digits);
            bytes
        }),
    ]
    .prop_map(ByteBuf::from)
}

fn claims() -> impl Strategy<Value = Foreign> {
    let extremes = (value(), any::<u64>(), value(), any::<u64>());
    let count = prop_oneof![0..3_u64, any::<u64>()];
    (count, integer(), integer(), prop::option::weighted(0.9, extremes))
        .prop_map(|(n, s, q, x)| Foreign { n, s, q, x })
}

/// All that a report asks; must not panic whatever was decoded.
fn report(aggregate: &Aggregate) {
    let floats = [aggregate.variance(), aggregate.stddev(), aggregate.mean()];
    assert!(floats.iter().flatten().all(|float| !float.is_nan()));
    assert!(!aggregate.sum().is_nan());
    let mut twice = aggregate.clone();
    twice.merge(aggregate);
    assert_eq!(twice.min(), aggregate.min());
}

proptest! {
    #[test]
    fn an_aggregate_survives_its_encoding(column in prop::collection::vec(value(), 0..20)) {
        let before = aggregate(5, &column);
        let after: Aggregate = decode(&encode(&before)).unwrap();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn a_record_is_refused_or_the_only_one_of_its_aggregate(claim in claims()) {
        let bytes = encode(&claim);
        if let Ok(aggregate) = decode::<Aggregate>(&bytes) {
            prop_assert_eq!(encode(&aggregate), bytes);
            report(&aggregate);
        }
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(
        garbage in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let bytes = [&[VERSION], &garbage[..]].concat();
        if let Ok(aggregate) = decode::<Aggregate>(&bytes) {
            report(&aggregate);
        }
    }

    #[test]
    fn a_damaged_record_is_never_a_panic(
        column in prop::collection::vec(value(), 0..20),
        place: prop::sample::Index,
        byte: u8,
    ) {
        let mut bytes = encode(&aggregate(5, &column));
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(aggregate) = decode::<Aggregate>(&bytes) {
            report(&aggregate);
        }
    }
}

#[test]
fn a_record_of_ordinary_values_takes_at_most_90_bytes() {
    let random = SeededRandomness::new(7);
    for length in [1, 100, 10_000] {
        let column: Vec<f64> = (0..length).map(|_| 1000.0 * random.fraction()).collect();
        let bytes = encode(&aggregate(123_456_789, &column)).len();
        assert!(bytes <= 90, "{length} values take {bytes} bytes");
    }
}

#[test]
fn a_reader_ignores_fields_that_it_does_not_know() {
    #[derive(Serialize)]
    struct Newer {
        cubes: Vec<u8>,
        #[serde(flatten)]
        known: Foreign,
    }
    let known = foreign(1, &[134, 0, 4], &[12, 1, 0x10], Some((1.0, 8, 1.0, 8)));
    let one = aggregate(8, &[1.0]);
    assert_eq!(encode(&known), encode(&one));
    let cubes = vec![1, 2, 3];
    assert_eq!(decode::<Aggregate>(&encode(&Newer { cubes, known })).unwrap(), one);
}

#[test]
fn what_no_column_has_is_refused() {
    let one = Some((1.0, 8, 1.0, 8));
    let refused = [
        ("values without extremes", foreign(1, &[134, 0, 4], &[12, 1, 16], None)),
        ("extremes without values", foreign(0, &[], &[], one)),
        ("a sum without values", foreign(0, &[134, 0, 4], &[], None)),
        ("squares without values", foreign(0, &[], &[12, 1, 16], None)),
        ("an offset without digits", foreign(1, &[0, 0], &[], one)),
        ("half an offset", foreign(1, &[9], &[], one)),
        ("a zero digit below", foreign(1, &[0, 0, 0, 1], &[], one)),
        ("a sign digit too many", foreign(1, &[0, 0, 1, 0], &[], one)),
        ("a minus digit too many", foreign(1, &[0, 0, 0x81, 0xff], &[], one)),
        ("a sum that is too wide", foreign(1, &[15, 1, 1], &[], one)),
        ("a sum that is wider still", foreign(1, &[0xff, 0xff, 1], &[], one)),
        ("squares that are too wide", foreign(1, &[], &[22, 2, 1], one)),
        ("negative squares", foreign(1, &[], &[0, 0, 0x81], one)),
        ("an infinite extreme", foreign(1, &[], &[], Some((1.0, 8, f64::INFINITY, 8)))),
        ("an extreme that is no number", foreign(1, &[], &[], Some((f64::NAN, 8, 1.0, 8)))),
        ("minus zero", foreign(1, &[], &[], Some((-0.0, 8, 0.0, 8)))),
        ("a minimum above the maximum", foreign(2, &[], &[], Some((2.0, 8, 1.0, 9)))),
    ];
    for (what, record) in refused {
        assert!(decode::<Aggregate>(&encode(&record)).is_err(), "{what} was accepted");
    }
    // The widest ones that are taken.
    let widest = foreign(1, &[14, 1, 1], &[20, 2, 1], one);
    assert!(decode::<Aggregate>(&encode(&widest)).is_ok());
}

#[test]
fn a_record_whose_moments_contradict_each_other_has_variance_zero() {
    let contradiction = foreign(1, &[200, 0, 1], &[], Some((1.0, 8, 1.0, 8)));
    let aggregate: Aggregate = decode(&encode(&contradiction)).unwrap();
    assert_eq!((aggregate.variance(), aggregate.stddev()), (Some(0.0), Some(0.0)));
}
