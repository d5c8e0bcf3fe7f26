//! A message (RFC 1035 §4.1): header, questions, three sections of records.
//!
//! A reader of our own: what is whole is told even where something behind it is not, and a chain of pointers costs nothing.

use super::anomaly;
use super::name::{self, NameError};
use super::record::{Data, Record};

/// Bytes of a header.
pub const HEADER: usize = 12;
/// Records of one section that are decoded.
const MAX_RECORDS: usize = 64;
/// Questions that are decoded.
const MAX_QUESTIONS: usize = 16;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name.
    pub name: String,
    /// Its type.
    pub kind: u16,
    /// Its class.
    pub class: u16,
}

/// A message, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: u16,
    /// The second word of the header.
    pub flags: u16,
    /// Questions.
    pub questions: Vec<Question>,
    /// Answers, authorities, additionals.
    pub sections: [Vec<Record>; 3],
    /// What is wrong with it.
    pub faults: Vec<&'static str>,
}

impl Message {
    /// Reads a message; `None` where not even its header is there.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let header = Header::read(bytes)?;
        let mut message = Self { id: header.id, flags: header.flags, ..Self::default() };
        if header.flags & 0x40 != 0 {
            message.faults.push(anomaly::RESERVED_BIT);
        }
        match message.body(bytes, &header) {
            // Some old resolvers fill up with zeros.
            Ok(end) if bytes.iter().skip(end).any(|byte| *byte != 0) => message.faults.push(anomaly::TRAILING_BYTES),
            Ok(_) => {}
            Err(NameError::Bad) => message.faults.push(anomaly::BAD_NAME),
            // A truncated response may end anywhere (RFC 2181 §9).
            Err(NameError::Short) if header.flags & 0x0200 != 0 => {}
            Err(NameError::Short) => message.faults.push(anomaly::MALFORMED),
        }
        Some(message)
    }

    fn body(&mut self, bytes: &[u8], header: &Header) -> Result<usize, NameError> {
        let mut at = HEADER;
        for number in 0..header.counts[0] {
            if usize::from(number) < MAX_QUESTIONS {
                let (name, end) = name::read(bytes, at)?;
                let [kind, class] = words(bytes, end)?;
                self.questions.push(Question { name, kind, class });
            } else {
                self.limit();
            }
            at = name::skip(bytes, at)? + 4;
            if at > bytes.len() {
                return Err(NameError::Short);
            }
        }
        for (section, count) in header.counts.iter().skip(1).enumerate() {
            for number in 0..*count {
                at = self.record(bytes, at, section, usize::from(number) < MAX_RECORDS)?;
            }
        }
        Ok(at)
    }

    fn record(&mut self, bytes: &[u8], at: usize, section: usize, kept: bool) -> Result<usize, NameError> {
        let end = name::skip(bytes, at)?;
        let [kind, class] = words(bytes, end)?;
        let &[a, b, c, d, high, low] = bytes.get(end + 4..).and_then(<[u8]>::first_chunk::<6>).ok_or(NameError::Short)?;
        let (start, len) = (end + 10, usize::from(u16::from_be_bytes([high, low])));
        let data = bytes.get(start..start + len).ok_or(NameError::Short)?;
        if kept {
            let (name, _) = name::read(bytes, at)?;
            let ttl = u32::from_be_bytes([a, b, c, d]);
            let data = Data::read(kind, bytes, start, data)?;
            if let Some(records) = self.sections.get_mut(section) {
                records.push(Record { name, kind, class, ttl, data });
            }
        } else {
            self.limit();
        }
        Ok(start + len)
    }

    fn limit(&mut self) {
        if !self.faults.contains(&anomaly::RECORD_LIMIT) {
            self.faults.push(anomaly::RECORD_LIMIT);
        }
    }

    /// It is a response.
    #[must_use]
    pub const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }
}

/// The header.
pub struct Header {
    pub id: u16,
    pub flags: u16,
    pub counts: [u16; 4],
}

impl Header {
    /// From the first bytes of a message.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [id, flags] = words(bytes, 0).ok()?;
        let ([questions, answers], [authorities, additionals]) = (words(bytes, 4).ok()?, words(bytes, 8).ok()?);
        Some(Self { id, flags, counts: [questions, answers, authorities, additionals] })
    }
}

/// Two words.
pub fn words(bytes: &[u8], at: usize) -> Result<[u16; 2], NameError> {
    let &[a, b, c, d] = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or(NameError::Short)?;
    Ok([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
}
