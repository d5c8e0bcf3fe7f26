//! What records say of something that was encrypted on the wire: the TLS session around it, and that it was opened.

use std::sync::Arc;

use backstop_types::Fields;

/// The session that something was found in.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// Suricata's `tls` object, if the handshake was told by then.
    pub tls: Option<Arc<Fields>>,
}

impl Opened {
    /// The `tls` object of something that may have been found in one.
    pub fn tls(opened: Option<&Self>) -> Option<&Fields> {
        opened.and_then(|opened| opened.tls.as_deref())
    }
}
