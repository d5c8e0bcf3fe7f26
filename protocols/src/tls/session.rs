//! The handshake in the clear: who says what, and what is told of it.

use backstop_types::Direction;

use super::anomaly::{self, Defects};
use super::handshake::{Piece, Reassembly};
use super::ja3::Ja3;
use super::parser::TlsParser;
use super::record::{ContentType, Header, MAX_PLAINTEXT};
use super::suites::{self, KeyExchange};
use super::transaction::{Alert, Stage, TLS13, Transaction, why_not};
use super::{certificate, hello, ja4};
use crate::contract::{Anomaly, Sink};
use crate::registry::AppProto;

/// Handshake types (RFC 5246 §7.4, RFC 8446 §4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_HELLO_DONE: u8 = 14;

impl TlsParser {
    pub(super) fn clear_record(&mut self, direction: Direction, header: Header, body: &[u8], out: &mut dyn Sink) {
        if body.is_empty() {
            self.tell(direction, anomaly::EMPTY_RECORD, out);
            return;
        }
        if body.len() > MAX_PLAINTEXT {
            self.tell(direction, anomaly::RECORD_TOO_LONG, out);
        }
        if header.kind == ContentType::Handshake {
            self.fragment(direction, body, out);
            return;
        }
        if self.lanes.get(direction).handshake.is_pending() {
            self.tell(direction, anomaly::INTERLEAVED_RECORD, out);
        }
        match (header.kind, body) {
            (ContentType::Alert, &[level @ 1..=2, description]) => self.alert(Alert { direction, level, description }, out),
            (ContentType::Alert, _) => self.tell(direction, anomaly::BAD_ALERT, out),
            (_, [1]) if self.facts.client.is_some() => self.keys_change(direction, out),
            _ => self.tell(direction, anomaly::BAD_CHANGE_CIPHER_SPEC, out),
        }
    }

    pub(super) fn alert(&mut self, alert: Alert, out: &mut dyn Sink) {
        self.facts.traffic.get_mut(alert.direction).clear_alerts += 1;
        if alert.level == 2 && self.facts.fatal_alert.is_none() {
            self.facts.fatal_alert = Some(alert);
            self.tell_handshake(out);
        }
    }

    /// ChangeCipherSpec. After a HelloRetryRequest it means nothing (RFC 8446 appendix D.4).
    pub(super) fn keys_change(&mut self, direction: Direction, out: &mut dyn Sink) {
        if self.facts.retried {
            return;
        }
        let server = self.is_server(direction);
        let lane = self.lanes.get_mut(direction);
        lane.ciphered = true;
        lane.handshake = Reassembly::default();
        if server {
            let broken = lane.broken;
            self.facts.resumed = !broken && self.is_abbreviated();
            self.tell_handshake(out);
        }
        self.keys_may_be_known(out);
    }

    /// The server changes its keys without a certificate and without the end of a full flight, and it took up the
    /// client's session (RFC 5246 §7.3) or ticket (RFC 5077 §3.1).
    fn is_abbreviated(&self) -> bool {
        let (Some(client), Some(server)) = (&self.facts.client_hello, &self.facts.server_hello) else { return false };
        let echoed = !server.session_id.is_empty() && server.session_id == client.session_id;
        server.version() < TLS13 && self.facts.chain.sha256.is_empty() && !self.server_done && (echoed || client.ticket)
    }

    /// A fragment of handshake messages in the clear.
    pub(super) fn fragment(&mut self, direction: Direction, body: &[u8], out: &mut dyn Sink) {
        let mut handshake = std::mem::take(&mut self.lanes.get_mut(direction).handshake);
        let max = self.max_message;
        let left = handshake.feed(body, max, |piece| {
            match piece {
                Piece::Message(kind, body) => self.message(direction, kind, body, true, out),
                Piece::TooLong => self.tell(direction, anomaly::HANDSHAKE_TOO_LONG, out),
            }
            !self.lanes.get(direction).ciphered
        });
        // RFC 8446 §5.1: the message before a change of keys ends its record.
        if !left.is_empty() {
            self.tell(direction, anomaly::UNEXPECTED_MESSAGE, out);
        }
        self.lanes.get_mut(direction).handshake = handshake;
    }

    /// A message, or (`whole` false) as much of it as arrived.
    pub(super) fn message(&mut self, direction: Direction, kind: u8, body: &[u8], whole: bool, out: &mut dyn Sink) {
        if whole {
            self.note_exchange(direction, kind, body, out);
        }
        match kind {
            CLIENT_HELLO if whole => self.client_hello(direction, body, out),
            SERVER_HELLO if whole => self.server_hello(direction, body, out),
            CERTIFICATE if self.is_server(direction) => {
                let mut defects = Defects::default();
                if self.facts.chain.sha256.is_empty() {
                    self.facts.chain = certificate::parse_chain(body, whole, &mut defects);
                }
                self.tell_all(direction, &defects, out);
            }
            CERTIFICATE if self.facts.client == Some(direction) => {
                self.facts.client_certificate |= certificate::has_certificate(body);
            }
            SERVER_HELLO_DONE if self.is_server(direction) => self.server_done = true,
            _ => {}
        }
    }

    fn client_hello(&mut self, direction: Direction, body: &[u8], out: &mut dyn Sink) {
        if self.facts.client_hello.is_some() || self.is_server(direction) {
            // The answer to a HelloRetryRequest repeats the first hello in all that is kept (RFC 8446 §4.1.2).
            if !self.facts.retried || self.is_server(direction) {
                self.tell(direction, anomaly::UNEXPECTED_MESSAGE, out);
            } else if let Some(decryptor) = &mut self.decryptor {
                let second = hello::parse_client(body, &mut Defects::default());
                decryptor.exchange.second_random = second.map(|hello| hello.random);
            }
            return;
        }
        let mut defects = Defects::default();
        let Some(hello) = hello::parse_client(body, &mut defects) else {
            self.tell(direction, anomaly::MALFORMED_HELLO, out);
            return;
        };
        // A fingerprint of half the values would be that of another client.
        if !defects.contains(anomaly::HELLO_CUT) {
            self.facts.ja3 = Some(Ja3::of_client(&hello));
            self.facts.ja4 = Some(ja4::of_client(&hello));
        }
        self.tell_all(direction, &defects, out);
        self.facts.client_hello = Some(hello);
        self.hello_seen(direction, out);
        self.keys_may_be_known(out);
    }

    fn server_hello(&mut self, direction: Direction, body: &[u8], out: &mut dyn Sink) {
        if self.facts.server_hello.is_some() || self.facts.client == Some(direction) {
            self.tell(direction, anomaly::UNEXPECTED_MESSAGE, out);
            return;
        }
        let mut defects = Defects::default();
        let Some(hello) = hello::parse_server(body, &mut defects) else {
            self.tell(direction, anomaly::MALFORMED_HELLO, out);
            return;
        };
        self.tell_all(direction, &defects, out);
        if hello.is_retry() {
            self.facts.retried = true;
            self.hello_seen(direction.reverse(), out);
            return;
        }
        if !defects.contains(anomaly::HELLO_CUT) {
            self.facts.ja3s = Some(Ja3::of_server(&hello));
        }
        let version = hello.version();
        let by_rsa = suites::find(hello.cipher).is_some_and(|suite| suite.key_exchange == KeyExchange::Rsa);
        if let Some(decryptor) = &mut self.decryptor
            && !by_rsa
        {
            decryptor.exchange.lose();
        }
        self.facts.server_hello = Some(hello);
        self.hello_seen(direction.reverse(), out);
        if version >= TLS13 {
            // RFC 8446 §4.3: from here on the server's messages are encrypted.
            self.lanes.get_mut(direction).ciphered = true;
            self.look_up(direction, out);
            if !self.holds_back() {
                self.tell_handshake(out);
            }
        }
        self.keys_may_be_known(out);
    }

    fn hello_seen(&mut self, client: Direction, out: &mut dyn Sink) {
        self.facts.client = Some(client);
        if !std::mem::replace(&mut self.confirmed, true) {
            out.confirmed(AppProto::Tls);
            self.transaction(Stage::Hello, out);
        }
    }

    pub(super) fn is_server(&self, direction: Direction) -> bool {
        self.facts.client == Some(direction.reverse())
    }

    pub(super) fn tell_handshake(&mut self, out: &mut dyn Sink) {
        if self.confirmed && !std::mem::replace(&mut self.handshake_told, true) {
            self.transaction(Stage::Handshake, out);
        }
    }

    /// Nothing follows.
    pub(super) fn finish(&mut self, out: &mut dyn Sink) {
        if self.is_waiting_for_keys() {
            self.give_up(self.why_waiting(), out);
        }
        if self.facts.why_not.is_none()
            && !self.facts.decrypted
            && (self.lanes.to_server.ciphered || self.lanes.to_client.ciphered)
        {
            self.facts.why_not = Some(if self.confirmed { why_not::NO_KEYS } else { why_not::MIDSTREAM });
        }
        self.tell_handshake(out);
        if !std::mem::replace(&mut self.end_told, true) {
            self.transaction(Stage::End, out);
        }
    }

    pub(super) fn transaction(&self, stage: Stage, out: &mut dyn Sink) {
        out.transaction(&crate::Transaction::Tls(Transaction { stage, facts: &self.facts }));
    }

    pub(super) fn tell(&mut self, direction: Direction, event: &'static str, out: &mut dyn Sink) {
        if self.told.add(event) {
            out.anomaly(Anomaly { app_proto: AppProto::Tls, event, direction });
        }
    }

    pub(super) fn tell_all(&mut self, direction: Direction, defects: &Defects, out: &mut dyn Sink) {
        for event in defects.iter() {
            self.tell(direction, event, out);
        }
    }
}
