//! The service that a Kerberos token is for: AP-REQ (RFC 4120 §5.5.1) in a GSS-API token (RFC 4121 §4.1). Its client is
//! encrypted.

use crate::cursor::Cursor;
use crate::tds::text::narrow_name;

/// OID 1.2.840.113554.1.2.2 with its tag, and the token id of an AP-REQ.
const AP_REQ: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00";
/// What stands before it in SPNEGO (RFC 4178 §4.2.1) is not longer.
const MAX_ENVELOPE: usize = 512;
/// Parts of a name that are kept.
const MAX_PARTS: usize = 4;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const GENERAL_STRING: u8 = 0x1b;
const TICKET: u8 = 0x61;
const AP_REQ_TAG: u8 = 0x6e;

/// What a ticket says in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub realm: String,
    pub service: Vec<String>,
}

/// The ticket of a token.
pub fn find(token: &[u8]) -> Option<Ticket> {
    let head = token.get(..MAX_ENVELOPE + AP_REQ.len()).unwrap_or(token);
    let at = head.windows(AP_REQ.len()).position(|window| window == AP_REQ)?;
    let mut request = inside(&mut Cursor::new(token.get(at + AP_REQ.len()..)?), &[AP_REQ_TAG, SEQUENCE])?;
    // pvno, msg-type, ap-options
    for tag in [0xa0, 0xa1, 0xa2] {
        element(&mut request, tag)?;
    }
    let mut ticket = inside(&mut request, &[0xa3, TICKET, SEQUENCE])?;
    inside(&mut ticket, &[0xa0, INTEGER])?;
    let realm = narrow_name(inside(&mut ticket, &[0xa1, GENERAL_STRING])?.rest());
    let mut name = inside(&mut ticket, &[0xa2, SEQUENCE])?;
    element(&mut name, 0xa0)?;
    let mut parts = inside(&mut name, &[0xa1, SEQUENCE])?;
    let mut service = Vec::new();
    while service.len() < MAX_PARTS
        && let Some(part) = element(&mut parts, GENERAL_STRING)
    {
        service.push(narrow_name(part));
    }
    Some(Ticket { realm, service })
}

/// Elements within each other.
fn inside<'a>(cursor: &mut Cursor<'a>, tags: &[u8]) -> Option<Cursor<'a>> {
    let (first, rest) = tags.split_first()?;
    let mut inner = Cursor::new(element(cursor, *first)?);
    for tag in rest {
        inner = Cursor::new(element(&mut inner, *tag)?);
    }
    Some(inner)
}

/// The contents of the next element, as far as they are there (DER, X.690 §8.1).
fn element<'a>(cursor: &mut Cursor<'a>, tag: u8) -> Option<&'a [u8]> {
    if cursor.peek()? != tag {
        return None;
    }
    cursor.u8().ok()?;
    let first = cursor.u8().ok()?;
    let len = match first {
        0..=0x7f => usize::from(first),
        0x81..=0x83 => {
            let bytes = cursor.take(usize::from(first & 0x7f)).ok()?;
            bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte))
        }
        _ => return None,
    };
    // A token may be cut at a cap: the ticket's head is enough.
    let len = len.min(cursor.remaining());
    cursor.take(len).ok()
}
