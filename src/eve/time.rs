//! Time stamps as EVE writes them.

use std::fmt;

use backstop_types::PacketTime;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;

/// `2026-01-31T12:00:00.000000+0000`: microseconds, UTC, no colon in the offset.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp(pub PacketTime);

const LEN: usize = 31;

impl Timestamp {
    /// Digit by digit: a flow record has three of them, and formatted writing is felt there.
    fn text(self) -> [u8; LEN] {
        // 2^64 nanoseconds end in the year 2554: always in range.
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0.as_nanos())).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let mut text = *b"0000-00-00T00:00:00.000000+0000";
        let mut put = |from: usize, digits: usize, mut value: u32| {
            for at in text.get_mut(from..from + digits).unwrap_or_default().iter_mut().rev() {
                *at = b'0' + (value % 10) as u8;
                value /= 10;
            }
        };
        put(0, 4, time.year().unsigned_abs());
        put(5, 2, u32::from(u8::from(time.month())));
        put(8, 2, u32::from(time.day()));
        put(11, 2, u32::from(time.hour()));
        put(14, 2, u32::from(time.minute()));
        put(17, 2, u32::from(time.second()));
        put(20, 6, time.microsecond());
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.text()).unwrap_or_default())
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
