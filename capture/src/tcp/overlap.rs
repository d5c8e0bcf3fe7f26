//! How a receiver treats data that overlaps what it has queued behind a hole.

use super::seq::Place;

/// A receiver's rule for two segments that overlap behind a hole. Bytes already delivered never change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverlapPolicy {
    /// The queued copy stays, except where the new segment begins before it (as BSD).
    #[default]
    Windows,
    /// As Windows; also a new segment that begins at the same place and is longer.
    Linux,
    /// The rule of the BSDs.
    Bsd,
    /// The first copy always.
    First,
    /// The last copy always.
    Last,
    /// Linux before 2.6: the new one where it begins before, or equal and ends at or behind.
    OldLinux,
    /// The new one where it reaches the old end from an equal or earlier start, or starts and ends later.
    Solaris,
}

impl OverlapPolicy {
    /// All policies by their names in configuration.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("windows", Self::Windows),
        ("linux", Self::Linux),
        ("bsd", Self::Bsd),
        ("first", Self::First),
        ("last", Self::Last),
        ("old-linux", Self::OldLinux),
        ("solaris", Self::Solaris),
    ];

    /// A policy by its name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|&(_, policy)| policy)
    }

    /// Whether the bytes of a new segment replace those of a queued one where they overlap.
    pub(super) fn new_wins(self, new: (Place, Place), old: (Place, Place)) -> bool {
        let ((start, end), (old_start, old_end)) = (new, old);
        match self {
            Self::Windows | Self::Bsd => start < old_start,
            Self::Linux => start < old_start || (start == old_start && end > old_end),
            Self::First => false,
            Self::Last => true,
            Self::OldLinux => start < old_start || (start == old_start && end >= old_end),
            Self::Solaris => (start <= old_start && end >= old_end) || (start > old_start && end > old_end),
        }
    }
}
