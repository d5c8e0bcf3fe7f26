//! Encrypted records: they wait for their keys, are opened in the order of the wire, and what is in them goes on.

use std::cell::RefCell;

use backstop_types::Direction;

use super::anomaly::{self, Defects};
use super::decryptor::{Full, LaneKeys, Opener, Waiting};
use super::handshake::{Piece, Reassembly};
use super::lookup::Ready;
use super::parser::TlsParser;
use super::record::{ContentType, Header, MAX_PLAINTEXT};
use super::record_cipher::Head;
use super::suites::{self, KeyExchange, Suite};
use super::transaction::{Alert, TLS13, why_not};
use super::{certificate, hello};
use crate::contract::Sink;

/// Content types (RFC 8446 §5.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// Handshake types (RFC 8446 §4).
const ENCRYPTED_EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;
const FINISHED: u8 = 20;
const KEY_UPDATE: u8 = 24;
/// `close_notify` (RFC 8446 §6.1).
const CLOSE_NOTIFY: u8 = 0;

thread_local! {
    /// Room for one record, up to `Limits::max_buffer`.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl TlsParser {
    /// A record that shall be there whole, as it is to be opened or kept.
    pub(super) fn wants(&self, direction: Direction, header: Header) -> bool {
        self.decryptor.as_ref().is_some_and(|decryptor| !decryptor.is_stopped(direction)) && self.is_sealed(direction, header)
    }

    pub(super) fn is_sealed(&self, direction: Direction, header: Header) -> bool {
        match self.facts.version() {
            // RFC 8446 §5.2: what is encrypted looks like application data.
            Some(version) if version >= TLS13 => header.kind == ContentType::ApplicationData,
            Some(_) => self.lanes.get(direction).ciphered,
            // Early data (RFC 8446 §4.2.10), or the server's hello is delivered late.
            None => {
                let from_client = self.facts.client == Some(direction);
                from_client && (self.lanes.get(direction).ciphered || header.kind == ContentType::ApplicationData)
            }
        }
    }

    fn offers_early_data(&self, direction: Direction) -> bool {
        self.facts.client == Some(direction)
            && self.facts.client_hello.as_ref().is_some_and(|hello| hello.extensions.contains(&hello::EXT_EARLY_DATA))
    }

    /// The record of TLS 1.3 is put off until the server's encrypted flight was read: its certificate is in there. Only when
    /// its keys are there; who has none shall not wait.
    pub(super) fn holds_back(&self) -> bool {
        let Some(client) = self.facts.client else { return false };
        self.facts.version().is_some_and(|version| version >= TLS13)
            && self.decryptor.as_ref().is_some_and(
                |decryptor| matches!(decryptor.lanes.get(client.reverse()), LaneKeys::Open(opener) if opener.handshake),
            )
    }

    /// An encrypted record, whole.
    pub(super) fn sealed(&mut self, direction: Direction, header: Header, body: &[u8], out: &mut dyn Sink) {
        let head = Head { kind: header.kind.number(), version: header.version };
        self.flush(out);
        if self.is_waiting_for_keys() || !matches!(self.ready(direction, Some((head, body)), out), Ready::Yes) {
            self.keep(direction, Waiting::Record(head, body.to_vec()), out);
            return;
        }
        // A copy to open in place, in room that all sessions of a thread share.
        let mut scratch = SCRATCH.take();
        scratch.clear();
        scratch.extend_from_slice(body);
        self.open(direction, head, &mut scratch, out);
        SCRATCH.set(scratch);
    }

    /// A record of which bytes are missing, and no more than this one.
    pub(super) fn lose_record(&mut self, direction: Direction, header: Header, out: &mut dyn Sink) {
        if !self.wants(direction, header) {
            return;
        }
        self.flush(out);
        if self.is_waiting_for_keys() || !matches!(self.ready(direction, None, out), Ready::Yes) {
            self.keep(direction, Waiting::Lost(header.kind.number(), header.len), out);
        } else {
            self.lost(direction, header.kind.number(), header.len, out);
        }
    }

    fn keep(&mut self, direction: Direction, waiting: Waiting, out: &mut dyn Sink) {
        let Some(decryptor) = &mut self.decryptor else { return };
        if decryptor.is_stopped(direction) {
            return;
        }
        let Err(full) = decryptor.push(direction, waiting) else { return };
        if self.facts.client_hello.is_some() && self.facts.server_hello.is_some() {
            self.tell(direction, anomaly::KEYS_TOO_LATE, out);
            self.give_up(if full == Full::Ring { why_not::TOO_MANY_WAIT } else { why_not::KEYS_TOO_LATE }, out);
        } else {
            // One side is not seen at all.
            self.give_up(why_not::MIDSTREAM, out);
        }
    }

    pub(super) fn is_waiting_for_keys(&self) -> bool {
        self.decryptor.as_ref().is_some_and(|decryptor| decryptor.is_waiting())
    }

    /// Opens what waited, as far as keys are there.
    pub(super) fn flush(&mut self, out: &mut dyn Sink) {
        while let Some(direction) = self.decryptor.as_ref().and_then(|decryptor| decryptor.front()) {
            let ready = self.ready(direction, None, out);
            if matches!(ready, Ready::Wait) {
                return;
            }
            let Some((direction, waiting)) = self.decryptor.as_mut().and_then(|decryptor| decryptor.pop()) else { return };
            match (ready, waiting) {
                (Ready::Yes, Waiting::Record(head, mut body)) => self.open(direction, head, &mut body, out),
                (Ready::Yes, Waiting::Lost(kind, len)) => self.lost(direction, kind, len, out),
                _ => {}
            }
        }
    }

    /// Nothing of this direction is opened any more.
    pub(super) fn stop(&mut self, direction: Direction, why: &'static str, out: &mut dyn Sink) {
        let Some(decryptor) = &mut self.decryptor else { return };
        if decryptor.is_stopped(direction) {
            return;
        }
        *decryptor.lanes.get_mut(direction) = LaneKeys::Stopped;
        let opened = decryptor.opened.to_server || decryptor.opened.to_client;
        self.facts.why_not.get_or_insert(why);
        let lane = self.lanes.get_mut(direction);
        if lane.ciphered {
            lane.handshake = Reassembly::default();
        }
        if opened && !lane.ended {
            out.plaintext_gap(direction, None);
        }
        if self.is_server(direction) && self.facts.version().is_some_and(|version| version >= TLS13) {
            self.tell_handshake(out);
        }
    }

    /// The session stays closed.
    pub(super) fn give_up(&mut self, why: &'static str, out: &mut dyn Sink) {
        for direction in Direction::BOTH {
            self.stop(direction, why, out);
        }
        self.decryptor = None;
    }

    /// Why a session that still waits was not opened.
    pub(super) fn why_waiting(&self) -> &'static str {
        let rsa = self.facts.cipher().and_then(suites::find).is_some_and(|suite| suite.key_exchange == KeyExchange::Rsa);
        if self.decryptor.as_ref().is_some_and(|decryptor| decryptor.deferred) {
            why_not::RSA_BUDGET
        } else if self.facts.client_hello.is_none() || self.facts.server_hello.is_none() {
            why_not::MIDSTREAM
        } else if self.facts.resumed && rsa {
            why_not::RESUMED_UNKNOWN
        } else {
            why_not::NO_KEYS
        }
    }

    /// Opens a record in place and looks inside.
    fn open(&mut self, direction: Direction, head: Head, fragment: &mut [u8], out: &mut dyn Sink) {
        let early = self.offers_early_data(direction);
        if self.is_clear13(head.kind) {
            return;
        }
        let Some(decryptor) = &mut self.decryptor else { return };
        let LaneKeys::Open(opener) = decryptor.lanes.get_mut(direction) else { return };
        let (handshake, first) = (opener.handshake, opener.sequence == 0);
        match opener.open(head, fragment) {
            Ok(range) => {
                *decryptor.opened.get_mut(direction) = true;
                self.facts.decrypted = true;
                self.master_is_proved();
                let content = fragment.get(range).unwrap_or_default();
                if self.facts.version().is_some_and(|version| version >= TLS13) {
                    self.inner_content(direction, content, out);
                } else {
                    self.content(direction, head.kind, content, out);
                }
            }
            // RFC 8446 §4.2.10: early data is under another key, and stands before the client's first message.
            Err(_) if early && handshake && first => self.facts.early_records += 1,
            Err(_) if *decryptor.lossy.get(direction) => self.stop(direction, why_not::GAP, out),
            Err(_) if *decryptor.opened.get(direction) => {
                self.tell(direction, anomaly::BAD_RECORD_MAC, out);
                self.stop(direction, why_not::BAD_RECORD_MAC, out);
            }
            // Nothing of this direction ever fitted: rather the key than the record.
            Err(_) => {
                self.tell(direction, anomaly::WRONG_KEYS, out);
                self.stop(direction, why_not::WRONG_KEYS, out);
            }
        }
    }

    /// Kept before the version was known, and not encrypted: a second hello, a ChangeCipherSpec (RFC 8446 §5, appendix D.4).
    fn is_clear13(&self, kind: u8) -> bool {
        kind != APPLICATION_DATA && self.facts.version().is_some_and(|version| version >= TLS13)
    }

    fn lost(&mut self, direction: Direction, kind: u8, len: usize, out: &mut dyn Sink) {
        if self.is_clear13(kind) {
            return;
        }
        let Some(decryptor) = &mut self.decryptor else { return };
        *decryptor.lossy.get_mut(direction) = true;
        let LaneKeys::Open(opener) = decryptor.lanes.get_mut(direction) else { return };
        let Some(plaintext) = opener.lose_one(len) else {
            self.stop(direction, why_not::GAP, out);
            return;
        };
        self.lanes.get_mut(direction).handshake = Reassembly::default();
        self.facts.why_not.get_or_insert(why_not::GAP);
        if kind == APPLICATION_DATA {
            out.plaintext_gap(direction, plaintext.map(|len| len as u64));
        }
    }

    /// TLSInnerPlaintext (RFC 8446 §5.2): content, its type, zeros.
    fn inner_content(&mut self, direction: Direction, inner: &[u8], out: &mut dyn Sink) {
        let Some(end) = inner.iter().rposition(|&byte| byte != 0) else {
            self.tell(direction, anomaly::UNEXPECTED_MESSAGE, out);
            return;
        };
        let (content, kind) = inner.split_at_checked(end).unwrap_or((inner, &[]));
        self.content(direction, kind.first().copied().unwrap_or_default(), content, out);
    }

    fn content(&mut self, direction: Direction, kind: u8, content: &[u8], out: &mut dyn Sink) {
        if content.len() > MAX_PLAINTEXT {
            self.tell(direction, anomaly::RECORD_TOO_LONG, out);
        }
        if self.lanes.get(direction).ended {
            // RFC 8446 §6.1: what follows a close_notify is ignored.
            self.tell(direction, anomaly::DATA_AFTER_CLOSE, out);
            return;
        }
        if kind != HANDSHAKE && self.lanes.get(direction).handshake.is_pending() {
            self.tell(direction, anomaly::INTERLEAVED_RECORD, out);
        }
        match (kind, content) {
            (APPLICATION_DATA, []) => {}
            (APPLICATION_DATA, _) => {
                if self.facts.client == Some(direction) && std::mem::take(&mut self.early_data_taken) {
                    // The server took early data, which nobody here could read.
                    out.plaintext_gap(direction, None);
                }
                out.plaintext(direction, content);
            }
            (HANDSHAKE, _) => self.sealed_fragment(direction, content, out),
            (ALERT, &[level, description]) => self.sealed_alert(Alert { direction, level, description }, out),
            (20, [1]) => self.keys_change_again(direction, out),
            // Heartbeats (RFC 6520).
            (24, _) => {}
            _ => self.tell(direction, anomaly::UNEXPECTED_MESSAGE, out),
        }
    }

    fn sealed_alert(&mut self, alert: Alert, out: &mut dyn Sink) {
        if alert.description == CLOSE_NOTIFY {
            self.lanes.get_mut(alert.direction).ended = true;
            out.plaintext_end(alert.direction);
        } else if self.facts.sealed_alert.is_none() {
            self.facts.sealed_alert = Some(alert);
        }
    }

    /// A fragment of encrypted handshake messages.
    fn sealed_fragment(&mut self, direction: Direction, content: &[u8], out: &mut dyn Sink) {
        let mut handshake = std::mem::take(&mut self.lanes.get_mut(direction).handshake);
        let max = self.max_message;
        let left = handshake.feed(content, max, |piece| match piece {
            Piece::Message(kind, body) => self.sealed_message(direction, kind, body, out),
            Piece::TooLong => {
                self.tell(direction, anomaly::HANDSHAKE_TOO_LONG, out);
                true
            }
        });
        // RFC 8446 §5.1: the message before a change of keys ends its record.
        if !left.is_empty() {
            self.tell(direction, anomaly::UNEXPECTED_MESSAGE, out);
        }
        self.lanes.get_mut(direction).handshake = handshake;
    }

    /// An encrypted handshake message; `false` when the keys change behind it.
    fn sealed_message(&mut self, direction: Direction, kind: u8, body: &[u8], out: &mut dyn Sink) -> bool {
        if self.facts.version().is_none_or(|version| version < TLS13) {
            self.message_again(direction, kind, body, out);
            return true;
        }
        let from_server = self.is_server(direction);
        match kind {
            ENCRYPTED_EXTENSIONS if from_server => self.encrypted_extensions(direction, body, out),
            CERTIFICATE if from_server && self.facts.chain.sha256.is_empty() => {
                let mut defects = Defects::default();
                self.facts.chain = certificate::parse_chain13(body, &mut defects);
                self.tell_all(direction, &defects, out);
            }
            CERTIFICATE if !from_server => self.facts.client_certificate |= certificate::has_certificate13(body),
            // Behind a certificate that was asked for later it changes nothing (RFC 8446 §4.6.2).
            FINISHED if !from_server && !self.in_handshake13(direction) => {}
            FINISHED => {
                self.change_keys(direction, out, |opener, _| opener.handshake.then_some(LaneKeys::Application));
                if from_server {
                    self.tell_handshake(out);
                }
                return false;
            }
            KEY_UPDATE => {
                self.change_keys(direction, out, |opener, suite| {
                    let updated = opener.updated(suite)?;
                    (!opener.handshake).then(|| LaneKeys::Open(Box::new(updated)))
                });
                return false;
            }
            _ => {}
        }
        true
    }

    fn in_handshake13(&self, direction: Direction) -> bool {
        self.decryptor
            .as_ref()
            .is_some_and(|decryptor| matches!(decryptor.lanes.get(direction), LaneKeys::Open(opener) if opener.handshake))
    }

    fn change_keys(&mut self, direction: Direction, out: &mut dyn Sink, next: impl FnOnce(&Opener, &Suite) -> Option<LaneKeys>) {
        let suite = self.facts.cipher().and_then(suites::find);
        let Some(decryptor) = &mut self.decryptor else { return };
        *decryptor.asked.get_mut(direction) = None;
        let lane = decryptor.lanes.get_mut(direction);
        let next = match (&*lane, suite) {
            (LaneKeys::Open(opener), Some(suite)) => next(opener, suite),
            _ => None,
        };
        match next {
            Some(next) => *lane = next,
            None => {
                self.tell(direction, anomaly::UNEXPECTED_MESSAGE, out);
                self.stop(direction, why_not::UNEXPECTED_MESSAGE, out);
            }
        }
    }

    /// RFC 8446 §4.3.1.
    fn encrypted_extensions(&mut self, direction: Direction, body: &[u8], out: &mut dyn Sink) {
        let mut defects = Defects::default();
        let extensions = hello::parse_encrypted_extensions(body, &mut defects);
        self.tell_all(direction, &defects, out);
        self.early_data_taken = extensions.early_data && self.facts.client_hello.is_some();
        if let Some(server) = &mut self.facts.server_hello
            && !extensions.alpn.is_empty()
        {
            server.alpn = extensions.alpn;
        }
    }
}
