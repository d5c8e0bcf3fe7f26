//! What a value of a list is: it says so itself.

use std::net::IpAddr;

use ipnet::IpNet;

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

/// Reads a value. Brackets that keep people from clicking (`1[.]2`, `hxxp`) are taken out.
pub fn read(text: &str) -> Result<Value, Refusal> {
    let text = text.trim().replace("[.]", ".").replace("(.)", ".").replace("[:]", ":").replace("[://]", "://");
    let lower = text.to_ascii_lowercase();
    if let Some((_, rest)) = lower.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.rsplit_once(':').map_or(host, |(host, _)| host),
        };
        return read(host);
    }
    if let Ok(address) = lower.parse::<IpAddr>() {
        return if is_reserved(address) { Err(Refusal::TooBroad) } else { Ok(Value::Address(address)) };
    }
    if lower.contains('/') {
        let network = lower.parse::<IpNet>().map_err(|_| Refusal::Unknown)?.trunc();
        let least = if matches!(network, IpNet::V4(_)) { 8 } else { 16 };
        let broad = network.prefix_len() < least || is_reserved(network.network()) || is_reserved(network.broadcast());
        return if broad { Err(Refusal::TooBroad) } else { Ok(Value::Network(network)) };
    }
    if lower.bytes().all(|byte| byte.is_ascii_hexdigit())
        && let Some(sum) = sum(lower.as_bytes())
    {
        return Ok(sum);
    }
    name(&lower)
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

/// Addresses that nobody outside has (RFC 6890).
fn is_reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || first >= 224
                || first == 0
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => {
            let [first, ..] = v6.segments();
            v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
        }
    }
}
