//! What all sessions of a connection share.

use backstop_types::{Direction, PerDirection};

use super::anomaly;
use super::handles::Handles;
use super::login::Login;
use super::prelogin::{self, Encryption, Prelogin};
use super::reply::Reply;
use super::transaction::{Session, Transaction};
use super::tunnel::Tunnel;
use super::types::Dialect;
use crate::contract::{Anomaly, Limits, Sink, Surroundings};
use crate::registry::AppProto;

/// The version that a number stands for (2.2.6.4, 2.2.7.14). Clients and servers write that of 7.0 and 7.1 differently.
pub const fn version_name(version: u32) -> Option<&'static str> {
    Some(match version {
        0x7000_0000 | 0x0700_0000 => "7.0",
        0x7100_0000 | 0x7100_0001 | 0x0701_0000 => "7.1",
        0x7200_0000..=0x72ff_ffff => "7.2",
        0x7300_0000..=0x73ff_ffff => "7.3",
        0x7400_0000..=0x74ff_ffff => "7.4",
        0x0800_0000 => "8.0",
        _ => return None,
    })
}

/// What a version means for reading. An unknown one is taken for a later one.
pub const fn dialect_of(version: u32) -> Dialect {
    let old = matches!(version >> 24, 0x07 | 0x70 | 0x71);
    Dialect { wide: !old, collation: !matches!(version, 0x7000_0000 | 0x0700_0000), encryption: false }
}

/// A gap of a length that nobody knows: longer than any packet or record.
pub const UNKNOWN_GAP: u64 = 1 << 40;

/// The header of a TLS record (RFC 5246 §6.2.1).
pub const RECORD_HEADER: usize = 5;

/// TLS records in a stream that is cut into pieces: counted by their headers.
#[derive(Debug, Default)]
pub struct Records {
    header: Vec<u8>,
    left: usize,
    pub begun: bool,
    /// The record at hand is application data (RFC 5246 §6.2.1).
    in_data: bool,
    /// A record of application data went by, all of it.
    pub data: bool,
}

impl Records {
    /// Bytes up to the end of the record at hand, or of its header.
    pub const fn ahead(&self) -> usize {
        if self.left > 0 { self.left } else { RECORD_HEADER - self.header.len() }
    }

    /// Passes a piece; how many records begin in it.
    pub fn feed(&mut self, mut bytes: &[u8]) -> u64 {
        let mut records = 0;
        self.begun = true;
        while !bytes.is_empty() {
            if self.left > 0 {
                let len = self.left.min(bytes.len());
                self.left -= len;
                self.data |= self.in_data && self.left == 0;
                bytes = bytes.get(len..).unwrap_or_default();
                continue;
            }
            let (head, rest) = bytes.split_at_checked(RECORD_HEADER - self.header.len()).unwrap_or((bytes, &[]));
            self.header.extend_from_slice(head);
            bytes = rest;
            if let &[kind, _, _, high, low] = self.header.as_slice() {
                self.in_data = kind == 0x17;
                self.left = usize::from(u16::from_be_bytes([high, low]));
                self.header.clear();
                records += 1;
            }
        }
        records
    }
}

/// A connection.
pub struct Connection {
    around: Surroundings,
    /// TLS, once it began.
    pub tunnel: Option<Box<Tunnel>>,
    /// What is read came out of TLS.
    pub inside: bool,
    /// A login that TLS hides was told: once, whatever comes of it.
    pub hidden_login: bool,
    pub limits: Limits,
    pub session: Session,
    /// What the client said in LOGIN7.
    pub login: Option<Login>,
    pub handles: Handles,
    /// Who sends requests, once that is known.
    pub client: Option<Direction>,
    /// The number that the server writes in its packets.
    pub spid: Option<u16>,
    /// The handshake inside PRELOGIN packets.
    pub handshake: PerDirection<Records>,
    /// Bytes are missing somewhere: what does not fit is nobody's fault.
    pub lossy: bool,
    /// Bytes of messages and of waiting requests that are held.
    pub held: usize,
    /// Requests of all sessions that wait.
    pub waiting: usize,
    pub confirmed: bool,
    /// The server told the version, or the client did.
    version_told: bool,
    /// What requests look like, where nobody told the version.
    headers_seen: Option<bool>,
    column_encryption: bool,
    next: u64,
    /// Anomalies told: each once a flow.
    told: Vec<&'static str>,
    session_told: bool,
}

impl Connection {
    pub fn new(around: &Surroundings) -> Self {
        let limits: &Limits = &around.limits;
        Self {
            around: around.clone(),
            tunnel: None,
            inside: false,
            hidden_login: false,
            limits: *limits,
            session: Session {
                encryption: if around.inside_tls { Encryption::Strict } else { Encryption::Unknown },
                ..Session::default()
            },
            login: None,
            handles: Handles::new(limits.max_dictionary_strings, limits.max_dictionary_bytes),
            client: None,
            spid: None,
            handshake: PerDirection::default(),
            lossy: false,
            held: 0,
            waiting: 0,
            confirmed: false,
            version_told: false,
            headers_seen: None,
            column_encryption: false,
            next: 0,
            told: Vec::new(),
            session_told: false,
        }
    }

    /// How replies and calls are to be read, and whether somebody told.
    pub fn dialect(&self) -> (Dialect, bool) {
        let told = self.version_told.then_some(self.session.tds_version).flatten().map(dialect_of);
        let guess = Dialect { wide: self.headers_seen.unwrap_or(true), collation: true, encryption: false };
        (Dialect { encryption: self.column_encryption, ..told.unwrap_or(guess) }, told.is_some())
    }

    /// A request had ALL_HEADERS, or not.
    pub const fn saw_headers(&mut self, headers: bool) {
        self.headers_seen = Some(headers);
    }

    /// The server's PRELOGIN may still come.
    pub const fn awaits_prelogin(&self) -> bool {
        self.session.server.is_none() && self.session.tds_version.is_none() && self.headers_seen.is_none()
    }

    /// No login was seen, nor anything that comes after one.
    pub const fn awaits_login(&self) -> bool {
        self.login.is_none() && !self.hidden_login && self.session.logged_in.is_none() && self.headers_seen.is_none()
    }

    /// The next number of a login or request.
    pub const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// A side's PRELOGIN.
    pub fn prelogin(&mut self, direction: Direction, bytes: &[u8], cut: bool, out: &mut dyn Sink) {
        let (said, whole) = prelogin::parse(bytes);
        if !whole && !cut {
            self.violation(direction, anomaly::MALFORMED_PRELOGIN, out);
        }
        let usable = said.version.is_some();
        if self.client == Some(direction) {
            self.session.client = Some(said);
        } else {
            self.session.server = Some(said);
        }
        let byte = |side: &Option<Prelogin>| side.as_ref().and_then(|side| side.encryption);
        if self.session.encryption != Encryption::Strict {
            self.session.encryption = Encryption::outcome(byte(&self.session.client), byte(&self.session.server));
        }
        if usable {
            self.confirm(out);
        }
        let settled = self.session.encryption == Encryption::Strict && self.session.server.is_some();
        if settled || self.session.encryption == Encryption::None {
            self.tell_session(out);
        }
    }

    /// A piece of the handshake inside PRELOGIN packets.
    pub fn handshake(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) {
        self.session.handshake_records += self.handshake.get_mut(direction).feed(bytes);
        // Inside TLS there is no second one.
        if !self.inside {
            self.tunnel(out).data(direction, bytes, out);
        }
    }

    /// A part of the handshake is missing.
    pub fn lost_handshake(&mut self, direction: Direction, len: u64, out: &mut dyn Sink) {
        if let Some(tunnel) = self.tunnel.as_mut().filter(|_| !self.inside) {
            tunnel.gap(direction, len, out);
        }
    }

    /// The TLS session, which begins with the first call; behind a gap, in its middle.
    pub fn tunnel(&mut self, out: &mut dyn Sink) -> &mut Tunnel {
        let (around, lossy) = (&self.around, self.lossy);
        self.tunnel.get_or_insert_with(|| {
            let mut tunnel = Box::new(Tunnel::new(around));
            for direction in Direction::BOTH.into_iter().filter(|_| lossy) {
                tunnel.gap(direction, UNKNOWN_GAP, out);
            }
            tunnel
        })
    }

    /// TLS was begun inside PRELOGIN packets, in either direction.
    pub const fn handshake_begun(&self) -> bool {
        self.handshake.to_server.begun || self.handshake.to_client.begun
    }

    /// LOGIN7 was read.
    pub fn logs_in(&mut self, login: Login) {
        self.session.tds_version = Some(login.tds_version);
        self.version_told = version_name(login.tds_version).is_some();
        self.session.user = login.principal();
        self.session.host.clone_from(&login.host);
        self.session.application.clone_from(&login.application);
        self.session.database.clone_from(&login.database);
        self.login = Some(login);
    }

    /// What a reply changes.
    pub fn apply(&mut self, reply: &Reply) {
        if reply.database.is_some() {
            self.session.database.clone_from(&reply.database);
        }
        self.session.packet_size = reply.packet_size.or(self.session.packet_size);
        self.column_encryption |= reply.column_encryption;
        if let Some(ack) = &reply.login_ack {
            self.session.tds_version = Some(ack.tds_version);
            self.version_told = version_name(ack.tds_version).is_some();
            self.session.program = Some(format!("{} {}", ack.program, ack.version));
            self.session.logged_in = Some(true);
        }
    }

    /// The client has the session reset (2.2.3.1.2): what was prepared is gone.
    pub fn reset(&mut self) {
        self.handles.clear();
        if let Some(database) = self.login.as_ref().and_then(|login| login.database.as_ref()) {
            self.session.database = Some(database.clone());
        }
    }

    pub fn confirm(&mut self, out: &mut dyn Sink) {
        if !std::mem::replace(&mut self.confirmed, true) {
            out.confirmed(AppProto::Tds);
        }
    }

    /// What is known before the login is told once, if there is anything.
    pub fn tell_session(&mut self, out: &mut dyn Sink) {
        let known = self.session.client.is_some() || self.session.server.is_some() || self.handshake_begun();
        if known && !std::mem::replace(&mut self.session_told, true) {
            out.transaction(&crate::Transaction::Tds(Transaction::Session(&self.session)));
        }
    }

    /// A violation, unless bytes are missing.
    pub fn violation(&mut self, direction: Direction, event: &'static str, out: &mut dyn Sink) {
        if !self.lossy {
            self.tell(direction, event, out);
        }
    }

    pub fn tell(&mut self, direction: Direction, event: &'static str, out: &mut dyn Sink) {
        if !self.told.contains(&event) {
            self.told.push(event);
            out.anomaly(Anomaly { app_proto: AppProto::Tds, event, direction });
        }
    }
}
