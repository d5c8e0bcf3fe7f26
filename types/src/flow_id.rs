//! Flow ids.

/// 51 bits that name a flow in every record about it.
///
/// Kept below 2^51 because many JSON readers lose precision above 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(u64);

impl FlowId {
    /// Keeps the low 51 bits of a hash.
    #[must_use]
    pub const fn from_hash(hash: u64) -> Self {
        Self(hash & 0x7_ffff_ffff_ffff)
    }

    /// The number as EVE writes it.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}
