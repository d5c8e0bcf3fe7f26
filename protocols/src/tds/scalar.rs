//! Numbers, dates and times ([MS-TDS] 2.2.5.5.1), as SQL writes them.

use super::types::TypeInfo;
use super::value::Value;
use crate::cursor::Cursor;

/// Days from 0001-01-01 to 1900-01-01.
const DAYS_TO_1900: i64 = 693_595;

/// A value of fixed length; `None` is a length that the type does not have.
pub fn scalar(info: &TypeInfo, bytes: &[u8]) -> Option<Value> {
    Some(match (info.token, bytes.len()) {
        (0x1f, _) => Value::Null,
        (0x32 | 0x68, 1) => Value::Bool(bytes.first() != Some(&0)),
        (0x30 | 0x26, 1) => Value::Int(i64::from(*bytes.first()?)),
        (0x34 | 0x38 | 0x7f | 0x26, 2 | 4 | 8) => Value::Int(signed(bytes)?),
        (0x3b | 0x6d, 4) => Value::Scalar(f32::from_le_bytes(*bytes.first_chunk()?).to_string()),
        (0x3e | 0x6d, 8) => Value::Scalar(f64::from_le_bytes(*bytes.first_chunk()?).to_string()),
        (0x7a | 0x6e, 4) => Value::Scalar(decimal(i128::from(signed(bytes)?), 4)),
        // The high half comes first.
        (0x3c | 0x6e, 8) => {
            let (high, low) = (signed(bytes.get(..4)?)?, unsigned(bytes.get(4..)?)?);
            Value::Scalar(decimal((i128::from(high) << 32) | i128::try_from(low).ok()?, 4))
        }
        (0x37 | 0x3f | 0x6a | 0x6c, 2..=17) => {
            let (sign, magnitude) = bytes.split_first()?;
            let magnitude = i128::try_from(unsigned(magnitude)?).ok()?;
            Value::Scalar(decimal(if *sign == 0 { -magnitude } else { magnitude }, info.scale))
        }
        (0x24, 16) => Value::Scalar(guid(bytes)?),
        (0x3a | 0x6f, 4) => {
            let (days, minutes) = (unsigned(bytes.get(..2)?)?, unsigned(bytes.get(2..)?)?);
            let day = date(i64::try_from(days).ok()? + DAYS_TO_1900);
            Value::Scalar(format!("{day} {}", clock(minutes * 60, 0, 0)))
        }
        (0x3d | 0x6f, 8) => {
            let (days, ticks) = (signed(bytes.get(..4)?)?, unsigned(bytes.get(4..)?)?);
            let day = date(days + DAYS_TO_1900);
            Value::Scalar(format!("{day} {}", clock(ticks / 300, (ticks % 300) * 10 / 3, 3)))
        }
        (0x28, 3) => Value::Scalar(date(i64::try_from(unsigned(bytes)?).ok()?)),
        (0x29, 3..=5) => Value::Scalar(time(bytes, info.scale)?),
        (0x2a, 6..=8) => {
            let (of_day, day) = bytes.split_at_checked(bytes.len() - 3)?;
            Value::Scalar(format!("{} {}", date(i64::try_from(unsigned(day)?).ok()?), time(of_day, info.scale)?))
        }
        // In UTC, with the offset beside it.
        (0x2b, 8..=10) => {
            let (rest, offset) = bytes.split_at_checked(bytes.len() - 2)?;
            let (of_day, day) = rest.split_at_checked(rest.len() - 3)?;
            let (day, offset) = (date(i64::try_from(unsigned(day)?).ok()?), signed(offset)?);
            let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
            Value::Scalar(format!("{day} {}Z ({sign}{:02}:{:02})", time(of_day, info.scale)?, minutes / 60, minutes % 60))
        }
        _ => return None,
    })
}

fn signed(bytes: &[u8]) -> Option<i64> {
    Some(match bytes.len() {
        2 => i64::from(i16::from_le_bytes(*bytes.first_chunk()?)),
        4 => i64::from(i32::from_le_bytes(*bytes.first_chunk()?)),
        8 => i64::from_le_bytes(*bytes.first_chunk()?),
        _ => return None,
    })
}

fn unsigned(bytes: &[u8]) -> Option<u128> {
    (bytes.len() <= 16).then(|| bytes.iter().rev().fold(0, |value, &byte| (value << 8) | u128::from(byte)))
}

fn decimal(value: i128, scale: u8) -> String {
    let scale = usize::from(scale.min(38));
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at_checked(digits.len() - scale).unwrap_or((&digits, ""));
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

fn guid(bytes: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new(bytes);
    let (a, b, c) = (cursor.u32_le().ok()?, cursor.u16_le().ok()?, cursor.u16_le().ok()?);
    let (d, e) = (cursor.u16_be().ok()?, cursor.take(6).ok()?);
    Some(format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{}", data_encoding::HEXLOWER.encode(e)))
}

/// A day counted from 0001-01-01 in the Gregorian calendar.
fn date(days: i64) -> String {
    // Counted from 0000-03-01, so that a leap day ends its year.
    let days = days + 306;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn time(bytes: &[u8], scale: u8) -> Option<String> {
    let scale = scale.min(7);
    let unit = 10_u128.pow(u32::from(scale));
    let ticks = unsigned(bytes)?;
    Some(clock(ticks / unit, ticks % unit, scale))
}

fn clock(seconds: u128, part: u128, scale: u8) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let clock = format!("{hours:02}:{minutes:02}:{seconds:02}");
    if scale == 0 { clock } else { format!("{clock}.{part:0width$}", width = usize::from(scale)) }
}

#[cfg(test)]
mod tests {
    use super::super::types::{Layout, VARIANT};
    use super::super::value::decode;
    use super::*;

    fn of(token: u8, scale: u8, hex: &str) -> Value {
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        decode(&TypeInfo { token, layout: Layout::Byte, scale }, &bytes, 1_000)
    }

    fn text(text: &str) -> Value {
        Value::Scalar(text.to_owned())
    }

    #[test]
    fn values_are_written_as_sql_writes_them() {
        assert_eq!(of(0x26, 0, "ffffffff"), Value::Int(-1));
        assert_eq!(of(0x26, 0, "ff"), Value::Int(255));
        assert_eq!(of(0x68, 0, "01"), Value::Bool(true));
        assert_eq!(of(0x6c, 2, "01d2040000"), text("12.34"));
        assert_eq!(of(0x6a, 3, "0005000000"), text("-0.005"));
        assert_eq!(of(0x6e, 0, "0000000010270000"), text("1.0000"));
        assert_eq!(of(0x3d, 0, "0000000000000000"), text("1900-01-01 00:00:00.000"));
        assert_eq!(of(0x3a, 0, "00003c00"), text("1900-01-01 01:00:00"));
        assert_eq!(of(0x28, 0, "000000"), text("0001-01-01"));
        assert_eq!(of(0x28, 0, "dab937"), text("9999-12-31"));
        assert_eq!(of(0x29, 3, "e8030000"), text("00:00:01.000"));
        assert_eq!(of(0x2a, 0, "3c00005b950a"), text("1900-01-01 00:01:00"));
        assert_eq!(of(0x2b, 0, "3c00005b950ac4ff"), text("1900-01-01 00:01:00Z (-01:00)"));
        assert_eq!(of(0x24, 0, "000102030405060708090a0b0c0d0e0f"), text("03020100-0504-0706-0809-0a0b0c0d0e0f"));
        assert!(matches!(of(0x24, 0, "00"), Value::Binary { .. }));
    }

    #[test]
    fn a_variant_is_what_it_holds() {
        assert_eq!(of(VARIANT, 0, "3800ffffffff"), Value::Int(-1));
        assert_eq!(of(VARIANT, 0, "e7070904d00034401f6100"), Value::Text { text: "a".to_owned(), whole: true });
        assert_eq!(of(VARIANT, 0, "6c020a0201d2040000"), text("12.34"));
        // A variant in a variant is none.
        assert!(matches!(of(VARIANT, 0, "6200"), Value::Binary { .. }));
    }
}
