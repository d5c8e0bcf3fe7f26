//! Text records ([MC-NBFX] 2.2.3): every value as the text that an XML reader would give.

use data_encoding::BASE64;

use super::Dictionary;
use super::names::dictionary_string;
use super::reader::Stop;
use crate::cursor::Cursor;

/// The value of a text record.
pub(super) enum Value<'a> {
    Text(String),
    /// Bytes, to be written as base64 together with their neighbours.
    Bytes(&'a [u8]),
    /// Items up to the end of the list follow.
    ListStart,
    ListEnd,
}

/// Whether a record type (its lowest bit aside) is a text record.
pub(super) const fn is_text(kind: u8) -> bool {
    matches!(kind & 0xfe, 0x80..=0xbc)
}

/// Reads the value of a text record; `kind` without its lowest bit.
pub(super) fn value<'a>(
    kind: u8,
    cursor: &mut Cursor<'a>,
    dictionary: &Dictionary,
    unknown: &mut bool,
) -> Result<Value<'a>, Stop> {
    let text = match kind {
        0x80 => "0".to_owned(),
        0x82 => "1".to_owned(),
        0x84 => "false".to_owned(),
        0x86 => "true".to_owned(),
        0x88 => cursor.u8()?.cast_signed().to_string(),
        0x8a => cursor.i16_le()?.to_string(),
        0x8c => cursor.i32_le()?.to_string(),
        0x8e => cursor.i64_le()?.to_string(),
        0x90 => float(f64::from(f32::from_le_bytes(cursor.array()?))),
        0x92 => float(f64::from_le_bytes(cursor.array()?)),
        0x94 => decimal(cursor.array()?),
        0x96 => date_time(cursor.u64_le()?),
        0x98 => return chars(cursor, Length::Bits8),
        0x9a => return chars(cursor, Length::Bits16),
        0x9c => return chars(cursor, Length::Bits32),
        0x9e => return Ok(Value::Bytes(counted(cursor, Length::Bits8)?)),
        0xa0 => return Ok(Value::Bytes(counted(cursor, Length::Bits16)?)),
        0xa2 => return Ok(Value::Bytes(counted(cursor, Length::Bits32)?)),
        0xa4 => return Ok(Value::ListStart),
        0xa6 => return Ok(Value::ListEnd),
        0xa8 => String::new(),
        0xaa => dictionary_string(cursor, dictionary, unknown)?,
        0xac => format!("urn:uuid:{}", uuid(cursor.array()?)),
        0xae => time_span(cursor.i64_le()?),
        0xb0 => uuid(cursor.array()?),
        0xb2 => cursor.u64_le()?.to_string(),
        0xb4 => if cursor.u8()? == 0 { "false" } else { "true" }.to_owned(),
        0xb6 => unicode(counted(cursor, Length::Bits8)?),
        0xb8 => unicode(counted(cursor, Length::Bits16)?),
        0xba => unicode(counted(cursor, Length::Bits32)?),
        0xbc => {
            let prefix = char::from(b'a' + cursor.u8()?.min(25));
            format!("{prefix}:{}", dictionary_string(cursor, dictionary, unknown)?)
        }
        _ => return Err(Stop::Malformed),
    };
    Ok(Value::Text(text))
}

enum Length {
    Bits8,
    Bits16,
    Bits32,
}

fn counted<'a>(cursor: &mut Cursor<'a>, length: Length) -> Result<&'a [u8], Stop> {
    let len = match length {
        Length::Bits8 => usize::from(cursor.u8()?),
        Length::Bits16 => usize::from(cursor.u16_le()?),
        // 2.2.3.16: a signed number, never below zero.
        Length::Bits32 => usize::try_from(cursor.i32_le()?).map_err(|_| Stop::Malformed)?,
    };
    // What is there of a text that is cut off counts: it may hold what matters.
    if len > cursor.remaining() {
        let there = cursor.take(cursor.remaining())?;
        return if there.is_empty() { Err(Stop::Short) } else { Err(Stop::Cut(there.len())) };
    }
    Ok(cursor.take(len)?)
}

fn chars<'a>(cursor: &mut Cursor<'a>, length: Length) -> Result<Value<'a>, Stop> {
    let bytes = counted(cursor, length)?;
    Ok(Value::Text(String::from_utf8_lossy(bytes).into_owned()))
}

pub(super) fn unicode(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| pair.first_chunk::<2>().map_or(0, |pair| u16::from_le_bytes(*pair)));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// The lexical form of XML Schema: `INF`, `-INF`, `NaN`.
fn float(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "INF" } else { "-INF" }.to_owned()
    } else {
        value.to_string()
    }
}

/// A .NET `Guid`: the first three fields little-endian.
fn uuid(bytes: [u8; 16]) -> String {
    let [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, e @ ..] = bytes;
    let tail: String = e.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{a3:02x}{a2:02x}{a1:02x}{a0:02x}-{b1:02x}{b0:02x}-{c1:02x}{c0:02x}-{d0:02x}{d1:02x}-{tail}")
}

/// 2.2.3.10 ([MS-OAUT] 2.2.26): reserved, scale, sign, high 32 bits, low 64 bits.
fn decimal(bytes: [u8; 16]) -> String {
    let [_, _, scale, sign, rest @ ..] = bytes;
    let high = rest.first_chunk::<4>().map_or(0, |word| u32::from_le_bytes(*word));
    let low = rest.last_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
    let digits = (u128::from(high) << 64 | u128::from(low)).to_string();
    let scale = usize::from(scale.min(28));
    let padded = if digits.len() <= scale { format!("{}{digits}", "0".repeat(scale + 1 - digits.len())) } else { digits };
    let (whole, fraction) = padded.split_at_checked(padded.len() - scale).unwrap_or((&padded, ""));
    let sign = if sign & 0x80 == 0 { "" } else { "-" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// 2.2.3.11: 62 bits of 100 ns since the year 1, two bits of zone (1: UTC).
fn date_time(value: u64) -> String {
    let ticks = value & 0x3fff_ffff_ffff_ffff;
    let zone = if value >> 62 == 1 { "Z" } else { "" };
    let (seconds, fraction) = (ticks / 10_000_000, ticks % 10_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:07}") };
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}{zone}", second / 3_600, second / 60 % 60, second % 60)
}

/// Days since 0001-01-01 as a date of the Gregorian calendar.
const fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, in eras of 400 years.
    let z = days + 306;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// 2.2.3.23: 100 ns, signed; written as an XML Schema duration.
fn time_span(ticks: i64) -> String {
    let sign = if ticks < 0 { "-" } else { "" };
    let ticks = ticks.unsigned_abs();
    let (seconds, fraction) = (ticks / 10_000_000, ticks % 10_000_000);
    let (days, hours, minutes, second) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:07}") };
    format!("{sign}P{days}DT{hours}H{minutes}M{second}{fraction}S")
}
