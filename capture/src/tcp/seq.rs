//! Sequence numbers as places in an unbounded stream (RFC 9293 §3.4): arithmetic that cannot wrap by accident.

/// A place in the sequence space of one direction, unwrapped. The first known byte is at [`Place::ORIGIN`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(i64);

impl Place {
    /// Where counting begins. Places before it are negative.
    pub const ORIGIN: Self = Self(0);

    /// Behind every place that can be reached.
    pub const NEVER: Self = Self(i64::MAX / 2);
    /// Before every place that can be reached.
    pub const NOWHERE: Self = Self(i64::MIN / 2);

    /// The place of a sequence number near a known one: at most 2^31 bytes before or behind.
    pub fn near(known: Self, known_seq: u32, seq: u32) -> Self {
        Self(known.0 + i64::from(seq.wrapping_sub(known_seq).cast_signed()))
    }

    /// This place plus some bytes.
    pub const fn plus(self, len: usize) -> Self {
        Self(self.0 + len as i64)
    }

    /// This place minus some bytes.
    pub const fn minus(self, len: usize) -> Self {
        Self(self.0 - len as i64)
    }

    /// Bytes from `earlier` to here; 0 where that is behind.
    pub fn since(self, earlier: Self) -> usize {
        usize::try_from(self.0 - earlier.0).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_number_is_behind() {
        let known = Place::ORIGIN.plus(10);
        assert_eq!(Place::near(known, u32::MAX, 5), known.plus(6));
        assert_eq!(Place::near(known, 5, u32::MAX), known.minus(6));
    }
}
