//! The Certificate message (RFC 5246 §7.4.2, RFC 8446 §4.4.2) and what its leaf says (RFC 5280).

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::HEXLOWER;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509CertificateParser;
use x509_parser::extensions::{GeneralName, SubjectAlternativeName};
use x509_parser::nom::Parser as _;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use super::anomaly::{self, Defects};
use super::wire::{printable, u24, vector8, vector16, vector24};
use crate::cursor::Cursor;

/// Certificates of a chain that are looked at.
pub const MAX_CHAIN: usize = 8;
/// Bytes kept of a distinguished name or an alternative name.
pub const MAX_NAME: usize = 1_024;
/// Alternative names kept.
pub const MAX_ALT_NAMES: usize = 128;
/// Bytes of a serial number (RFC 5280 §4.1.2.2 allows 20).
const MAX_SERIAL: usize = 64;

/// What a certificate says of itself, in the words of Suricata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// `CN=…, O=…`, in the order of the certificate.
    pub subject: String,
    /// The same of the issuer.
    pub issuer: String,
    /// Upper case hex with colons.
    pub serial: String,
    /// `YYYY-MM-DDThh:mm:ss`, UTC.
    pub not_before: String,
    /// `YYYY-MM-DDThh:mm:ss`, UTC.
    pub not_after: String,
    /// SHA-1 of the DER, lower case hex with colons.
    pub fingerprint: String,
    /// DNS names, addresses, mail addresses and URIs.
    pub subject_alt_names: Vec<String>,
}

/// A chain as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The first certificate, if it parses.
    pub leaf: Option<Certificate>,
    /// SHA-256 of each certificate, lower case hex, leaf first.
    pub sha256: Vec<String>,
}

/// The body of a Certificate message; of one that was cut (`whole` false) the certificates that are complete.
pub fn parse_chain(body: &[u8], whole: bool, defects: &mut Defects) -> Chain {
    let mut chain = Chain::default();
    let mut cursor = Cursor::new(body);
    let list = match vector24(&mut cursor) {
        Ok(list) => list,
        Err(_) if !whole => {
            // What is there of the list, behind its length.
            body.get(3..).unwrap_or_default()
        }
        Err(_) => {
            defects.add(anomaly::MALFORMED_CERTIFICATE);
            return chain;
        }
    };
    if whole && !cursor.is_empty() {
        defects.add(anomaly::MALFORMED_CERTIFICATE);
    }
    fill(&mut chain, list, whole, false, defects);
    chain
}

/// The body of a Certificate message of TLS 1.3 (RFC 8446 §4.4.2).
pub fn parse_chain13(body: &[u8], defects: &mut Defects) -> Chain {
    let mut chain = Chain::default();
    let mut cursor = Cursor::new(body);
    match vector8(&mut cursor).and_then(|_context| vector24(&mut cursor)) {
        Ok(list) => fill(&mut chain, list, true, true, defects),
        Err(_) => drop(defects.add(anomaly::MALFORMED_CERTIFICATE)),
    }
    if !cursor.is_empty() {
        defects.add(anomaly::MALFORMED_CERTIFICATE);
    }
    chain
}

/// The certificates of a list; since TLS 1.3 each has extensions behind it.
fn fill(chain: &mut Chain, list: &[u8], whole: bool, extensions: bool, defects: &mut Defects) {
    let mut list = Cursor::new(list);
    while !list.is_empty() {
        let entry = vector24(&mut list).and_then(|der| if extensions { vector16(&mut list).map(|_| der) } else { Ok(der) });
        let Ok(der) = entry else {
            if whole {
                defects.add(anomaly::MALFORMED_CERTIFICATE);
            }
            break;
        };
        if chain.sha256.len() >= MAX_CHAIN {
            defects.add(anomaly::CHAIN_TOO_LONG);
            break;
        }
        if chain.sha256.is_empty() {
            chain.leaf = parse_leaf(der, defects);
        }
        chain.sha256.push(HEXLOWER.encode(&Sha256::digest(der)));
    }
}

/// The modulus of the first certificate of a message up to TLS 1.2, if its key is one of RSA: big-endian, without leading zeros.
pub fn rsa_modulus(body: &[u8]) -> Option<Vec<u8>> {
    let list = vector24(&mut Cursor::new(body)).ok()?;
    let der = vector24(&mut Cursor::new(list)).ok()?;
    let (_, parsed) = X509CertificateParser::new().with_deep_parse_extensions(false).parse(der).ok()?;
    let Ok(PublicKey::RSA(key)) = parsed.public_key().parsed() else { return None };
    let zeros = key.modulus.iter().take_while(|&&byte| byte == 0).count();
    key.modulus.get(zeros..).map(<[u8]>::to_vec)
}

/// The message carries at least one certificate. A client without one sends an empty list (RFC 5246 §7.4.6).
pub fn has_certificate(body: &[u8]) -> bool {
    u24(&mut Cursor::new(body)).is_ok_and(|len| len > 0)
}

/// The same of TLS 1.3, where a context stands in front.
pub fn has_certificate13(body: &[u8]) -> bool {
    let mut cursor = Cursor::new(body);
    vector8(&mut cursor).is_ok() && has_certificate(cursor.rest())
}

fn parse_leaf(der: &[u8], defects: &mut Defects) -> Option<Certificate> {
    // Extensions that nobody asks for are not parsed.
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    let Ok((rest, parsed)) = parser.parse(der) else {
        defects.add(anomaly::MALFORMED_CERTIFICATE);
        return None;
    };
    if !rest.is_empty() {
        defects.add(anomaly::MALFORMED_CERTIFICATE);
    }
    let serial = parsed.tbs_certificate.raw_serial();
    let validity = parsed.validity();
    Some(Certificate {
        subject: name(parsed.subject()),
        issuer: name(parsed.issuer()),
        serial: colons(serial.get(..MAX_SERIAL).unwrap_or(serial)).to_ascii_uppercase(),
        not_before: date(validity.not_before.timestamp()),
        not_after: date(validity.not_after.timestamp()),
        fingerprint: colons(&Sha1::digest(der)),
        subject_alt_names: alt_names(&parsed, defects),
    })
}

fn alt_names(parsed: &X509Certificate<'_>, defects: &mut Defects) -> Vec<String> {
    let Some(extension) = parsed.extensions().iter().find(|extension| extension.oid == OID_X509_EXT_SUBJECT_ALT_NAME) else {
        return Vec::new();
    };
    let Ok((_, names)) = SubjectAlternativeName::from_der(extension.value) else {
        defects.add(anomaly::MALFORMED_CERTIFICATE);
        return Vec::new();
    };
    names.general_names.iter().filter_map(alt_name).take(MAX_ALT_NAMES).collect()
}

fn alt_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some(printable(text.as_bytes(), MAX_NAME)).filter(|text| !text.is_empty())
        }
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => bytes.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).to_string()),
            16 => bytes.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// A distinguished name as x509-parser, and with it Suricata, writes it; values that are no text are kept as far as they are.
fn name(name: &X509Name<'_>) -> String {
    let text = name.to_string_with_registry(oid_registry()).unwrap_or_else(|_| {
        let attributes: Vec<String> = name
            .iter_attributes()
            .map(|attribute| {
                let kind = oid2abbrev(attribute.attr_type(), oid_registry())
                    .map_or_else(|_| format!("{:?}", attribute.attr_type()), str::to_owned);
                format!("{kind}={}", String::from_utf8_lossy(attribute.as_slice()))
            })
            .collect();
        attributes.join(", ")
    });
    printable(text.as_bytes(), MAX_NAME)
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Seconds since 1970 as `YYYY-MM-DDThh:mm:ss`; the days of the proleptic Gregorian calendar, years from March.
pub fn date(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}
