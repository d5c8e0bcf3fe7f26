//! What a TLS session says.

use std::borrow::Cow;

use backstop_types::{Direction, Fields, PerDirection};

use super::certificate::{Certificate, Chain};
use super::hello::{ClientHello, ServerHello};
use super::ja3::Ja3;
use super::suites::suite_name;

/// Sizes of application records kept a direction.
pub const MAX_SIZES: usize = 32;
/// TLS 1.3.
pub const TLS13: u16 = 0x0304;

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A hello was seen, the first of this session.
    Hello,
    /// All that is in the clear was seen, or will not be any more; in TLS 1.3 with keys at hand, also the server's encrypted
    /// flight. Told once, and only after a hello.
    Handshake,
    /// A record of application data began in this direction, and is counted; its size is the last one kept. Told for the first
    /// [`MAX_SIZES`] of a direction and for the one behind them, so that both directions can be put in their order.
    Record(Direction),
    /// The session is over: the counts are final. Told once.
    End,
}

/// A stage of a session.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// How far the session is.
    pub stage: Stage,
    /// What is known of it by now.
    pub facts: &'a Facts,
}

/// An alert in the clear (RFC 8446 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Who sent it.
    pub direction: Direction,
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// Description, for example 48 `unknown_ca`.
    pub description: u8,
}

/// Where the keys of a session came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A key log.
    KeyLog,
    /// The private key of the server.
    RsaKey,
}

impl KeySource {
    /// A stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyLog => "key_log",
            Self::RsaKey => "rsa_key",
        }
    }
}

/// Why a session, or a part of it, was not opened. The names are stable.
pub mod why_not {
    /// No keys were given, or none of this session.
    pub const NO_KEYS: &str = "no_keys";
    /// The handshake, or one side of it, was not seen.
    pub const MIDSTREAM: &str = "midstream";
    /// RC4, 3DES, no encryption, or a suite that nobody here knows.
    pub const UNSUPPORTED_CIPHER: &str = "unsupported_cipher";
    /// SSL 3.0, or a version that nobody here knows.
    pub const UNSUPPORTED_VERSION: &str = "unsupported_version";
    /// TLS compression.
    pub const UNSUPPORTED_COMPRESSION: &str = "unsupported_compression";
    /// More waited than the cap before keys came.
    pub const KEYS_TOO_LATE: &str = "keys_too_late";
    /// Sessions without keys waited for them everywhere, and there was no room for one more.
    pub const TOO_MANY_WAIT: &str = "too_many_wait";
    /// It needed the private key when that was used too often already.
    pub const RSA_BUDGET: &str = "rsa_budget";
    /// The keys are those of another session.
    pub const WRONG_KEYS: &str = "wrong_keys";
    /// A record did not authenticate.
    pub const BAD_RECORD_MAC: &str = "bad_record_mac";
    /// Bytes are missing.
    pub const GAP: &str = "gap";
    /// A session that was taken up again, of which the first handshake was not seen or not opened.
    pub const RESUMED_UNKNOWN: &str = "resumed_unknown";
    /// Only private keys were given, and they do not open (EC)DHE.
    pub const DHE_NEEDS_KEY_LOG: &str = "dhe_needs_key_log";
    /// A second handshake inside the session changed the keys.
    pub const RENEGOTIATED: &str = "renegotiated";
    /// A message that has no place there changed the keys.
    pub const UNEXPECTED_MESSAGE: &str = "unexpected_message";
    /// The buffer is configured to be smaller than a record.
    pub const RECORD_ABOVE_BUFFER: &str = "record_above_buffer";
}

/// Records of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Records of any type.
    pub records: u64,
    /// Bytes of their fragments.
    pub bytes: u64,
    /// Records of application data. In TLS 1.3 the encrypted part of the handshake is among them (RFC 8446 §5.2).
    pub application_records: u64,
    /// Bytes of their fragments.
    pub application_bytes: u64,
    /// Fragment lengths of the first [`MAX_SIZES`] of them.
    pub application_sizes: Vec<u16>,
    /// Encrypted records of another type: Finished, tickets, renegotiations, alerts.
    pub encrypted_others: u64,
    /// Encrypted alerts among these.
    pub encrypted_alerts: u64,
    /// Alerts in the clear.
    pub clear_alerts: u64,
    /// Bytes are missing, or were passed over: there may be facts that nobody saw, and the counts are too low.
    pub incomplete: bool,
}

/// What is known of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The direction in which the client sends, once a hello told.
    pub client: Option<Direction>,
    /// The first ClientHello.
    pub client_hello: Option<ClientHello>,
    /// The ServerHello that counts.
    pub server_hello: Option<ServerHello>,
    /// The server asked for another ClientHello (RFC 8446 §4.1.4).
    pub retried: bool,
    /// JA3 of the client.
    pub ja3: Option<Ja3>,
    /// JA3S of the server.
    pub ja3s: Option<Ja3>,
    /// JA4 of the client.
    pub ja4: Option<String>,
    /// Certificates of the server; in TLS 1.3 only of a session that was opened.
    pub chain: Chain,
    /// The client sent a certificate of its own; in TLS 1.3 only of a session that was opened.
    pub client_certificate: bool,
    /// An abbreviated handshake up to TLS 1.2 (RFC 5246 §7.3, RFC 5077 §3.1).
    pub resumed: bool,
    /// The first fatal alert in the clear, that is before the handshake was finished.
    pub fatal_alert: Option<Alert>,
    /// Encrypted records were opened.
    pub decrypted: bool,
    /// Where the keys came from, once there are some.
    pub key_source: Option<KeySource>,
    /// The first reason for which something was not opened, see [`why_not`]. Some of the session may have been.
    pub why_not: Option<&'static str>,
    /// Records of early data (RFC 8446 §4.2.10): counted, never opened.
    pub early_records: u64,
    /// The first encrypted alert that was opened and is not a close_notify.
    pub sealed_alert: Option<Alert>,
    /// Records and bytes.
    pub traffic: PerDirection<Traffic>,
}

impl Facts {
    /// The version, once the server chose.
    #[must_use]
    pub fn version(&self) -> Option<u16> {
        self.server_hello.as_ref().map(ServerHello::version)
    }

    /// The version as Suricata writes it.
    #[must_use]
    pub fn version_name(&self) -> Cow<'static, str> {
        match self.version() {
            None => Cow::Borrowed("UNDETERMINED"),
            Some(0x0300) => Cow::Borrowed("SSLv3"),
            Some(0x0301) => Cow::Borrowed("TLSv1"),
            Some(0x0302) => Cow::Borrowed("TLS 1.1"),
            Some(0x0303) => Cow::Borrowed("TLS 1.2"),
            Some(TLS13) => Cow::Borrowed("TLS 1.3"),
            Some(other) => Cow::Owned(format!("0x{other:04x}")),
        }
    }

    /// The server's name as the client asked for it.
    #[must_use]
    pub fn sni(&self) -> Option<&str> {
        self.client_hello.as_ref().and_then(|hello| hello.sni.as_deref())
    }

    /// The leaf of the server's chain.
    #[must_use]
    pub const fn certificate(&self) -> Option<&Certificate> {
        self.chain.leaf.as_ref()
    }

    /// The cipher suite, once the server chose.
    #[must_use]
    pub fn cipher(&self) -> Option<u16> {
        self.server_hello.as_ref().map(|hello| hello.cipher)
    }

    /// IANA name of the cipher suite without `TLS_`, where it is a usual one.
    #[must_use]
    pub fn cipher_name(&self) -> Option<&'static str> {
        self.cipher().and_then(suite_name)
    }

    /// The keys of Suricata's `tls` object, and no others.
    fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        if let Some(certificate) = self.certificate() {
            fields.set("subject", certificate.subject.clone());
            fields.set("issuerdn", certificate.issuer.clone());
            fields.set("serial", certificate.serial.clone());
            fields.set("fingerprint", certificate.fingerprint.clone());
        }
        fields.set_some("sni", self.sni().map(str::to_owned));
        fields.set("version", self.version_name());
        if let Some(certificate) = self.certificate() {
            set_date(&mut fields, "notbefore", &certificate.not_before);
            set_date(&mut fields, "notafter", &certificate.not_after);
            set_list(&mut fields, "subjectaltname", certificate.subject_alt_names.clone());
        }
        if self.resumed {
            fields.set("session_resumed", true);
        }
        fields.set_some("ja3", self.ja3.as_ref().map(ja3_fields));
        fields.set_some("ja3s", self.ja3s.as_ref().map(ja3_fields));
        fields.set_some("ja4", self.ja4.clone());
        set_list(&mut fields, "client_alpns", self.client_hello.as_ref().map(ClientHello::alpn_names).unwrap_or_default());
        set_list(&mut fields, "server_alpns", self.server_hello.as_ref().map(ServerHello::alpn_names).unwrap_or_default());
        fields
    }
}

/// Suricata's schema has years 1000 to 2999 only. A certificate that never expires says 9999 (RFC 5280 §4.1.2.5): that
/// stays in [`Certificate`].
fn set_date(fields: &mut Fields, name: &'static str, date: &str) {
    if date.len() == 19 && date.starts_with(['1', '2']) {
        fields.set(name, date.to_owned());
    }
}

fn set_list(fields: &mut Fields, name: &'static str, values: Vec<String>) {
    if !values.is_empty() {
        fields.set(name, values);
    }
}

fn ja3_fields(fingerprint: &Ja3) -> Fields {
    Fields::new().with("hash", fingerprint.hash.clone()).with("string", fingerprint.string.clone())
}

impl Transaction<'_> {
    /// Number within the flow: there is one session.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        Some(0)
    }

    /// The decoded facts: what Suricata's `tls` object allows. The rest is in [`Facts`].
    #[must_use]
    pub fn fields(&self) -> Fields {
        self.facts.fields()
    }

    /// Whether a record is written: once a session, when its clear part is over.
    #[must_use]
    pub fn is_record(&self) -> bool {
        self.stage == Stage::Handshake
    }
}
