//! What a value of a list is: it says so itself.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An address.
    Address(IpAddr),
    /// A network.
    Network(IpNet),
    /// A host name in lower case, and whether it stands for what is below it.
    Name(String, bool),
    /// MD5.
    Md5([u8; 16]),
    /// SHA-1.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

/// Why a value is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is nothing that is known.
    Unknown,
    /// It would match ordinary traffic: a private or reserved address, a very large network, a name without a dot.
    TooBroad,
}

/// Networks of which nobody outside has an address (RFC 6890). Those of documentation are not among them: exercises use them.
const RESERVED_V4: [Ipv4Net; 9] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 168, 0, 0], 16),
    // Multicast, class E, broadcast.
    v4([224, 0, 0, 0], 3),
];
const RESERVED_V6: [Ipv6Net; 4] = [v6(0, 96), v6(0xfc00, 7), v6(0xfe80, 10), v6(0xff00, 8)];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), prefix)
}

/// Digits without a dot from which on a value is a sum, whole or cut.
const SUM_LIKE: usize = 24;

/// Reads a value. What keeps people from clicking (`1[.]2`, `hxxp`) is taken out; of a URL, and of `host:port`, the host counts.
pub fn read(text: &str) -> Result<Value, Refusal> {
    let lower = refanged(text.trim()).to_ascii_lowercase();
    let host = match lower.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
            authority.rsplit('@').next().unwrap_or_default()
        }
        None => &lower,
    };
    if let Some(address) = address(host) {
        let address = address.to_canonical();
        return if is_reserved(address.into()) { Err(Refusal::TooBroad) } else { Ok(Value::Address(address)) };
    }
    if host.contains('/') {
        let network = host.parse::<IpNet>().map_err(|_| Refusal::Unknown)?.trunc();
        let least = if matches!(network, IpNet::V4(_)) { 8 } else { 16 };
        if network.prefix_len() < least || is_reserved(network) {
            return Err(Refusal::TooBroad);
        }
        let is_one = network.prefix_len() == network.max_prefix_len();
        return Ok(if is_one { Value::Address(network.addr()) } else { Value::Network(network) });
    }
    if host.len() == lower.len() && host.len() >= SUM_LIKE && host.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return sum(host.as_bytes()).ok_or(Refusal::Unknown);
    }
    name(without_port(host))
}

/// Writes dots, colons and the like as they are.
fn refanged(text: &str) -> Cow<'_, str> {
    const MARKS: [(&str, &str); 13] = [
        ("[.]", "."),
        ("(.)", "."),
        ("{.}", "."),
        ("[.", "."),
        (".]", "."),
        ("\\.", "."),
        ("[dot]", "."),
        ("(dot)", "."),
        ("{dot}", "."),
        ("[://]", "://"),
        ("[:]", ":"),
        ("(:)", ":"),
        ("[/]", "/"),
    ];
    if !text.contains(['[', '(', '{', '\\']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(MARKS.iter().fold(text.to_owned(), |text, (mark, plain)| text.replace(mark, plain)))
}

/// An address, with or without a port, in brackets where it is one of six.
fn address(host: &str) -> Option<IpAddr> {
    if let Some((inside, after)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return inside.parse().ok().map(IpAddr::V6).filter(|_| after.is_empty() || after.strip_prefix(':').is_some_and(is_port));
    }
    host.parse().ok().or_else(|| without_port(host).parse().ok().map(IpAddr::V4))
}

fn without_port(host: &str) -> &str {
    host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(host, _)| host)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && (text.is_empty() || text.parse::<u16>().is_ok())
}

fn sum(digits: &[u8]) -> Option<Value> {
    Some(match digits.len() {
        32 => Value::Md5(bytes(digits)?),
        40 => Value::Sha1(bytes(digits)?),
        64 => Value::Sha256(bytes(digits)?),
        _ => return None,
    })
}

/// The bytes of hexadecimal digits, exactly as many as wanted.
pub fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? * 16 + low?).ok()?;
    }
    Some(out)
}

fn name(text: &str) -> Result<Value, Refusal> {
    let below = text.strip_prefix("*.").or_else(|| text.strip_prefix('.'));
    let name = below.unwrap_or(text).trim_end_matches('.');
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii())
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(Refusal::Unknown);
    }
    if !name.contains('.') || name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(if name.contains('.') { Refusal::Unknown } else { Refusal::TooBroad });
    }
    Ok(Value::Name(name.to_owned(), below.is_some()))
}

/// Whether any of a network's addresses is one that nobody outside has.
fn is_reserved(network: IpNet) -> bool {
    match network {
        IpNet::V4(network) => RESERVED_V4.iter().any(|known| known.contains(&network) || network.contains(known)),
        IpNet::V6(network) => RESERVED_V6.iter().any(|known| known.contains(&network) || network.contains(known)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match read(text) {
            Ok(Value::Address(address)) => address.to_string(),
            Ok(Value::Network(network)) => network.to_string(),
            Ok(Value::Name(name, below)) => format!("{}{name}", if below { "*." } else { "" }),
            Ok(Value::Md5(_)) => "md5".to_owned(),
            Ok(Value::Sha1(_)) => "sha1".to_owned(),
            Ok(Value::Sha256(_)) => "sha256".to_owned(),
            Err(refusal) => format!("{refusal:?}"),
        }
    }

    #[test]
    fn values_as_feeds_write_them() {
        for (text, expected) in [
            ("198.51.100.7", "198.51.100.7"),
            ("198[.]51[.]100[.]7", "198.51.100.7"),
            ("198.51.100[.7", "198.51.100.7"),
            ("198.51.100.7:8443", "198.51.100.7"),
            ("198.51.100.7/32", "198.51.100.7"),
            ("198.51.100.9/24", "198.51.100.0/24"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("hxxps://[2001:db8::7]:443/a", "2001:db8::7"),
            ("hxxp[://]evil[.]example/a?b=c://d", "evil.example"),
            ("hxxp[:]//evil(dot)example:8080", "evil.example"),
            ("http://user:pass@evil.example\\@other.example/", "evil.example"),
            ("tcp://198.51.100.7:443", "198.51.100.7"),
            ("Evil.EXAMPLE.:443", "evil.example"),
            ("*.evil.example", "*.evil.example"),
            (".evil.example.", "*.evil.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("b\u{fc}cher.example", "b\u{fc}cher.example"),
            ("D41D8CD98F00B204E9800998ECF8427E", "md5"),
            ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha1"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for (text, expected) in [
            ("", "Unknown"),
            ("300.1.1.1", "Unknown"),
            ("198.51.100.7:99999", "Unknown"),
            ("198.51.100.0/33", "Unknown"),
            ("a@evil.example", "Unknown"),
            ("evil example", "Unknown"),
            ("a..example", "Unknown"),
            ("*.com", "TooBroad"),
            ("localhost", "TooBroad"),
            ("d41d8cd98f00b204e9800998ecf8427", "Unknown"),
            ("d41d8cd98f00b204e9800998ecf8427ed41d8cd98f00b204e9800998ecf8427e00", "Unknown"),
            ("http://", "Unknown"),
            // Networks with a private one in their middle.
            ("172.0.0.0/8", "TooBroad"),
            ("192.0.0.0/8", "TooBroad"),
            ("100.0.0.0/8", "TooBroad"),
            ("::/16", "TooBroad"),
            ("::ffff:10.0.0.1", "TooBroad"),
            ("255.255.255.255", "TooBroad"),
            ("http://192.168.1.1/a", "TooBroad"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
