//! The columns of CSV, and the words for kinds of indicators, as feeds call them.

/// Names of columns, without what is no letter or digit.
const VALUES: [&str; 9] =
    ["value", "indicator", "ioc", "iocvalue", "observable", "indicatorvalue", "observablevalue", "artifact", "indicators"];
const KINDS: [&str; 7] = ["type", "indicatortype", "ioctype", "kind", "datatype", "observabletype", "indicatorkind"];
const NOTES: [&str; 9] = ["note", "notes", "comment", "comments", "description", "malware", "malwareprintable", "threat", "tags"];
const DATES: [&str; 9] =
    ["date", "firstseen", "firstseenutc", "created", "validfrom", "dateadded", "added", "createdat", "reported"];
const UNTIL: [&str; 3] = ["validuntil", "expiration", "expires"];
const CONFIDENCE: [&str; 2] = ["confidence", "confidencelevel"];

/// Words for kinds that are read; a row of another kind (a command line, a file name) is left out.
const WORDS: [&str; 14] =
    ["ip", "ips", "addr", "cidr", "net", "netblock", "network", "subnet", "host", "hosts", "fqdn", "uri", "hash", "sha"];
/// The same, also within a word.
const PARTS: [&str; 10] = ["ipv4", "ipv6", "ipaddr", "md5", "sha1", "sha256", "domain", "hostname", "url", "filehash"];
/// What has such a word in it and is something else.
const OTHERS: [&str; 10] = ["imphash", "ssdeep", "tlsh", "vhash", "authentihash", "pehash", "sha512", "sha384", "sha224", "mail"];
/// Names of columns of one kind.
const OF_ONE_KIND: [&str; 22] = [
    "ip",
    "ips",
    "ipaddress",
    "dstip",
    "destinationip",
    "ipv4",
    "ipv6",
    "address",
    "domain",
    "domains",
    "domainname",
    "host",
    "hostname",
    "fqdn",
    "url",
    "cidr",
    "md5",
    "sha1",
    "sha256",
    "md5hash",
    "sha1hash",
    "sha256hash",
];

/// Where things stand in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Columns with values: one, or one a kind.
    pub values: Vec<usize>,
    pub kind: Option<usize>,
    pub note: Option<usize>,
    pub date: Option<usize>,
    pub until: Option<usize>,
    pub confidence: Option<usize>,
    /// Between columns.
    pub delimiter: u8,
}

impl Columns {
    /// The columns of a header; nothing where it is none.
    pub fn of(header: &str) -> Option<Self> {
        let delimiter = [',', ';', '\t'].into_iter().find(|mark| header.contains(*mark)).unwrap_or(',');
        let names: Vec<String> = header.split(delimiter).map(squeezed).collect();
        let column = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let values = match column(&VALUES) {
            Some(value) => vec![value],
            // A column a kind. A value itself is no header: `md5.example` has a dot.
            None if header.contains('.') => Vec::new(),
            None => (0..).zip(&names).filter(|(_, name)| OF_ONE_KIND.contains(&name.as_str())).map(|(at, _)| at).collect(),
        };
        let kind = column(&KINDS).filter(|kind| !values.contains(kind));
        (!values.is_empty()).then(|| Self {
            values,
            kind,
            note: column(&NOTES),
            date: column(&DATES),
            until: column(&UNTIL),
            confidence: column(&CONFIDENCE),
            delimiter: u8::try_from(delimiter).unwrap_or(b','),
        })
    }
}

fn squeezed(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a word for a kind says that it is read.
pub fn is_known(kind: &str) -> bool {
    let lower = kind.to_ascii_lowercase();
    let squeezed = squeezed(kind);
    let has_word = |words: &[&str]| lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| words.contains(&word));
    let is_other = has_word(&["mac"]) || OTHERS.iter().any(|other| squeezed.contains(other));
    !is_other && (has_word(&WORDS) || PARTS.iter().any(|part| squeezed.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_as_feeds_call_them() {
        for kind in [
            "IP",
            "ip-dst",
            "ip:port",
            "ipv4-addr",
            "IPv4 Address",
            "domain",
            "domain-name",
            "Hostname",
            "FQDN",
            "url",
            "URI",
            "md5",
            "MD5_HASH",
            "SHA1",
            "sha-256",
            "SHA256",
            "FileHash-SHA256",
            "hash",
            "CIDR",
            "net",
            "host",
        ] {
            assert!(is_known(kind), "{kind}");
        }
        for kind in [
            "Command line",
            "filename",
            "mutex",
            "description",
            "script",
            "email-addr",
            "email",
            "imphash",
            "ssdeep",
            "sha512",
            "SHA-512",
            "mac-addr",
            "internal",
            "regkey",
            "user-agent",
            "port",
            "sharepoint",
            "file name",
        ] {
            assert!(!is_known(kind), "{kind}");
        }
    }

    #[test]
    fn headers_as_feeds_write_them() {
        let of = |header: &str| Columns::of(header).map(|columns| (columns.values, columns.kind, columns.note, columns.date));
        for (header, expected) in [
            ("type,value,note", (vec![1], Some(0), Some(2), None)),
            ("Indicator type,Value,Note", (vec![1], Some(0), Some(2), None)),
            ("Note;IOC;First Seen", (vec![1], None, Some(0), Some(2))),
            ("\"first_seen_utc\",\"dst_ip\",\"dst_port\",\"malware\"", (vec![1], None, Some(3), Some(0))),
            ("md5_hash,sha1_hash,sha256_hash,comment", (vec![0, 1, 2], None, Some(3), None)),
            ("ip", (vec![0], None, None, None)),
        ] {
            assert_eq!(of(header), Some(expected), "{header}");
        }
        for line in ["198.51.100.7,C2 server", "evil.example", "url.example, md5", "d41d8cd98f00b204e9800998ecf8427e,note", ""] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
