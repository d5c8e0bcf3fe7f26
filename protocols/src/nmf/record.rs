//! Framing records ([MC-NMF] 2.2.3), read with nom: a record that is not whole says exactly how many bytes it needs.

use nom::bytes::streaming::take;
use nom::number::streaming::u8 as byte;
use nom::{Err, IResult, Needed, Parser as _};

/// Bytes of a Via, an encoding or upgrade name, or a fault at most.
const MAX_STRING: u32 = 64 * 1024;

/// A record. Of an envelope only the size: its payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// 2.2.3.1: major and minor version.
    Version(u8, u8),
    /// 2.2.3.2.
    Mode(u8),
    /// 2.2.3.3.
    Via(&'a [u8]),
    /// 2.2.3.4.1.
    KnownEncoding(u8),
    /// 2.2.3.4.2.
    ExtensibleEncoding(&'a [u8]),
    /// 2.2.4.1: chunks follow.
    UnsizedEnvelope,
    /// 2.2.4.2: payload bytes.
    SizedEnvelope(u32),
    /// 2.2.3.9.
    End,
    /// 2.2.3.10.
    Fault(&'a [u8]),
    /// 2.2.3.5.
    UpgradeRequest(&'a [u8]),
    /// 2.2.3.6.
    UpgradeResponse,
    /// 2.2.3.8.
    PreambleAck,
    /// 2.2.3.7.
    PreambleEnd,
}

/// Why there is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// So many bytes are needed, from the first of the record.
    Need(usize),
    /// No such type.
    UnknownType,
    /// A size of more than 31 bits.
    BadSize,
    /// A text longer than any may be.
    TooLong,
}

/// A size ([MC-NMF] 2.2.2.1): seven bits a byte, the lowest first, 31 bits.
fn size(input: &[u8]) -> IResult<&[u8], u32> {
    let mut rest = input;
    let mut value = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let (after, octet) = byte(rest)?;
        if shift == 28 && octet > 0x07 {
            break;
        }
        value |= u32::from(octet & 0x7f) << shift;
        rest = after;
        if octet & 0x80 == 0 {
            return Ok((rest, value));
        }
    }
    Err(Err::Failure(nom::error::Error::new(input, nom::error::ErrorKind::TooLarge)))
}

fn text(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let (rest, len) = size(input)?;
    if len > MAX_STRING {
        return Err(Err::Failure(nom::error::Error::new(input, nom::error::ErrorKind::LengthValue)));
    }
    take(len).parse(rest)
}

fn record(input: &[u8]) -> IResult<&[u8], Record<'_>> {
    let (rest, kind) = byte(input)?;
    match kind {
        0x00 => (byte, byte).map(|(major, minor)| Record::Version(major, minor)).parse(rest),
        0x01 => byte.map(Record::Mode).parse(rest),
        0x02 => text.map(Record::Via).parse(rest),
        0x03 => byte.map(Record::KnownEncoding).parse(rest),
        0x04 => text.map(Record::ExtensibleEncoding).parse(rest),
        0x05 => Ok((rest, Record::UnsizedEnvelope)),
        0x06 => size.map(Record::SizedEnvelope).parse(rest),
        0x07 => Ok((rest, Record::End)),
        0x08 => text.map(Record::Fault).parse(rest),
        0x09 => text.map(Record::UpgradeRequest).parse(rest),
        0x0a => Ok((rest, Record::UpgradeResponse)),
        0x0b => Ok((rest, Record::PreambleAck)),
        0x0c => Ok((rest, Record::PreambleEnd)),
        _ => Err(Err::Failure(nom::error::Error::new(input, nom::error::ErrorKind::Tag))),
    }
}

fn whole<'a, T>(input: &'a [u8], parsed: IResult<&'a [u8], T>) -> Result<(T, usize), RecordError> {
    match parsed {
        Ok((rest, value)) => Ok((value, input.len() - rest.len())),
        Err(Err::Incomplete(Needed::Size(more))) => Err(RecordError::Need(input.len() + more.get())),
        Err(Err::Incomplete(Needed::Unknown)) => Err(RecordError::Need(input.len() + 1)),
        Err(Err::Error(error) | Err::Failure(error)) => Err(match error.code {
            nom::error::ErrorKind::TooLarge => RecordError::BadSize,
            nom::error::ErrorKind::LengthValue => RecordError::TooLong,
            _ => RecordError::UnknownType,
        }),
    }
}

/// Reads the record at the front: it and the bytes it takes.
///
/// # Errors
/// It is not whole, or is none.
pub fn parse(input: &[u8]) -> Result<(Record<'_>, usize), RecordError> {
    whole(input, record(input))
}

/// Reads the size of a chunk of an unsized envelope ([MC-NMF] 2.2.4.1).
///
/// # Errors
/// It is not whole, or too large.
pub fn chunk_size(input: &[u8]) -> Result<(u32, usize), RecordError> {
    whole(input, size(input))
}
