//! Where the keys of a session come from: a key log, the server's private key, or an earlier session.

use backstop_types::Direction;
use sha2::{Digest as _, Sha256};

use super::decryptor::{LaneKeys, Master, Opener, taken_up, tls12_openers};
use super::keys::{Label, SharedSecret};
use super::parser::TlsParser;
use super::record_cipher::Head;
use super::suites::{self, Bulk, KeyExchange, Suite};
use super::transaction::{KeySource, TLS13, why_not};
use super::wire::vector16;
use super::{anomaly, certificate};
use crate::contract::Sink;
use crate::cursor::Cursor;

/// Handshake types (RFC 5246 §7.4).
const NEW_SESSION_TICKET: u8 = 4;
const CERTIFICATE: u8 = 11;
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// Whether a direction's records can be opened.
pub(super) enum Ready {
    Yes,
    /// Not yet.
    Wait,
    /// Never.
    No,
}

impl TlsParser {
    /// The handshake went on.
    pub(super) fn keys_may_be_known(&mut self, out: &mut dyn Sink) {
        if let Some(decryptor) = &mut self.decryptor {
            decryptor.ask_again();
            self.flush(out);
        }
    }

    /// The server chose TLS 1.3: its keys are looked up at once.
    pub(super) fn look_up(&mut self, direction: Direction, out: &mut dyn Sink) {
        if self.decryptor.is_some() {
            self.ready(direction, None, out);
        }
    }

    /// A handshake message in the clear, for RSA key exchange.
    pub(super) fn note_exchange(&mut self, direction: Direction, kind: u8, body: &[u8], out: &mut dyn Sink) {
        let from_server = self.is_server(direction);
        let suite = self.facts.cipher().and_then(suites::find);
        let Some(decryptor) = &mut self.decryptor else { return };
        let exchange = &mut decryptor.exchange;
        let by_rsa = suite.is_none_or(|suite| suite.key_exchange == KeyExchange::Rsa);
        if by_rsa {
            exchange.message(direction, kind, body);
        } else {
            exchange.lose();
        }
        match kind {
            // The first one counts, as for the facts.
            CERTIFICATE if from_server && by_rsa && exchange.modulus.is_none() => {
                exchange.modulus = certificate::rsa_modulus(body);
            }
            CLIENT_KEY_EXCHANGE if !from_server && by_rsa => {
                exchange.key_exchange(body);
                self.keys_may_be_known(out);
            }
            // RFC 5077 §3.3: a life time, then the ticket.
            NEW_SESSION_TICKET if from_server => {
                let mut cursor = Cursor::new(body.get(4..).unwrap_or_default());
                exchange.ticket = vector16(&mut cursor).ok().map(|ticket| Sha256::digest(ticket).into());
                if let Some(server) = &self.facts.server_hello {
                    exchange.remember(&decryptor.ring, server);
                }
            }
            _ => {}
        }
    }

    /// Whether a direction can be opened. `record`: what is to be opened, where it is not the first that waits; masters of earlier
    /// sessions are tried on it.
    pub(super) fn ready(&mut self, direction: Direction, record: Option<(Head, &[u8])>, out: &mut dyn Sink) -> Ready {
        let Some(decryptor) = &mut self.decryptor else { return Ready::No };
        match decryptor.lanes.get(direction) {
            LaneKeys::Open(_) => return Ready::Yes,
            LaneKeys::Stopped => return Ready::No,
            LaneKeys::Unknown | LaneKeys::Application | LaneKeys::Again => {}
        }
        let generation = decryptor.ring.generation();
        if decryptor.asked.get_mut(direction).replace(generation) == Some(generation) {
            return Ready::Wait;
        }
        let again = matches!(decryptor.lanes.get(direction), LaneKeys::Again);
        let found = if again { self.resolve_again(direction, record) } else { self.resolve(direction, record) };
        match found {
            Ok(true) => Ready::Yes,
            Ok(false) => {
                if let Some(decryptor) = self.decryptor.as_mut().filter(|decryptor| decryptor.deferred) {
                    decryptor.ask_again();
                }
                Ready::Wait
            }
            Err(why) => {
                if why == why_not::WRONG_KEYS {
                    self.tell(direction, anomaly::WRONG_KEYS, out);
                }
                self.give_up(why, out);
                Ready::No
            }
        }
    }

    /// Looks for the keys of a direction. `false`: not there yet. `Err`: never will be, and why.
    fn resolve(&mut self, direction: Direction, record: Option<(Head, &[u8])>) -> Result<bool, &'static str> {
        let Some(client) = self.facts.client else { return Ok(false) };
        for (hello, side) in [(self.facts.client_hello.is_some(), client), (self.facts.server_hello.is_some(), client.reverse())]
        {
            // A hello that was lost does not come again.
            if !hello && self.lanes.get(side).broken {
                return Err(why_not::GAP);
            }
        }
        let (Some(hello), Some(chosen)) = (&self.facts.client_hello, &self.facts.server_hello) else { return Ok(false) };
        let version = chosen.version();
        if !(0x0301..=TLS13).contains(&version) {
            return Err(why_not::UNSUPPORTED_VERSION);
        }
        let suite = suites::find(chosen.cipher).filter(|suite| suite.bulk != Bulk::Other);
        let suite = suite.ok_or(why_not::UNSUPPORTED_CIPHER)?;
        if chosen.compression != 0 {
            return Err(why_not::UNSUPPORTED_COMPRESSION);
        }
        if version >= TLS13 {
            return self.resolve13(direction, client, suite);
        }
        let Some(decryptor) = &mut self.decryptor else { return Ok(false) };
        let found = match (decryptor.ring.secret(&hello.random, Label::Master), suite.key_exchange) {
            (Some(master), _) => Some((master, KeySource::KeyLog)),
            (None, KeyExchange::Ephemeral) if decryptor.ring.is_rsa_only() => return Err(why_not::DHE_NEEDS_KEY_LOG),
            (None, KeyExchange::Ephemeral) => None,
            (None, KeyExchange::Rsa) => {
                let master = decryptor.exchange.rsa_master(&decryptor.ring, client, (hello, chosen), suite)?;
                decryptor.deferred = matches!(master, Master::Deferred);
                match master {
                    Master::Known(master) => Some((master, KeySource::RsaKey)),
                    Master::Unknown | Master::Deferred => None,
                }
            }
        };
        let found = match found {
            None if self.facts.resumed => {
                let mut tried = std::mem::take(&mut decryptor.exchange.tried);
                let record = record.map(|record| (direction, record));
                let found = taken_up(decryptor, &mut tried, client, (hello, chosen), suite, record);
                decryptor.exchange.tried = tried;
                found
            }
            found => found,
        };
        let Some((master, source)) = found else {
            let cut = self.lanes.to_server.broken || self.lanes.to_client.broken;
            return if cut && decryptor.ring.is_rsa_only() && !decryptor.deferred { Err(why_not::GAP) } else { Ok(false) };
        };
        let openers = tls12_openers(suite, hello, chosen, &master).ok_or(why_not::UNSUPPORTED_CIPHER)?;
        self.facts.key_source = Some(source);
        decryptor.exchange.lose();
        decryptor.exchange.master = Some((master, source));
        for (side, opener) in [(client, openers.0), (client.reverse(), openers.1)] {
            if !decryptor.is_stopped(side) {
                *decryptor.lanes.get_mut(side) = LaneKeys::Open(Box::new(opener));
            }
        }
        Ok(!decryptor.is_stopped(direction))
    }

    /// A record was opened: the master is the right one, and whoever takes the session up again will need it.
    pub(super) fn master_is_proved(&mut self) {
        if let (Some(decryptor), Some(server)) = (&mut self.decryptor, &self.facts.server_hello)
            && !std::mem::replace(&mut decryptor.exchange.verified, true)
        {
            decryptor.exchange.remember(&decryptor.ring, server);
        }
    }

    fn resolve13(&mut self, direction: Direction, client: Direction, suite: &Suite) -> Result<bool, &'static str> {
        let (Some(hello), Some(decryptor)) = (&self.facts.client_hello, &mut self.decryptor) else { return Ok(false) };
        if decryptor.ring.is_rsa_only() {
            return Err(why_not::DHE_NEEDS_KEY_LOG);
        }
        let handshake = !matches!(decryptor.lanes.get(direction), LaneKeys::Application);
        let label = match (direction == client, handshake) {
            (true, true) => Label::ClientHandshake,
            (true, false) => Label::ClientApplication,
            (false, true) => Label::ServerHandshake,
            (false, false) => Label::ServerApplication,
        };
        // The second hello repeats the random of the first (RFC 8446 §4.1.2); where it does not, a lenient server's keys go by it.
        let randoms = [decryptor.exchange.second_random.as_ref(), Some(&hello.random)];
        let secret = randoms.into_iter().flatten().find_map(|random| decryptor.ring.secret(random, label));
        let Some(secret) = secret else { return Ok(false) };
        let opener = opener13(suite, secret, handshake)?;
        *decryptor.lanes.get_mut(direction) = LaneKeys::Open(Box::new(opener));
        self.facts.key_source = Some(KeySource::KeyLog);
        Ok(true)
    }
}

fn opener13(suite: &Suite, secret: SharedSecret, handshake: bool) -> Result<Opener, &'static str> {
    if secret.expose().len() != suite.hash.len() {
        return Err(why_not::WRONG_KEYS);
    }
    Opener::tls13(suite, secret, handshake).ok_or(why_not::UNSUPPORTED_CIPHER)
}
