//! What a session needs to be opened: keys of both directions, what waits for them, and what a private key needs of the
//! handshake.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use backstop_types::{Direction, PerDirection};

use super::again::Again;
use super::hello::{ClientHello, ServerHello};
use super::keys::{KeyRing, SharedSecret, shared};
use super::prf::{MASTER, Prf};
use super::record_cipher::{self, Broken, Head, Lengths, RecordCipher, SideKeys};
use super::schedule;
use super::suites::Suite;
use super::transaction::{KeySource, why_not};

/// Handshake messages kept for the session hash (RFC 7627 §3), both sides.
const MAX_TRANSCRIPT: usize = 128 * 1024;
/// Handshake types (RFC 5246 §7.4).
const HELLO_REQUEST: u8 = 0;
/// The last messages that the session hash covers (RFC 7627 §3).
const CLIENT_KEY_EXCHANGE: u8 = 16;
const SERVER_HELLO_DONE: u8 = 14;
/// What a waiting record costs beside its bytes: its place in the queue, which may have twice the room, and the allocator's part.
const RECORD_COST: usize = 128;

/// Where a direction's keys are.
#[derive(Default)]
pub enum LaneKeys {
    /// Not looked up, or not found yet.
    #[default]
    Unknown,
    /// Records can be opened.
    Open(Box<Opener>),
    /// TLS 1.3, behind the Finished: the keys for application data are to be looked up.
    Application,
    /// Up to TLS 1.2, behind a second ChangeCipherSpec: the keys of the second handshake are to be looked up.
    Again,
    /// Nothing is opened any more.
    Stopped,
}

/// The cipher of a direction, and how far it is.
pub struct Opener {
    cipher: Box<dyn RecordCipher>,
    /// Records opened under this key.
    pub sequence: u64,
    /// TLS 1.3: the traffic secret, for the next key.
    secret: Option<SharedSecret>,
    /// TLS 1.3: these are the keys of the handshake.
    pub handshake: bool,
}

impl Opener {
    /// TLS 1.3 (RFC 8446 §7.3).
    pub fn tls13(suite: &Suite, secret: SharedSecret, handshake: bool) -> Option<Self> {
        let key = schedule::expand_label(suite.hash, secret.expose(), b"key", record_cipher::key_len(suite.bulk)?)?;
        let iv = schedule::expand_label(suite.hash, secret.expose(), b"iv", 12)?;
        let cipher = record_cipher::tls13(suite.bulk, &key, &iv)?;
        Some(Self { cipher, sequence: 0, secret: Some(secret), handshake })
    }

    /// The opener behind a KeyUpdate (RFC 8446 §7.2).
    pub fn updated(&self, suite: &Suite) -> Option<Self> {
        let next = schedule::next_secret(suite.hash, self.secret.as_ref()?.expose())?;
        Self::tls13(suite, shared(next), false)
    }

    /// Opens the next record in place.
    pub fn open(&mut self, head: Head, fragment: &mut [u8]) -> Result<Range<usize>, Broken> {
        let range = self.cipher.open(self.sequence, head, fragment)?;
        self.sequence += 1;
        Ok(range)
    }

    /// One record is lost. Whether the next can be opened, and how long its plaintext was if that is known.
    pub fn lose_one(&mut self, fragment: usize) -> Option<Option<usize>> {
        if !self.cipher.survives_loss() || self.handshake {
            return None;
        }
        self.sequence += 1;
        Some(self.cipher.plaintext_len(fragment))
    }
}

/// Both openers of a session up to TLS 1.2 (RFC 5246 §6.3): of the client, of the server.
pub fn tls12_openers(
    suite: &Suite,
    client: &ClientHello,
    server: &ServerHello,
    master: &SharedSecret,
) -> Option<(Opener, Opener)> {
    let version = server.version();
    let Lengths { mac, key, iv } = Lengths::of(suite.bulk, version)?;
    let prf = Prf::of(version, suite.hash);
    let block = prf.expand(master.expose(), b"key expansion", &[&server.random, &client.random], 2 * (mac + key + iv));
    let mut rest = block.as_slice();
    let mut next = |len: usize| {
        let (part, after) = rest.split_at_checked(len)?;
        rest = after;
        Some(part)
    };
    let (client_mac, server_mac) = (next(mac)?, next(mac)?);
    let (client_key, server_key) = (next(key)?, next(key)?);
    let (client_iv, server_iv) = (next(iv)?, next(iv)?);
    let opener = |keys: &SideKeys<'_>| {
        let cipher = record_cipher::tls12(suite.bulk, version, server.encrypt_then_mac(), keys)?;
        Some(Opener { cipher, sequence: 0, secret: None, handshake: false })
    };
    Some((
        opener(&SideKeys { mac: client_mac, key: client_key, iv: client_iv })?,
        opener(&SideKeys { mac: server_mac, key: server_key, iv: server_iv })?,
    ))
}

/// What arrived before its keys.
pub enum Waiting {
    /// A record.
    Record(Head, Vec<u8>),
    /// A record of this type and length was lost.
    Lost(u8, usize),
}

impl Waiting {
    fn cost(&self) -> usize {
        RECORD_COST + if let Self::Record(_, body) = self { body.len() } else { 0 }
    }
}

/// Why something cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Its session has enough.
    Session,
    /// All sessions together have.
    Ring,
}

/// Keys and waiting records of one session.
pub struct Decryptor {
    pub ring: Arc<KeyRing>,
    max_undecrypted: usize,
    pub lanes: PerDirection<LaneKeys>,
    /// State of the ring at which a direction's keys were not found.
    pub asked: PerDirection<Option<u64>>,
    /// A record of this direction was opened.
    pub opened: PerDirection<bool>,
    /// Records of this direction were lost: what does not authenticate is nobody's fault.
    pub lossy: PerDirection<bool>,
    queue: VecDeque<(Direction, Waiting)>,
    held: usize,
    pub exchange: Exchange,
    /// It is not this session's turn to use a private key.
    pub deferred: bool,
    /// A second handshake inside the session.
    pub again: Option<Box<Again>>,
}

impl Decryptor {
    pub fn new(ring: Arc<KeyRing>, max_undecrypted: usize) -> Self {
        Self {
            ring,
            max_undecrypted,
            lanes: PerDirection::default(),
            asked: PerDirection::default(),
            opened: PerDirection::default(),
            lossy: PerDirection::default(),
            queue: VecDeque::new(),
            held: 0,
            exchange: Exchange::default(),
            deferred: false,
            again: None,
        }
    }

    pub fn is_stopped(&self, direction: Direction) -> bool {
        matches!(self.lanes.get(direction), LaneKeys::Stopped)
    }

    /// The handshake went on: what was not found may be found now.
    pub fn ask_again(&mut self) {
        self.asked = PerDirection::default();
    }

    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    pub fn held(&self) -> usize {
        self.held + self.exchange.held() + self.again.as_ref().map_or(0, |again| again.held())
    }

    /// Keeps something for later, within the caps.
    pub fn push(&mut self, direction: Direction, waiting: Waiting) -> Result<(), Full> {
        let cost = waiting.cost();
        if self.held + cost > self.max_undecrypted {
            return Err(Full::Session);
        }
        if !self.ring.reserve(cost) {
            return Err(Full::Ring);
        }
        self.held += cost;
        self.queue.push_back((direction, waiting));
        Ok(())
    }

    /// The record whose turn it is: a copy, to try keys on.
    pub fn front_record(&self) -> Option<(Direction, Head, Vec<u8>)> {
        match self.queue.front() {
            Some((direction, Waiting::Record(head, body))) => Some((*direction, *head, body.clone())),
            _ => None,
        }
    }

    /// Whose turn it is.
    pub fn front(&self) -> Option<Direction> {
        self.queue.front().map(|(direction, _)| *direction)
    }

    pub fn pop(&mut self) -> Option<(Direction, Waiting)> {
        let next = self.queue.pop_front();
        if let Some((_, waiting)) = &next {
            self.held -= waiting.cost();
            self.ring.release(waiting.cost());
        }
        if self.queue.is_empty() {
            // What is idle holds no room.
            self.queue = VecDeque::new();
        }
        next
    }
}

impl Drop for Decryptor {
    fn drop(&mut self) {
        self.ring.release(self.held);
    }
}

/// What a private key gave.
pub enum Master {
    /// This.
    Known(SharedSecret),
    /// The key, or something that it needs, is not there (yet).
    Unknown,
    /// It is not this session's turn.
    Deferred,
}

/// What RSA key exchange needs of a handshake, and what names the session when it is taken up again.
#[derive(Default)]
pub struct Exchange {
    /// The messages of each side, for the session hash.
    transcript: PerDirection<Vec<Vec<u8>>>,
    transcript_len: usize,
    /// Messages are missing: there is no session hash.
    broken: bool,
    /// The hash over all messages up to the ClientKeyExchange (RFC 7627 §3).
    session_hash: Option<Vec<u8>>,
    /// The side has said what the session hash covers: up to the ClientKeyExchange, up to the ServerHelloDone.
    done: PerDirection<bool>,
    /// The encrypted premaster secret.
    premaster: Option<Vec<u8>>,
    /// The addresses of both ends, where they are known.
    pub ends: Option<[IpAddr; 2]>,
    /// The modulus of the server's public key.
    pub modulus: Option<Vec<u8>>,
    /// SHA-256 of the ticket that the server issued.
    pub ticket: Option<[u8; 32]>,
    /// The master secret, and where it came from.
    pub master: Option<(SharedSecret, KeySource)>,
    /// A record was opened with it.
    pub verified: bool,
    /// Masters of earlier sessions that did not open this one.
    pub tried: Vec<SharedSecret>,
    /// The random of the hello that counts, where a HelloRetryRequest asked for a second one.
    pub second_random: Option<[u8; 32]>,
}

impl Exchange {
    pub const fn held(&self) -> usize {
        self.transcript_len
    }

    /// A handshake message in the clear.
    pub fn message(&mut self, direction: Direction, kind: u8, body: &[u8]) {
        // RFC 5246 §7.4.1.1: a HelloRequest is in no hash.
        if self.broken || kind == HELLO_REQUEST || *self.done.get(direction) {
            return;
        }
        *self.done.get_mut(direction) = matches!(kind, CLIENT_KEY_EXCHANGE | SERVER_HELLO_DONE);
        let mut message = Vec::with_capacity(4 + body.len());
        message.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        if let Some(first) = message.first_mut() {
            *first = kind;
        }
        message.extend_from_slice(body);
        self.transcript_len += message.len();
        if self.transcript_len > MAX_TRANSCRIPT {
            self.lose();
            return;
        }
        self.transcript.get_mut(direction).push(message);
    }

    /// Messages are missing, or are not needed.
    pub fn lose(&mut self) {
        self.broken = true;
        self.transcript = PerDirection::default();
        self.transcript_len = 0;
    }

    /// The ClientKeyExchange (RFC 5246 §7.4.7.1).
    pub fn key_exchange(&mut self, body: &[u8]) {
        let premaster = match body {
            [high, low, rest @ ..] if usize::from(u16::from_be_bytes([*high, *low])) == rest.len() => rest,
            _ => body,
        };
        // No key is longer than 16384 bits.
        if self.premaster.is_none() && premaster.len() <= 2_048 {
            self.premaster = Some(premaster.to_vec());
        }
    }

    /// The session hash: the flights follow one another, so the order of the messages is known however they were delivered.
    /// `Ok(None)`: not all of them are there yet.
    fn session_hash(&mut self, client: Direction, prf: Prf) -> Result<Option<&[u8]>, &'static str> {
        if self.session_hash.is_none() {
            if self.broken {
                return Err(why_not::GAP);
            }
            if !self.done.to_server || !self.done.to_client {
                return Ok(None);
            }
            let (hello, rest) = self.transcript.get(client).split_first().ok_or(why_not::GAP)?;
            let messages = std::iter::once(hello).chain(self.transcript.get(client.reverse())).chain(rest);
            self.session_hash = Some(prf.session_hash(messages.map(Vec::as_slice)));
            self.lose();
        }
        Ok(self.session_hash.as_deref())
    }

    /// The master secret by the server's private key.
    pub fn rsa_master(
        &mut self,
        ring: &KeyRing,
        client: Direction,
        hellos: (&ClientHello, &ServerHello),
        suite: &Suite,
    ) -> Result<Master, &'static str> {
        if self.premaster.is_none() {
            return Ok(Master::Unknown);
        }
        // The certificate says whose key it is; where it was not seen, the address may.
        let key = match &self.modulus {
            Some(modulus) => ring.rsa_key(modulus),
            None => self.ends.as_ref().and_then(|ends| ring.rsa_key_at(ends)),
        };
        let Some(key) = key else { return Ok(Master::Unknown) };
        let (hello, chosen) = hellos;
        let prf = Prf::of(chosen.version(), suite.hash);
        // First what costs nothing: the key is used once a handshake.
        if chosen.extended_master_secret() && self.session_hash(client, prf)?.is_none() {
            return Ok(Master::Unknown);
        }
        if !ring.may_use_private_key() {
            return Ok(Master::Deferred);
        }
        let Some(encrypted) = self.premaster.take() else { return Ok(Master::Unknown) };
        // RFC 5246 §7.4.7.1: the version that was offered; some clients write the one that was chosen.
        let premaster = key.premaster(&encrypted, &[hello.version, chosen.version()]).ok_or(why_not::WRONG_KEYS)?;
        let master = if chosen.extended_master_secret() {
            let Some(hash) = self.session_hash(client, prf)? else { return Ok(Master::Unknown) };
            prf.expand(&premaster, b"extended master secret", &[hash], MASTER)
        } else {
            prf.expand(&premaster, b"master secret", &[&hello.random, &chosen.random], MASTER)
        };
        Ok(Master::Known(shared(master)))
    }

    /// Files the master secret under the names by which it can be taken up again (RFC 5246 §7.3, RFC 5077 §3.3), once a record
    /// proved it.
    pub fn remember(&self, ring: &KeyRing, server: &ServerHello) {
        let Some((master, source)) = self.master.as_ref().filter(|_| self.verified) else { return };
        if !server.session_id.is_empty() {
            ring.remember(&server.session_id, master, *source);
        }
        if let Some(ticket) = &self.ticket {
            ring.remember(ticket, master, *source);
        }
    }
}

/// The master of an earlier session that opens this one: of all that are filed under its session id (RFC 5246 §7.3) and its ticket
/// (RFC 5077 §3.1) the one that fits. None that does not is believed, so nobody is kept closed by what others filed.
pub fn taken_up(
    decryptor: &Decryptor,
    tried: &mut Vec<SharedSecret>,
    client: Direction,
    hellos: (&ClientHello, &ServerHello),
    suite: &Suite,
    record: Option<(Direction, (Head, &[u8]))>,
) -> Option<(SharedSecret, KeySource)> {
    let (hello, chosen) = hellos;
    let echoed = !chosen.session_id.is_empty() && chosen.session_id == hello.session_id;
    let names = [echoed.then_some(chosen.session_id.as_slice()), hello.ticket_sha256.as_ref().map(<[u8; 32]>::as_slice)];
    let candidates: Vec<_> = names.into_iter().flatten().flat_map(|name| decryptor.ring.remembered(name)).collect();
    let only = candidates.len() == 1;
    for candidate in candidates {
        if tried.iter().any(|tried| Arc::ptr_eq(tried, &candidate.master)) {
            continue;
        }
        let next = decryptor.front_record().or_else(|| {
            record.filter(|_| !decryptor.is_waiting()).map(|(direction, (head, body))| (direction, head, body.to_vec()))
        });
        let Some((direction, head, mut body)) = next else {
            // The first record is lost.
            return only.then_some((candidate.master, candidate.source));
        };
        let (of_client, of_server) = tls12_openers(suite, hello, chosen, &candidate.master)?;
        let mut opener = if direction == client { of_client } else { of_server };
        if opener.open(head, &mut body).is_ok() {
            *tried = Vec::new();
            return Some((candidate.master, candidate.source));
        }
        tried.push(candidate.master);
    }
    None
}
