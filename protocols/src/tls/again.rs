//! A second handshake inside a session, up to TLS 1.2 (RFC 5246 §7.4.1.1): its messages are sealed with the keys at hand, and each
//! side changes to the next behind its ChangeCipherSpec. A Schannel server asks for a client's certificate that way.

use backstop_types::Direction;
use sha2::{Digest as _, Sha256};

use super::anomaly::Defects;
use super::certificate;
use super::decryptor::{Decryptor, Exchange, LaneKeys, Master, taken_up, tls12_openers};
use super::hello::{self, ClientHello, ServerHello};
use super::keys::{Label, SharedSecret};
use super::parser::TlsParser;
use super::record_cipher::Head;
use super::suites::{self, Bulk, KeyExchange};
use super::transaction::{KeySource, TLS13, why_not};
use super::wire::vector16;
use crate::contract::Sink;
use crate::cursor::Cursor;

/// Handshake types (RFC 5246 §7.4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const NEW_SESSION_TICKET: u8 = 4;
const CERTIFICATE: u8 = 11;
const SERVER_HELLO_DONE: u8 = 14;
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// What is known of the handshake.
pub(super) struct Again {
    hello: ClientHello,
    chosen: Option<ServerHello>,
    exchange: Exchange,
    /// The server sent what an abbreviated handshake has not.
    full: bool,
}

impl TlsParser {
    /// A sealed handshake message up to TLS 1.2.
    pub(super) fn message_again(&mut self, direction: Direction, kind: u8, body: &[u8], out: &mut dyn Sink) {
        let from_server = self.is_server(direction);
        let Some(decryptor) = &mut self.decryptor else { return };
        if kind == CLIENT_HELLO && !from_server {
            let mut defects = Defects::default();
            let hello = hello::parse_client(body, &mut defects);
            decryptor.again =
                hello.map(|hello| Box::new(Again { hello, chosen: None, exchange: Exchange::default(), full: false }));
            self.tell_all(direction, &defects, out);
        }
        let Some(again) = self.decryptor.as_mut().and_then(|decryptor| decryptor.again.as_mut()) else { return };
        again.exchange.message(direction, kind, body);
        match kind {
            SERVER_HELLO if from_server && again.chosen.is_none() => {
                again.chosen = hello::parse_server(body, &mut Defects::default());
                if !again.by_rsa() {
                    again.exchange.lose();
                }
            }
            CERTIFICATE if from_server && again.exchange.modulus.is_none() => {
                again.full = true;
                again.exchange.modulus = certificate::rsa_modulus(body);
            }
            SERVER_HELLO_DONE if from_server => again.full = true,
            CERTIFICATE if !from_server => self.facts.client_certificate |= certificate::has_certificate(body),
            CLIENT_KEY_EXCHANGE if !from_server && again.by_rsa() => again.exchange.key_exchange(body),
            NEW_SESSION_TICKET if from_server => {
                let mut cursor = Cursor::new(body.get(4..).unwrap_or_default());
                again.exchange.ticket = vector16(&mut cursor).ok().map(|ticket| Sha256::digest(ticket).into());
            }
            _ => {}
        }
    }

    /// A sealed ChangeCipherSpec: what follows is under the keys of the second handshake.
    pub(super) fn keys_change_again(&mut self, direction: Direction, out: &mut dyn Sink) {
        let Some(decryptor) = &mut self.decryptor else { return };
        let version = self.facts.version().unwrap_or_default();
        if version < TLS13 && decryptor.again.as_ref().is_some_and(|again| again.chosen.is_some()) {
            *decryptor.lanes.get_mut(direction) = LaneKeys::Again;
            decryptor.ask_again();
        } else {
            // Its hellos were lost with a record, or stand where none may be.
            self.stop(direction, why_not::RENEGOTIATED, out);
        }
    }

    /// Looks for the keys of a direction behind its change.
    pub(super) fn resolve_again(&mut self, direction: Direction, record: Option<(Head, &[u8])>) -> Result<bool, &'static str> {
        let Some(client) = self.facts.client else { return Ok(false) };
        let Some(decryptor) = &mut self.decryptor else { return Ok(false) };
        // Apart from what it is looked up in.
        let Some(mut again) = decryptor.again.take() else { return Err(why_not::RENEGOTIATED) };
        let found = again.keys(decryptor, direction, client, record);
        decryptor.again = Some(again);
        found
    }
}

impl Again {
    pub fn held(&self) -> usize {
        self.exchange.held()
    }

    fn by_rsa(&self) -> bool {
        let suite = self.chosen.as_ref().and_then(|chosen| suites::find(chosen.cipher));
        suite.is_none_or(|suite| suite.key_exchange == KeyExchange::Rsa)
    }

    fn keys(
        &mut self,
        decryptor: &mut Decryptor,
        direction: Direction,
        client: Direction,
        record: Option<(Head, &[u8])>,
    ) -> Result<bool, &'static str> {
        let Some(chosen) = &self.chosen else { return Err(why_not::RENEGOTIATED) };
        if !(0x0301..TLS13).contains(&chosen.version()) {
            return Err(why_not::UNSUPPORTED_VERSION);
        }
        let suite = suites::find(chosen.cipher).filter(|suite| suite.bulk != Bulk::Other).ok_or(why_not::UNSUPPORTED_CIPHER)?;
        if chosen.compression != 0 {
            return Err(why_not::UNSUPPORTED_COMPRESSION);
        }
        let hellos = (&self.hello, chosen);
        let mut found: Option<(SharedSecret, KeySource)> = self.exchange.master.clone();
        if found.is_none() {
            found = decryptor.ring.secret(&self.hello.random, Label::Master).map(|master| (master, KeySource::KeyLog));
        }
        if found.is_none() && suite.key_exchange == KeyExchange::Rsa {
            let master = self.exchange.rsa_master(&decryptor.ring, client, hellos, suite)?;
            decryptor.deferred = matches!(master, Master::Deferred);
            if let Master::Known(master) = master {
                found = Some((master, KeySource::RsaKey));
            }
        } else if found.is_none() && decryptor.ring.is_rsa_only() {
            return Err(why_not::DHE_NEEDS_KEY_LOG);
        }
        if found.is_none() && !self.full {
            let record = record.map(|record| (direction, record));
            found = taken_up(decryptor, &mut self.exchange.tried, client, hellos, suite, record);
        }
        let Some((master, source)) = found else { return Ok(false) };
        let (of_client, of_server) = tls12_openers(suite, &self.hello, chosen, &master).ok_or(why_not::UNSUPPORTED_CIPHER)?;
        let opener = if direction == client { of_client } else { of_server };
        *decryptor.lanes.get_mut(direction) = LaneKeys::Open(Box::new(opener));
        self.exchange.lose();
        self.exchange.master = Some((master, source));
        Ok(true)
    }
}
