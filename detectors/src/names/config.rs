//! Names that detections look for.

/// Host names; each stands for its subdomains too.
#[derive(Clone, Debug)]
pub struct NamesConfig {
    /// Services that tell a host its address outside.
    pub address_services: Vec<String>,
    /// Services that take and give files without an account.
    pub file_drops: Vec<String>,
    /// Hosts that backup servers may fetch scripts and programs from.
    pub trusted_hosts: Vec<String>,
}

impl Default for NamesConfig {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            address_services: list(&[
                "myip.opendns.com",
                "o-o.myaddr.l.google.com",
                "o-o.myaddr.google.com",
                "whoami.akamai.net",
                "whoami.ds.akahelp.net",
                "whoami.ultradns.net",
                "myip.dnsomatic.com",
                "whoami.cloudflare",
                "api.ipify.org",
                "icanhazip.com",
                "ifconfig.me",
                "ifconfig.co",
                "ident.me",
                "ip-api.com",
                "ipinfo.io",
                "checkip.amazonaws.com",
                "checkip.dyndns.org",
                "wtfismyip.com",
                "api.my-ip.io",
                "api.myip.com",
                "api64.ipify.org",
                "ipecho.net",
                "myexternalip.com",
            ]),
            file_drops: list(&[
                "temp.sh",
                "transfer.sh",
                "file.io",
                "0x0.st",
                "gofile.io",
                "anonfiles.com",
                "bashupload.com",
                "catbox.moe",
                "dropmefiles.com",
                "filebin.net",
                "pixeldrain.com",
                "sendspace.com",
                "tmpfiles.org",
                "ufile.io",
            ]),
            trusted_hosts: list(&[
                "windowsupdate.com",
                "update.microsoft.com",
                "delivery.mp.microsoft.com",
                "download.microsoft.com",
                "download.visualstudio.microsoft.com",
                "officecdn.microsoft.com",
                "veeam.com",
            ]),
        }
    }
}

/// Whether a name is one of a list, or below one. Case and a dot at the end do not count.
#[must_use]
pub fn is_listed(name: &str, list: &[String]) -> bool {
    listed(name, list).is_some()
}

/// Top labels of names that are used inside (RFC 6762 appendix G, RFC 8375).
const INSIDE: [&str; 9] = ["local", "lan", "internal", "intranet", "corp", "home", "private", "localdomain", "arpa"];

/// Whether nobody can have a name outside: it has no domain, or ends with a label that is used inside only.
#[must_use]
pub fn is_inside(name: &str) -> bool {
    let top = name.trim_end_matches('.').rsplit_once('.').map(|(_, top)| top);
    top.is_none_or(|top| INSIDE.iter().any(|inside| top.eq_ignore_ascii_case(inside)))
}

/// The entry of a list that a name is, or lies below.
#[must_use]
pub fn listed<'a>(name: &str, list: &'a [String]) -> Option<&'a str> {
    let name = name.trim_end_matches('.').as_bytes();
    let is_it = |known: &str| {
        let known = known.trim_matches('.').as_bytes();
        let Some(at) = name.len().checked_sub(known.len()).filter(|_| !known.is_empty()) else { return false };
        let (before, end) = name.split_at_checked(at).unwrap_or_default();
        end.eq_ignore_ascii_case(known) && before.last().is_none_or(|last| *last == b'.')
    };
    list.iter().map(String::as_str).find(|known| is_it(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_what_is_below_it() {
        let list = ["temp.sh".to_owned()];
        for name in ["temp.sh", "TEMP.sh.", "up.temp.sh"] {
            assert!(is_listed(name, &list), "{name}");
        }
        for name in ["nottemp.sh", "temp.sh.example", "sh", "", "."] {
            assert!(!is_listed(name, &list), "{name}");
        }
    }
}
