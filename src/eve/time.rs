//! Time stamps as EVE writes them.

use std::fmt;

use backstop_types::PacketTime;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;

/// `2026-01-31T12:00:00.000000+0000`: microseconds, UTC, no colon in the offset.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp(pub PacketTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 2^64 nanoseconds end in the year 2554: always in range.
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0.as_nanos())).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second, micros) = (time.hour(), time.minute(), time.second(), time.microsecond());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+0000")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_has_no_colon_and_the_fraction_six_digits() {
        let shown = |nanos| Timestamp(PacketTime::from_nanos(nanos)).to_string();
        assert_eq!(shown(0), "1970-01-01T00:00:00.000000+0000");
        assert_eq!(shown(1_772_359_204_251_093_999), "2026-03-01T10:00:04.251093+0000");
        assert_eq!(shown(951_827_696_000_001_000), "2000-02-29T12:34:56.000001+0000");
        assert!(shown(u64::MAX).starts_with("2554-07-21T"));
    }
}
