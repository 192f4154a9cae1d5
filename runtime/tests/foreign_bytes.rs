//! Bytes that this build did not write do no harm to whoever reads them: any bytes, and those of real
//! records gone astray. `tests/fuzz` goes on where this ends.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use ttg_runtime::foreign::{read_everything, samples};

/// One way in which bytes go astray.
#[derive(Debug, Clone)]
enum Spoil {
    Set(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Cut(Index),
    /// A part of them comes again.
    Again(Index, Index),
}

impl Spoil {
    fn any() -> impl Strategy<Value = Self> {
        // Marks of MessagePack beside any byte: what begins maps, arrays, numbers, and nothing.
        let byte = prop_oneof![
            any::<u8>(),
            select(vec![
                0x00, 0x7f, 0x80, 0x8f, 0x90, 0xc0, 0xc1, 0xc6, 0xca, 0xcf, 0xd9, 0xdd, 0xdf, 0xff
            ]),
        ];
        prop_oneof![
            4 => (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Self::Set(at, byte)),
            1 => any::<Index>().prop_map(Self::Remove),
            2 => (any::<Index>(), byte).prop_map(|(at, byte)| Self::Insert(at, byte)),
            1 => any::<Index>().prop_map(Self::Cut),
            1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Self::Again(from, to)),
        ]
    }

    fn spoil(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Set(at, byte) => *at.get_mut(bytes) = *byte,
            Self::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Again(from, to) => {
                let part = bytes[from.index(bytes.len())..].to_vec();
                let to = to.index(bytes.len());
                bytes.splice(to..to, part);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30_000))]

    #[test]
    fn of_any_content(bytes in vec(any::<u8>(), 0..600)) {
        read_everything(&bytes);
    }

    #[test]
    fn of_records_gone_astray(
        sample in any::<Index>(),
        spoils in vec(Spoil::any(), 1..6),
    ) {
        let mut bytes = sample.get(&samples()).clone();
        for spoil in spoils {
            spoil.spoil(&mut bytes);
        }
        read_everything(&bytes);
    }
}

#[test]
fn samples_are_what_they_should_be() {
    for sample in samples() {
        read_everything(&sample);
    }
}
