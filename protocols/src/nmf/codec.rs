//! The encodings of [MC-NMF] 2.2.3.4: payload bytes to a message.

use crate::contract::Limits;
use crate::nbfse::{self, Dictionary, TableError};
use crate::soap::{self, Message, xml};

use super::anomaly;

/// How messages are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// 0, 3: UTF-8 text.
    Utf8,
    /// 1, 2, 4, 5: UTF-16 text, big-endian unless a mark says otherwise.
    Utf16 {
        /// Little-endian without a mark.
        little: bool,
    },
    /// 7: binary without an in-band dictionary.
    Binary,
    /// 8: binary with an in-band dictionary.
    BinarySession,
    /// MTOM (6), an extensible encoding, or one that does not exist: not decoded.
    Opaque,
}

/// Encodings by number: codec and name.
const KNOWN: [(Codec, &str); 9] = [
    (Codec::Utf8, "soap11_utf8"),
    (Codec::Utf16 { little: false }, "soap11_utf16"),
    (Codec::Utf16 { little: true }, "soap11_unicode_le"),
    (Codec::Utf8, "soap12_utf8"),
    (Codec::Utf16 { little: false }, "soap12_utf16"),
    (Codec::Utf16 { little: true }, "soap12_unicode_le"),
    (Codec::Opaque, "soap12_mtom"),
    (Codec::Binary, "binary"),
    (Codec::BinarySession, "binary_session"),
];

impl Codec {
    /// The codec of a known encoding, and its name.
    #[must_use]
    pub fn known(number: u8) -> Option<(Self, &'static str)> {
        KNOWN.get(usize::from(number)).copied()
    }
}

/// What a payload gave.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The message, as far as it goes.
    pub message: Option<Message>,
    /// What was wrong with it.
    pub anomaly: Option<&'static str>,
}

/// Decodes a payload; `whole` says whether it is all of the message, `wire_len` how long that is.
pub fn decode(codec: Codec, payload: &[u8], wire_len: u64, whole: bool, dictionary: &mut Dictionary, limits: &Limits) -> Decoded {
    match codec {
        Codec::Opaque => Decoded::default(),
        Codec::Utf8 => text(&String::from_utf8_lossy(payload), wire_len, whole, limits),
        Codec::Utf16 { little } => text(&utf16(payload, little), wire_len, whole, limits),
        Codec::Binary => binary(payload, wire_len, whole, dictionary, limits),
        Codec::BinarySession => {
            let table = match dictionary.read_table(payload, limits) {
                Ok(len) => len,
                Err(TableError::Limit) => {
                    let len = Dictionary::table_len(payload).unwrap_or(payload.len());
                    let decoded = binary(payload.get(len..).unwrap_or_default(), wire_len, whole, dictionary, limits);
                    return Decoded { anomaly: Some(anomaly::DICTIONARY_LIMIT), ..decoded };
                }
                Err(TableError::Short) if !whole => return Decoded::default(),
                Err(_) => return Decoded { message: None, anomaly: Some(anomaly::MALFORMED_MESSAGE) },
            };
            binary(payload.get(table..).unwrap_or_default(), wire_len, whole, dictionary, limits)
        }
    }
}

fn binary(bytes: &[u8], wire_len: u64, whole: bool, dictionary: &Dictionary, limits: &Limits) -> Decoded {
    let (document, malformed) = nbfse::read(bytes, dictionary, limits);
    let cut_short = whole && document.as_ref().is_err();
    let message = document.ok().map(|document| soap::message(document.root, wire_len, document.truncated || !whole));
    Decoded { message, anomaly: (malformed || cut_short).then_some(anomaly::MALFORMED_MESSAGE) }
}

fn text(text: &str, wire_len: u64, whole: bool, limits: &Limits) -> Decoded {
    match xml::parse(text, limits) {
        Ok(tree) => Decoded { message: Some(soap::message(tree.root, wire_len, tree.truncated || !whole)), anomaly: None },
        Err(xml::XmlError::Forbidden) => Decoded { message: None, anomaly: Some(anomaly::FORBIDDEN_XML) },
        Err(_) => Decoded { message: None, anomaly: whole.then_some(anomaly::MALFORMED_MESSAGE) },
    }
}

fn utf16(bytes: &[u8], little: bool) -> String {
    let (little, bytes) = match bytes {
        [0xff, 0xfe, rest @ ..] => (true, rest),
        [0xfe, 0xff, rest @ ..] => (false, rest),
        _ => (little, bytes),
    };
    let units = bytes.chunks_exact(2).map(|pair| {
        let pair = pair.first_chunk::<2>().copied().unwrap_or_default();
        if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
    });
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
