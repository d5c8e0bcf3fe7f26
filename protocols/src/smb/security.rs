//! Who logs in: names in the tokens of a session setup (RFC 4178, [MS-NLMP], RFC 4120), never a challenge or a response.

use super::kerberos;
use crate::cursor::Cursor;
use crate::tds::ntlm;

/// What a token says of its sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `ntlm`, `kerberos`, `spnego`; nothing where there was no token.
    pub mechanism: Option<&'static str>,
    /// Domain of the user.
    pub domain: Option<String>,
    /// User.
    pub user: Option<String>,
    /// The client's machine as it calls itself.
    pub host: Option<String>,
    /// The client's system, `10.0 build 19041 rev 15`.
    pub version: Option<String>,
    /// Kerberos: realm of the service.
    pub realm: Option<String>,
    /// Kerberos: name of the service in its parts.
    pub service: Vec<String>,
}

impl Identity {
    /// It names somebody.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.user.is_some() || self.host.is_some() || self.realm.is_some()
    }

    /// What a later token says replaces what an earlier one did.
    pub(crate) fn learn(&mut self, other: &Self) {
        if other.is_known() || self.mechanism.is_none() {
            *self = other.clone();
        }
    }
}

/// Reads a token of the client.
pub fn parse(token: &[u8]) -> Identity {
    if token.is_empty() {
        return Identity::default();
    }
    let sspi = ntlm::parse(token);
    let mut identity = Identity {
        mechanism: Some(sspi.mechanism),
        domain: sspi.domain,
        user: sspi.user,
        host: sspi.workstation,
        ..Identity::default()
    };
    if sspi.mechanism == "ntlm" {
        identity.version = identity.is_known().then(|| version(token)).flatten();
    } else if let Some(ticket) = kerberos::find(token) {
        identity.mechanism = Some("kerberos");
        identity.realm = Some(ticket.realm);
        identity.service = ticket.service;
    }
    identity
}

/// The version in an AUTHENTICATE_MESSAGE ([MS-NLMP] 2.2.1.3, 2.2.2.10), if its flags say that there is one.
fn version(token: &[u8]) -> Option<String> {
    const SIGNATURE: &[u8] = b"NTLMSSP\0\x03";
    let head = token.get(..1_024).unwrap_or(token);
    let at = head.windows(SIGNATURE.len()).position(|window| window == SIGNATURE)?;
    let mut cursor = Cursor::new(token.get(at + 60..)?);
    if cursor.u32_le().ok()? & 0x0200_0000 == 0 {
        return None;
    }
    let (major, minor, build) = (cursor.u8().ok()?, cursor.u8().ok()?, cursor.u16_le().ok()?);
    cursor.take(3).ok()?;
    Some(format!("{major}.{minor} build {build} rev {}", cursor.u8().ok()?))
}
