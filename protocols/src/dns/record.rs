//! Resource records and what they hold, where it has a text.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::message::words;
use super::name::{self, NameError};

/// Bytes of a text that are kept.
const MAX_TEXT: usize = 1024;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Owner.
    pub name: String,
    /// Type.
    pub kind: u16,
    /// Class.
    pub class: u16,
    /// Seconds it may be kept.
    pub ttl: u32,
    /// What it holds.
    pub data: Data,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A (RFC 1035), AAAA (RFC 3596).
    Address(std::net::IpAddr),
    /// NS, CNAME, PTR, DNAME; MX without its preference.
    Name(String),
    /// TXT: its strings, joined.
    Text(String),
    /// SOA.
    Soa(Box<Soa>),
    /// SRV (RFC 2782).
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// Share among those of one priority.
        weight: u16,
        /// Port.
        port: u16,
        /// Host.
        name: String,
    },
    /// SSHFP (RFC 4255).
    Sshfp {
        /// Algorithm of the key.
        algorithm: u8,
        /// Algorithm of the hash.
        kind: u8,
        /// The hash, in hex with colons.
        fingerprint: String,
    },
    /// Anything else: its length.
    Other(usize),
}

/// Start of authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// Primary server.
    pub mname: String,
    /// Mailbox.
    pub rname: String,
    /// Serial, refresh, retry, expire, minimum.
    pub numbers: [u32; 5],
}

impl Data {
    /// `data` is the record's, at `start` in the message that its names may point into. Data that does not fit its type is
    /// told by its length.
    pub fn read(kind: u16, message: &[u8], start: usize, data: &[u8]) -> Result<Self, NameError> {
        let known = match (kind, data.len()) {
            (1, 4) => data.first_chunk::<4>().map(|address| Self::Address(Ipv4Addr::from(*address).into())),
            (28, 16) => data.first_chunk::<16>().map(|address| Self::Address(Ipv6Addr::from(*address).into())),
            (2 | 5 | 12 | 39, 1..) => Some(Self::Name(name::read(message, start)?.0)),
            (15, 3..) => Some(Self::Name(name::read(message, start + 2)?.0)),
            (16, _) => Some(Self::Text(strings(data))),
            (6, 22..) => Some(Self::Soa(Box::new(soa(message, start)?))),
            (33, 7..) => {
                let ([priority, weight], [_, port]) = (words(data, 0)?, words(data, 2)?);
                Some(Self::Srv { priority, weight, port, name: name::read(message, start + 6)?.0 })
            }
            (44, 3..=66) => data.split_first_chunk::<2>().map(|(&[algorithm, kind], hash)| Self::Sshfp {
                algorithm,
                kind,
                fingerprint: hash.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"),
            }),
            _ => None,
        };
        Ok(known.unwrap_or(Self::Other(data.len())))
    }
}

fn strings(mut data: &[u8]) -> String {
    let mut text = Vec::new();
    while let Some((&len, rest)) = data.split_first() {
        let (string, after) = rest.split_at_checked(usize::from(len)).unwrap_or((rest, &[]));
        text.extend_from_slice(string);
        data = after;
    }
    text.truncate(MAX_TEXT);
    String::from_utf8_lossy(&text).into_owned()
}

fn soa(message: &[u8], start: usize) -> Result<Soa, NameError> {
    let (mname, at) = name::read(message, start)?;
    let (rname, at) = name::read(message, at)?;
    let mut numbers = [0; 5];
    for (number, at) in numbers.iter_mut().zip((at..).step_by(4)) {
        let [high, low] = words(message, at)?;
        *number = u32::from(high) << 16 | u32::from(low);
    }
    Ok(Soa { mname, rname, numbers })
}

/// A type by IANA's name; unknown ones as `TYPEn` (RFC 3597 §5).
pub fn kind_name(kind: u16) -> String {
    let name = match kind {
        1 => "A",
        2 => "NS",
        3 => "MD",
        4 => "MF",
        5 => "CNAME",
        6 => "SOA",
        7 => "MB",
        8 => "MG",
        9 => "MR",
        10 => "NULL",
        11 => "WKS",
        12 => "PTR",
        13 => "HINFO",
        14 => "MINFO",
        15 => "MX",
        16 => "TXT",
        17 => "RP",
        18 => "AFSDB",
        24 => "SIG",
        25 => "KEY",
        28 => "AAAA",
        29 => "LOC",
        33 => "SRV",
        35 => "NAPTR",
        37 => "CERT",
        39 => "DNAME",
        41 => "OPT",
        43 => "DS",
        44 => "SSHFP",
        45 => "IPSECKEY",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        49 => "DHCID",
        50 => "NSEC3",
        51 => "NSEC3PARAM",
        52 => "TLSA",
        59 => "CDS",
        60 => "CDNSKEY",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        253 => "MAILB",
        254 => "MAILA",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        other => return format!("TYPE{other}"),
    };
    name.to_owned()
}

/// A response code by IANA's name.
pub fn code_name(code: u16) -> String {
    let name = match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        other => return other.to_string(),
    };
    name.to_owned()
}
