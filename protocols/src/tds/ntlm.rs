//! Whom an SSPI token speaks for ([MS-NLMP] 2.2.1): names only, never a challenge or a response.

use super::text;
use crate::cursor::Cursor;

const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// A SPNEGO envelope in front of the signature is not longer (RFC 4178 §4.2).
const MAX_ENVELOPE: usize = 512;
/// OID 1.2.840.113554.1.2.2, and the one that Windows writes beside it.
const KERBEROS: [&[u8]; 2] =
    [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02], &[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02]];

/// What a token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sspi {
    /// `ntlm`, `kerberos`, `spnego`.
    pub mechanism: &'static str,
    /// Domain of the user.
    pub domain: Option<String>,
    /// User.
    pub user: Option<String>,
    /// The client's machine.
    pub workstation: Option<String>,
}

impl Sspi {
    /// `DOMAIN\user`.
    pub(crate) fn principal(&self) -> Option<String> {
        let user = self.user.as_ref()?;
        Some(self.domain.as_ref().map_or_else(|| user.clone(), |domain| format!("{domain}\\{user}")))
    }
}

/// Reads a token.
pub fn parse(token: &[u8]) -> Sspi {
    let head = token.get(..MAX_ENVELOPE + SIGNATURE.len()).unwrap_or(token);
    let Some(at) = head.windows(SIGNATURE.len()).position(|window| window == SIGNATURE) else {
        let kerberos = KERBEROS.iter().any(|oid| head.windows(oid.len()).any(|window| window == *oid));
        return Sspi { mechanism: if kerberos { "kerberos" } else { "spnego" }, ..Sspi::default() };
    };
    let message = token.get(at..).unwrap_or_default();
    let mut sspi = Sspi { mechanism: "ntlm", ..Sspi::default() };
    // [MS-NLMP] 2.2.1.3: AUTHENTICATE_MESSAGE.
    if number(message, 8) == Some(3) {
        let unicode = number(message, 60).is_none_or(|flags| flags & 1 != 0);
        sspi.domain = field(message, 28, unicode);
        sspi.user = field(message, 36, unicode);
        sspi.workstation = field(message, 44, unicode);
    }
    sspi
}

fn number(message: &[u8], at: usize) -> Option<u32> {
    Cursor::new(message.get(at..)?).u32_le().ok()
}

/// Length, allocated length, offset.
fn field(message: &[u8], at: usize, unicode: bool) -> Option<String> {
    let len = usize::from(Cursor::new(message.get(at..)?).u16_le().ok()?);
    let offset = number(message, at + 4)? as usize;
    let bytes = message.get(offset..offset.checked_add(len)?)?;
    let text = if unicode { text::name(bytes) } else { text::narrow_name(bytes) };
    (!text.is_empty()).then_some(text)
}
