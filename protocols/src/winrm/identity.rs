//! Who asks: the names in `Authorization` (RFC 7617, RFC 4559, [MS-WSMV] 2.2.9.1), never a password, challenge or response.

use crate::http::Head;
use crate::smb::{Identity, security};
use crate::veeam::value::{base64, base64_head};

/// Characters of a token that are looked at: a Kerberos ticket with many groups has some 64 KiB.
const MAX_TOKEN: usize = 96 * 1024;
/// Characters of a user's name.
const MAX_NAME: usize = 256;

/// What the field says of the client; `None` where there is none, or no name and no mechanism is in it.
pub fn of(head: &Head) -> Option<Identity> {
    let value = head.first("authorization")?;
    let text = String::from_utf8_lossy(value.get(..MAX_TOKEN).unwrap_or(value));
    let (scheme, token) = text.split_once([' ', '\t']).unwrap_or((&text, ""));
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "basic" => Some(basic(token)),
        "negotiate" | "ntlm" | "kerberos" => {
            let mut identity = security::parse(&decoded(token));
            if identity.mechanism.is_none() || (identity.mechanism == Some("spnego") && scheme == "kerberos") {
                identity.mechanism = Some(if scheme == "kerberos" { "kerberos" } else { "spnego" });
            }
            Some(identity)
        }
        // TLS inside the token hides the names ([MS-CSSP] 3.1.5).
        "credssp" => Some(Identity { mechanism: Some("credssp"), ..Identity::default() }),
        "digest" => Some(Identity { mechanism: Some("digest"), ..Identity::default() }),
        _ => None,
    }
}

/// The user before the colon. A text without one may be a password: nothing of it is kept.
fn basic(token: &str) -> Identity {
    let mut identity = Identity { mechanism: Some("basic"), ..Identity::default() };
    let plain = decoded(token);
    let Some(colon) = plain.iter().position(|byte| *byte == b':') else { return identity };
    let name: String = String::from_utf8_lossy(plain.get(..colon).unwrap_or_default())
        .chars()
        .take(MAX_NAME)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    match name.split_once('\\') {
        Some((domain, user)) => {
            identity.domain = Some(domain.to_owned());
            identity.user = Some(user.to_owned());
        }
        None => identity.user = Some(name).filter(|name| !name.is_empty()),
    }
    identity
}

/// A token as far as it is base64.
fn decoded(token: &str) -> Vec<u8> {
    base64(token).unwrap_or_else(|| base64_head(token))
}
