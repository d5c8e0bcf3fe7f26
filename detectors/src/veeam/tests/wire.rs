//! Sessions of TLS inside net.tcp, written byte by byte: the lengths are those of the specifications, the ciphertext is zeros.

use backstop_protocols::testing::Script;
use backstop_types::Direction;

pub const UP: Direction = Direction::ToServer;
pub const DOWN: Direction = Direction::ToClient;
pub const VIA: &str = "net.tcp://vbr01.example.lan:9401/";

/// A way to protect records: version, suite, whether the server agreed to encrypt-then-MAC, and how long a fragment gets.
#[derive(Clone, Copy)]
pub struct Tls {
    pub version: u16,
    pub suite: u16,
    pub etm: bool,
    pub fragment: fn(usize) -> usize,
}

const fn tls(version: u16, suite: u16, etm: bool, fragment: fn(usize) -> usize) -> Tls {
    Tls { version, suite, etm, fragment }
}

/// Content and padding (at least its length byte) in blocks.
const fn blocks(content: usize, block: usize) -> usize {
    (content / block + 1) * block
}

/// RFC 2246, 5246, 5288, 6655, 7366, 7905, 8446: what becomes of a content.
pub const ALL: [Tls; 19] = [
    tls(0x0301, 0xc014, false, |n| blocks(n + 20, 16)),
    tls(0x0301, 0x002f, true, |n| blocks(n, 16) + 20),
    tls(0x0301, 0x000a, false, |n| blocks(n + 20, 8)),
    tls(0x0301, 0x0005, false, |n| n + 20),
    tls(0x0302, 0x0035, false, |n| 16 + blocks(n + 20, 16)),
    tls(0x0302, 0xc013, true, |n| 16 + blocks(n, 16) + 20),
    tls(0x0303, 0x002f, false, |n| 16 + blocks(n + 20, 16)),
    tls(0x0303, 0xc027, false, |n| 16 + blocks(n + 32, 16)),
    tls(0x0303, 0xc028, false, |n| 16 + blocks(n + 48, 16)),
    tls(0x0303, 0xc028, true, |n| 16 + blocks(n, 16) + 48),
    tls(0x0303, 0xc030, false, |n| n + 24),
    tls(0x0303, 0x009c, true, |n| n + 24),
    tls(0x0303, 0xc09d, false, |n| n + 24),
    tls(0x0303, 0xc0ae, false, |n| n + 16),
    tls(0x0303, 0xcca8, false, |n| n + 16),
    tls(0x0304, 0x1301, false, |n| n + 17),
    tls(0x0304, 0x1302, false, |n| n + 17),
    tls(0x0304, 0x1303, false, |n| n + 17),
    tls(0x0304, 0x1305, false, |n| n + 9),
];

/// AES-256-GCM of TLS 1.2 and of TLS 1.3.
pub const GCM12: Tls = ALL[10];
pub const GCM13: Tls = ALL[16];

fn vector16(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16).to_be_bytes()[..], body].concat()
}

pub fn u16s(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &vector16(body)].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    record(22, &[&[kind], &(body.len() as u32).to_be_bytes()[1..], body].concat())
}

/// A ClientHello, as a record; extensions as they stand on the wire.
pub fn client_hello(version: u16, suites: &[u16], extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let extensions: Vec<u8> = extensions.iter().flat_map(|(kind, data)| [u16s(&[*kind]), vector16(data)].concat()).collect();
    let head = [u16s(&[version]), vec![7; 32], vec![0], vector16(&u16s(suites)), vec![1, 0]].concat();
    handshake(1, &[head, vector16(&extensions)].concat())
}

pub fn server_hello(tls: Tls) -> Vec<u8> {
    let mut extensions = Vec::new();
    if tls.version == 0x0304 {
        extensions.extend(u16s(&[43, 2, 0x0304]));
    }
    if tls.etm {
        extensions.extend(u16s(&[22, 0]));
    }
    let head = [u16s(&[tls.version.min(0x0303)]), vec![9; 32], vec![0], u16s(&[tls.suite]), vec![0]].concat();
    handshake(2, &[head, vector16(&extensions)].concat())
}

/// [MC-NMF] §2.2.3: version, duplex, Via, known encoding 8, upgrade.
pub fn preamble(via: &str) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 1, 2, 2, via.len() as u8];
    bytes.extend_from_slice(via.as_bytes());
    bytes.extend_from_slice(&[3, 8, 9, 19]);
    bytes.extend_from_slice(b"application/ssl-tls");
    bytes
}

/// The session up to the handshake's end.
pub fn opening(tls: Tls, via: &str) -> Script {
    let groups = [vector16(&u16s(&[29, 23, 24])), vec![1, 0]];
    let [groups, formats] = groups;
    let mut extensions = vec![(10, groups), (11, formats), (0xff01, vec![0])];
    if tls.version == 0x0304 {
        extensions.insert(2, (43, vec![2, 3, 4]));
    }
    let mut script = vec![
        (UP, preamble(via)),
        (DOWN, vec![0x0a]),
        (UP, client_hello(tls.version.min(0x0303), &[tls.suite], &extensions)),
        (DOWN, server_hello(tls)),
    ];
    if tls.version == 0x0304 {
        // The server's flight, the client's Finished, two tickets.
        script.extend([(DOWN, data(tls, 900)), (DOWN, data(tls, 286)), (UP, data(tls, 52))]);
        script.extend([(DOWN, data(tls, 234)), (DOWN, data(tls, 234))]);
    } else {
        let finished = [record(20, &[1]), record(22, &vec![0; (tls.fragment)(16)])].concat();
        script.extend([(UP, finished.clone()), (DOWN, finished)]);
    }
    script
}

/// A record of so many bytes of content.
pub fn data(tls: Tls, content: usize) -> Vec<u8> {
    record(23, &vec![0; (tls.fragment)(content)])
}

/// A whole session: preamble end and its acknowledgement, calls, ends.
pub fn session(tls: Tls, via: &str, calls: &[(usize, usize)]) -> Script {
    let mut script = opening(tls, via);
    script.extend([(UP, data(tls, 1)), (DOWN, data(tls, 1))]);
    for &(request, reply) in calls {
        let cut =
            |content: usize| (0..content).step_by(16_384).flat_map(move |at| data(tls, (content - at).min(16_384))).collect();
        script.extend([(UP, cut(request)), (DOWN, cut(reply))]);
    }
    script.extend([(UP, data(tls, 1)), (DOWN, data(tls, 1))]);
    script
}
