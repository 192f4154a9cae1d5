//! A wide integer of which only the limbs that say something are kept.

use num_bigint::BigInt;

/// An integer in two's complement. Canonical: zero has no limb and offset 0; else the lowest limb
/// is not zero, and the highest one not a mere repetition of the sign below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fixed {
    /// How many zero limbs are left out below.
    offset: usize,
    /// From the lowest; the top bit of the last one is the sign.
    limbs: Vec<u64>,
}

impl Fixed {
    /// Adds `value` * 2^`position`.
    #[expect(clippy::cast_possible_truncation, reason = "cuts into limbs")]
    pub(super) fn add(&mut self, value: i128, position: usize) {
        let (offset, shift) = (position / 64, position % 64);
        let low = value.cast_unsigned() << shift;
        // In two steps, since 128 - `shift` may be 128.
        let high = value >> 64 >> (64 - shift);
        self.add_limbs(offset, &[low as u64, (low >> 64) as u64, high.cast_unsigned() as u64]);
    }

    /// Adds `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        if !other.limbs.is_empty() {
            self.add_limbs(other.offset, &other.limbs);
        }
    }

    pub(super) fn is_negative(&self) -> bool {
        top_sign(&self.limbs) != 0
    }

    pub(super) fn to_integer(&self) -> BigInt {
        BigInt::from_signed_bytes_le(&self.limb_bytes()) << (64 * self.offset)
    }

    /// The canonical bytes: none for zero, else how many zero bytes are left out below (16 bits,
    /// little endian) and the fewest bytes that hold the rest (two's complement, little endian).
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut digits = self.limb_bytes();
        while let [.., below, top] = digits[..]
            && top == (below.cast_signed() >> 7).cast_unsigned()
        {
            digits.pop();
        }
        let Some(zeros) = digits.iter().position(|&digit| digit != 0) else {
            return Vec::new();
        };
        let offset = u16::try_from(8 * self.offset + zeros).expect("positions stay below 2^13");
        let mut bytes = offset.to_le_bytes().to_vec();
        bytes.extend_from_slice(&digits[zeros..]);
        bytes
    }

    /// What [`Self::to_bytes`] made into `bytes`; `None` if it cannot have made them, or for an
    /// integer of more than `size_max` bytes.
    pub(super) fn from_bytes(bytes: &[u8], size_max: usize) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (offset, digits) = bytes.split_first_chunk()?;
        let offset = usize::from(u16::from_le_bytes(*offset));
        let &top = digits.last()?;
        if offset + digits.len() > size_max {
            return None;
        }
        let mut aligned = vec![0; offset % 8];
        aligned.extend_from_slice(digits);
        let sign = (top.cast_signed() >> 7).cast_unsigned();
        aligned.resize(aligned.len().next_multiple_of(8), sign);
        let limbs = aligned.as_chunks().0.iter();
        let mut integer = Self {
            offset: offset / 8,
            limbs: limbs.map(|&limb| u64::from_le_bytes(limb)).collect(),
        };
        integer.trim();
        (integer.to_bytes() == bytes).then_some(integer)
    }

    fn limb_bytes(&self) -> Vec<u8> {
        self.limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect()
    }

    /// Adds `limbs` (at least one) of an integer of which `offset` zero limbs are left out.
    fn add_limbs(&mut self, offset: usize, limbs: &[u64]) {
        if self.limbs.is_empty() {
            self.offset = offset;
        }
        let missing = self.offset.saturating_sub(offset);
        if missing > 0 {
            self.limbs.splice(..0, std::iter::repeat_n(0, missing));
            self.offset -= missing;
        }

        let start = offset - self.offset;
        let length = self.limbs.len().max(start + limbs.len());
        let (own_sign, sign) = (top_sign(&self.limbs), top_sign(limbs));
        self.limbs.resize(length, own_sign);

        let addends = limbs.iter().copied().chain(std::iter::repeat(sign));
        let mut carry = false;
        for (limb, addend) in self.limbs[start..].iter_mut().zip(addends) {
            (*limb, carry) = limb.carrying_add(addend, carry);
        }
        if own_sign == sign && top_sign(&self.limbs) != sign {
            self.limbs.push(sign);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while let [.., below, top] = self.limbs[..]
            && top == sign_of(below)
        {
            self.limbs.pop();
        }
        let zeros = self.limbs.iter().take_while(|&&limb| limb == 0).count();
        self.limbs.drain(..zeros);
        self.offset = if self.limbs.is_empty() { 0 } else { self.offset + zeros };
    }
}

/// The limb that may stand above `limb` without changing the integer.
fn sign_of(limb: u64) -> u64 {
    (limb.cast_signed() >> 63).cast_unsigned()
}

fn top_sign(limbs: &[u64]) -> u64 {
    limbs.last().copied().map_or(0, sign_of)
}
