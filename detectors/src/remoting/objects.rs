//! Remote objects in requests: whether one leads a server to somewhere else.

use std::net::IpAddr;

use backstop_protocols::nrbf::{Address, Facts};

use super::deserialisation::Carried;
use crate::names::is_inside;

/// An address that leads away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// As it stood.
    pub uri: String,
    /// It is an address, not a name: nothing is guessed.
    pub certain: bool,
    /// It may be another address or name of the client, which wants to be called back: it lies inside, and stands as such a one does.
    pub of_client: bool,
}

/// The host of an absolute URI, as runtimes read it: without user and port.
pub fn host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.trim().split_once("://")?;
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(inside) = host.strip_prefix('[') {
        return inside.split(']').next().filter(|host| !host.is_empty());
    }
    host.split(':').next().filter(|host| !host.is_empty())
}

/// The addresses that lead away from both ends; nobody but a client that wants to be called back gives its
/// own address, and then with the object's type and channels, as an argument of a call.
pub fn foreign(facts: &Facts, carried: &Carried<'_>, home: &dyn Fn(IpAddr) -> bool) -> Vec<Foreign> {
    let in_call = facts.call.is_some() && !facts.object_first;
    facts.addresses.iter().filter_map(|address| leads_away(address, in_call, carried, home)).collect()
}

fn leads_away(address: &Address, in_call: bool, carried: &Carried<'_>, home: &dyn Fn(IpAddr) -> bool) -> Option<Foreign> {
    let (client, server) = (carried.sender, carried.reader);
    let scheme = address.uri.split("://").next().unwrap_or_default();
    // A pipe of the machine itself.
    if scheme.eq_ignore_ascii_case("ipc") {
        return None;
    }
    let host = host(&address.uri)?;
    let own = carried.uri.and_then(self::host);
    let callback = in_call && !address.bare;
    let of_client = |ip: IpAddr| ip == client && callback;
    let (away, certain, inside) = match host.parse::<IpAddr>() {
        Ok(ip) => {
            let ip = ip.to_canonical();
            let away = !(ip.is_loopback() || ip.is_unspecified() || ip == server.to_canonical() || of_client(ip));
            (away, true, home(ip))
        }
        Err(_) => {
            let same = own.is_some_and(|own| own.eq_ignore_ascii_case(host)) || host.eq_ignore_ascii_case("localhost");
            (!(same || callback && may_be_client(host, own)), false, is_inside(host))
        }
    };
    away.then(|| Foreign { uri: address.uri.clone(), certain, of_client: callback && inside })
}

/// A name that the machine of a client in the same domain may have: which address it has is not seen.
fn may_be_client(host: &str, server: Option<&str>) -> bool {
    match host.trim_end_matches('.').split_once('.') {
        None => true,
        Some((_, domain)) => server
            .and_then(|server| server.trim_end_matches('.').split_once('.'))
            .is_some_and(|(_, known)| known.eq_ignore_ascii_case(domain)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_runtimes_read_them() {
        for (uri, expected) in [
            ("tcp://10.0.0.1:8000/x", Some("10.0.0.1")),
            ("http://user:pw@evil.example:80/x", Some("evil.example")),
            ("https://good.example@evil.example", Some("evil.example")),
            ("https://evil.example\\@good.example/", Some("evil.example")),
            ("tcp://[2001:db8::1]:9/x", Some("2001:db8::1")),
            ("https://evil.example?good.example", Some("evil.example")),
            ("/guid/sink.rem", None),
            ("tcp://", None),
        ] {
            assert_eq!(host(uri), expected, "{uri}");
        }
    }
}
