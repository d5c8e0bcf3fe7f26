//! A TLS session whose keys are known, and which says whatever it is told to: records are sealed as a peer would.
//!
//! Neither side proves anything to the other (there are no Finished hashes): a sensor does not check them.

use aes::Aes128;
use aes::cipher::{BlockModeEncrypt as _, InnerIvInit as _, KeyInit, consts::U16};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use backstop_types::{Direction, PerDirection};
use chacha20poly1305::ChaCha20Poly1305;
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use sha2::{Sha256, Sha384};

/// A suite of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// For people: version and cipher.
    pub name: &'static str,
    /// TLS 1.3 and not 1.2.
    pub tls13: bool,
    id: u16,
    bulk: Bulk,
    sha384: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bulk {
    Gcm(usize),
    ChaCha,
    /// The MAC is SHA-256 and not SHA-1; with encrypt-then-MAC (RFC 7366) or without.
    Cbc {
        sha256: bool,
        etm: bool,
    },
}

/// What can be sealed.
pub const SUITES: [Suite; 10] = {
    const fn suite(name: &'static str, tls13: bool, id: u16, bulk: Bulk, sha384: bool) -> Suite {
        Suite { name, tls13, id, bulk, sha384 }
    }
    const fn cbc(sha256: bool, etm: bool) -> Bulk {
        Bulk::Cbc { sha256, etm }
    }
    [
        suite("1.2 AES-128-GCM", false, 0xc02f, Bulk::Gcm(16), false),
        suite("1.2 AES-256-GCM", false, 0xc030, Bulk::Gcm(32), true),
        suite("1.2 ChaCha20-Poly1305", false, 0xcca8, Bulk::ChaCha, false),
        suite("1.2 AES-128-CBC-SHA1", false, 0xc013, cbc(false, false), false),
        suite("1.2 AES-128-CBC-SHA256", false, 0xc027, cbc(true, false), false),
        suite("1.2 AES-128-CBC-SHA1 EtM", false, 0xc013, cbc(false, true), false),
        suite("1.2 AES-128-CBC-SHA256 EtM", false, 0xc027, cbc(true, true), false),
        suite("1.3 AES-128-GCM", true, 0x1301, Bulk::Gcm(16), false),
        suite("1.3 AES-256-GCM", true, 0x1302, Bulk::Gcm(32), true),
        suite("1.3 ChaCha20-Poly1305", true, 0x1303, Bulk::ChaCha, false),
    ]
};

enum Cipher {
    Gcm128(Box<Aes128Gcm>),
    Gcm256(Box<Aes256Gcm>),
    ChaCha(Box<ChaCha20Poly1305>),
    Cbc(Box<Aes128>, Vec<u8>, bool, bool),
}

struct Side {
    cipher: Cipher,
    iv: Vec<u8>,
    sequence: u64,
    secret: Vec<u8>,
}

/// Both sides of a session.
pub struct Session {
    suite: Suite,
    client_random: [u8; 32],
    sides: PerDirection<Side>,
}

/// The record header.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], &u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

/// A handshake message (RFC 8446 §4).
#[must_use]
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], &len[1..], body].concat()
}

/// P_hash (RFC 5246 §5).
fn prf(sha384: bool, secret: &[u8], seed: &[u8], len: usize) -> Vec<u8> {
    let sum = |bytes: &[u8]| -> Vec<u8> {
        if sha384 {
            Hmac::<Sha384>::new_from_slice(secret).unwrap().chain_update(bytes).finalize().into_bytes().to_vec()
        } else {
            Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(bytes).finalize().into_bytes().to_vec()
        }
    };
    let (mut out, mut a) = (Vec::new(), sum(seed));
    while out.len() < len {
        out.extend(sum(&[a.as_slice(), seed].concat()));
        a = sum(&a);
    }
    out.truncate(len);
    out
}

/// HKDF-Expand-Label (RFC 8446 §7.1).
fn expand(sha384: bool, secret: &[u8], label: &[u8], len: usize) -> Vec<u8> {
    let info =
        [&u16::try_from(len).unwrap().to_be_bytes()[..], &[6 + u8::try_from(label.len()).unwrap()], b"tls13 ", label, &[0]]
            .concat();
    let mut out = vec![0; len];
    if sha384 {
        Hkdf::<Sha384>::from_prk(secret).unwrap().expand(&info, &mut out).unwrap();
    } else {
        Hkdf::<Sha256>::from_prk(secret).unwrap().expand(&info, &mut out).unwrap();
    }
    out
}

impl Suite {
    const fn key_len(&self) -> usize {
        match self.bulk {
            Bulk::Gcm(len) => len,
            Bulk::ChaCha => 32,
            Bulk::Cbc { .. } => 16,
        }
    }

    fn cipher(&self, key: &[u8], mac: &[u8]) -> Cipher {
        match self.bulk {
            Bulk::Gcm(16) => Cipher::Gcm128(Box::new(Aes128Gcm::new_from_slice(key).unwrap())),
            Bulk::Gcm(_) => Cipher::Gcm256(Box::new(Aes256Gcm::new_from_slice(key).unwrap())),
            Bulk::ChaCha => Cipher::ChaCha(Box::new(ChaCha20Poly1305::new_from_slice(key).unwrap())),
            Bulk::Cbc { sha256, etm } => Cipher::Cbc(Box::new(Aes128::new_from_slice(key).unwrap()), mac.to_vec(), sha256, etm),
        }
    }

    fn side13(&self, secret: Vec<u8>) -> Side {
        let cipher = self.cipher(&expand(self.sha384, &secret, b"key", self.key_len()), &[]);
        Side { cipher, iv: expand(self.sha384, &secret, b"iv", 12), sequence: 0, secret }
    }

    fn secret(&self, number: u8) -> Vec<u8> {
        vec![number; if self.sha384 { 48 } else { 32 }]
    }
}

impl Session {
    /// A session of this number: its randoms and secrets are made from it.
    #[must_use]
    pub fn new(suite: Suite, number: u8) -> Self {
        let client_random = [number; 32];
        let sides = if suite.tls13 {
            PerDirection { to_server: suite.side13(suite.secret(1)), to_client: suite.side13(suite.secret(2)) }
        } else {
            let (mac, iv) = match suite.bulk {
                Bulk::Gcm(_) => (0, 4),
                Bulk::ChaCha => (0, 12),
                Bulk::Cbc { sha256, .. } => (if sha256 { 32 } else { 20 }, 0),
            };
            let key = suite.key_len();
            let seed = [&b"key expansion"[..], &[0x55; 32], &client_random].concat();
            let block = prf(suite.sha384, &[0x77; 48], &seed, 2 * (mac + key + iv));
            let side = |at: usize| {
                let part = |from: usize, len: usize| &block[from + at * len..][..len];
                let cipher = suite.cipher(part(2 * mac, key), part(0, mac));
                Side { cipher, iv: part(2 * (mac + key), iv).to_vec(), sequence: 0, secret: Vec::new() }
            };
            PerDirection { to_server: side(0), to_client: side(1) }
        };
        Self { suite, client_random, sides }
    }

    /// Lines of a key log (RFC 9850).
    #[must_use]
    pub fn key_log(&self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = |label: &str, secret: &[u8]| format!("{label} {} {}\n", hex(&self.client_random), hex(secret));
        if !self.suite.tls13 {
            return line("CLIENT_RANDOM", &[0x77; 48]);
        }
        let labels = [
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
        ];
        labels.iter().zip(1..).map(|(label, number)| line(label, &self.suite.secret(number))).collect()
    }

    /// All up to the first application data: hellos, changes of keys, and messages in the place of Finished.
    #[must_use]
    pub fn handshake(&mut self) -> Vec<(Direction, Vec<u8>)> {
        let id = self.suite.id.to_be_bytes();
        let client = [
            &[3, 3][..],
            &self.client_random,
            &[0, 0, 2],
            &id,
            &[1, 0],
            if self.suite.tls13 { &[0, 7, 0, 43, 0, 3, 2, 3, 4][..] } else { &[0, 4, 0, 22, 0, 0] },
        ];
        let etm = matches!(self.suite.bulk, Bulk::Cbc { etm: true, .. });
        let extensions: &[u8] = match (self.suite.tls13, etm) {
            (true, _) => &[0, 6, 0, 43, 0, 2, 3, 4],
            (_, true) => &[0, 4, 0, 22, 0, 0],
            _ => &[],
        };
        let server = [&[3, 3][..], &[0x55; 32], &[0], &id, &[0], extensions];
        let mut up = record(22, &message(1, &client.concat()));
        let mut down = record(22, &message(2, &server.concat()));
        let (up_ccs, down_ccs) = (record(20, &[1]), record(20, &[1]));
        down.extend(down_ccs);
        down.extend(self.seal(Direction::ToClient, 22, &message(20, &[0; 12])));
        let mut end = up_ccs;
        end.extend(self.seal(Direction::ToServer, 22, &message(20, &[0; 12])));
        if self.suite.tls13 {
            self.sides.to_server = self.suite.side13(self.suite.secret(3));
            self.sides.to_client = self.suite.side13(self.suite.secret(4));
        }
        vec![(Direction::ToServer, std::mem::take(&mut up)), (Direction::ToClient, down), (Direction::ToServer, end)]
    }

    /// The next keys of a side (RFC 8446 §7.2): what a KeyUpdate brings about.
    pub fn update(&mut self, direction: Direction) {
        if self.suite.tls13 {
            let secret = expand(self.suite.sha384, &self.sides.get(direction).secret, b"traffic upd", self.suite.secret(0).len());
            *self.sides.get_mut(direction) = self.suite.side13(secret);
        }
    }

    /// A record of this type.
    #[must_use]
    pub fn seal(&mut self, direction: Direction, kind: u8, content: &[u8]) -> Vec<u8> {
        let tls13 = self.suite.tls13;
        let side = self.sides.get_mut(direction);
        let number = side.sequence.to_be_bytes();
        side.sequence += 1;
        if let Cipher::Cbc(cipher, mac, sha256, etm) = &side.cipher {
            return seal_cbc(cipher, mac, *sha256, *etm, number, kind, content);
        }
        let mut body = content.to_vec();
        if tls13 {
            body.push(kind);
        }
        let explicit = !tls13 && side.iv.len() == 4;
        let mut nonce = [0; 12];
        if explicit {
            nonce[..4].copy_from_slice(&side.iv);
            nonce[4..].copy_from_slice(&number);
        } else {
            nonce.copy_from_slice(&side.iv);
            nonce[4..].iter_mut().zip(number).for_each(|(byte, count)| *byte ^= count);
        }
        let associated = if tls13 {
            [&[23, 3, 3], &u16::try_from(body.len() + 16).unwrap().to_be_bytes()[..]].concat()
        } else {
            [&number[..], &[kind, 3, 3], &u16::try_from(body.len()).unwrap().to_be_bytes()].concat()
        };
        let tag = match &side.cipher {
            Cipher::Gcm128(aead) => aead.encrypt_inout_detached(&nonce.into(), &associated, body.as_mut_slice().into()).unwrap(),
            Cipher::Gcm256(aead) => aead.encrypt_inout_detached(&nonce.into(), &associated, body.as_mut_slice().into()).unwrap(),
            Cipher::ChaCha(aead) => aead.encrypt_inout_detached(&nonce.into(), &associated, body.as_mut_slice().into()).unwrap(),
            Cipher::Cbc(..) => unreachable!("sealed above"),
        };
        let in_front: &[u8] = if explicit { &number } else { &[] };
        record(if tls13 { 23 } else { kind }, &[in_front, &body, &tag].concat())
    }
}

fn seal_cbc(cipher: &Aes128, mac: &[u8], sha256: bool, etm: bool, number: [u8; 8], kind: u8, content: &[u8]) -> Vec<u8> {
    let sum = |bytes: &[u8]| -> Vec<u8> {
        let text = [&number[..], &[kind, 3, 3], &u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
        if sha256 {
            Hmac::<Sha256>::new_from_slice(mac).unwrap().chain_update(text).finalize().into_bytes().to_vec()
        } else {
            Hmac::<Sha1>::new_from_slice(mac).unwrap().chain_update(text).finalize().into_bytes().to_vec()
        }
    };
    let mut body = content.to_vec();
    if !etm {
        body.extend(sum(content));
    }
    let padding = 15 - body.len() % 16;
    body.resize(body.len() + padding + 1, u8::try_from(padding).unwrap());
    let iv = [number, number].concat();
    let (blocks, _) = aes::cipher::array::Array::<u8, U16>::slice_as_chunks_mut(&mut body);
    cbc::Encryptor::inner_iv_init(cipher.clone(), iv.as_slice().try_into().unwrap()).encrypt_blocks(blocks);
    let mut sealed = [iv, body].concat();
    if etm {
        let tag = sum(&sealed);
        sealed.extend(tag);
    }
    record(kind, &sealed)
}
