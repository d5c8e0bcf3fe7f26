//! Payloads that look like what a network carries: for benches and the floor comparison. No attack in any of them.

use backstop_types::Direction;

use crate::fixture::Script;
use crate::rng::Rng;

/// Words of logs, source code and documents.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "the", "of", "and", "to", "in", "is", "that", "for", "with", "as", "on", "be", "at", "by", "this", "have", "from", "or",
    "one", "had", "not", "but", "what", "all", "were", "when", "we", "there", "can", "an", "your", "which", "their", "server",
    "backup", "repository", "request", "return", "value", "string", "error", "warning", "info", "connection", "session",
    "status", "public", "private", "const", "class", "function", "import", "result", "true", "false", "null", "data", "file",
    "path", "index", "page", "content", "length", "encoding", "update", "version", "system", "process", "service", "storage",
    "volume", "snapshot", "restore", "2026-01-14", "10:22:07", "0x00", "200", "404", "192.168.1.20", "<div>", "</div>",
    "\"name\":", "{", "}", "==", "/var/log",
];

/// Text of words and lines.
pub fn text(rng: &mut Rng, len: usize, out: &mut Vec<u8>) {
    let end = out.len() + len;
    while out.len() < end {
        out.extend_from_slice(rng.pick(WORDS).as_bytes());
        out.push(if rng.chance(8) { b'\n' } else { b' ' });
    }
    out.truncate(end);
}

/// What a file transfer carries: text, compressed-looking, zero-filled, UTF-16 and table-like stretches of 1 to 16 KiB.
pub fn mixed(rng: &mut Rng, len: usize, out: &mut Vec<u8>) {
    let end = out.len() + len;
    let mut words = Vec::new();
    while out.len() < end {
        let stretch = rng.between(1 << 10, 16 << 10).min(end - out.len());
        let from = out.len();
        match rng.below(10) {
            0..=3 => text(rng, stretch, out),
            4..=6 => {
                out.resize(from + stretch, 0);
                rng.fill(&mut out[from..]);
            }
            7 => {
                words.clear();
                text(rng, stretch.div_ceil(2), &mut words);
                out.extend(words.iter().flat_map(|byte| [*byte, 0]).take(stretch));
            }
            8 => out.resize(from + stretch, 0),
            _ => {
                // Rows of little-endian numbers, as databases and executables have them.
                let mut number = rng.word() as u32;
                while out.len() < from + stretch {
                    out.extend_from_slice(&number.to_le_bytes());
                    number = number.wrapping_add(rng.below(64) as u32);
                }
                out.truncate(from + stretch);
            }
        }
    }
}

/// A request and its reply of HTTP/1.1.
pub fn http(rng: &mut Rng, body: usize) -> Script {
    let request = format!(
        "GET /{}/{}?id={} HTTP/1.1\r\nHost: app{}.example.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n\
         Accept-Encoding: gzip\r\nCookie: sid={:016x}\r\nConnection: close\r\n\r\n",
        rng.pick(WORDS).trim_matches('/'),
        rng.pick(WORDS).trim_matches('/'),
        rng.below(100_000),
        rng.below(50),
        rng.word()
    );
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {body}\r\n\
         Connection: close\r\n\r\n"
    )
    .into_bytes();
    text(rng, body, &mut reply);
    vec![(Direction::ToServer, request.into_bytes()), (Direction::ToClient, reply)]
}

/// A TLS record (RFC 8446 §5.1) around these bytes.
fn tls_record(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("at most 2^14 bytes");
    [&[kind, 3, 3], len.to_be_bytes().as_slice(), body].concat()
}

/// A handshake message (RFC 8446 §4).
fn tls_handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("24 bits").to_be_bytes();
    tls_record(22, &[&[kind], &len[1..], body].concat())
}

/// Something with the outside of TLS 1.3: hellos with a server name, then records nobody can read, `bytes` to the client.
pub fn tls(rng: &mut Rng, bytes: usize) -> Script {
    let mut random = |len: usize| {
        let mut out = vec![0; len];
        rng.fill(&mut out);
        out
    };
    let name = b"intranet.example.test";
    let mut server_name = vec![0, 0];
    for extra in [5, 3] {
        server_name.extend_from_slice(&((name.len() + extra) as u16).to_be_bytes());
    }
    server_name.push(0);
    server_name.extend_from_slice(&(name.len() as u16).to_be_bytes());
    server_name.extend_from_slice(name);
    let versions = [0, 43, 0, 5, 4, 3, 4, 3, 3];
    let groups = [0, 10, 0, 6, 0, 4, 0, 29, 0, 23];
    let extensions = [server_name.as_slice(), &versions, &groups].concat();
    let suites = [0, 8, 0x13, 0x01, 0x13, 0x02, 0xc0, 0x2f, 0xc0, 0x30];
    let extensions_len = (extensions.len() as u16).to_be_bytes();
    let client_hello = [&[3, 3], random(32).as_slice(), &[0], &suites, &[1, 0], &extensions_len, &extensions].concat();
    let server_hello = [&[3, 3], random(32).as_slice(), &[0, 0x13, 0x01, 0, 0, 6, 0, 43, 0, 2, 3, 4]].concat();
    let mut reply = tls_handshake(2, &server_hello);
    reply.extend(tls_record(20, &[1]));
    reply.extend(tls_record(23, &random(2_400)));
    let mut finished = tls_record(20, &[1]);
    finished.extend(tls_record(23, &random(53)));
    finished.extend(tls_record(23, &random(420)));
    let mut data = Vec::new();
    let mut left = bytes;
    while left > 0 {
        let len = left.min(16 << 10);
        data.extend(tls_record(23, &random(len)));
        left -= len;
    }
    vec![
        (Direction::ToServer, tls_handshake(1, &client_hello)),
        (Direction::ToClient, reply),
        (Direction::ToServer, finished),
        (Direction::ToClient, data),
    ]
}

/// Something with the outside of SMB 2 ([MS-SMB2] 2.2.1): bulk reads of `bytes` altogether.
pub fn smb(rng: &mut Rng, bytes: usize) -> Script {
    let message = |command: u8, id: u64, reply: bool, body: &[u8]| {
        let mut header = vec![0; 64];
        header[..4].copy_from_slice(b"\xfeSMB");
        header[4] = 64;
        header[12] = command;
        header[16] = u8::from(reply);
        header[24..32].copy_from_slice(&id.to_le_bytes());
        let len = u32::try_from(64 + body.len()).expect("24 bits").to_be_bytes();
        [len.as_slice(), &header, body].concat()
    };
    let mut script = vec![
        (Direction::ToServer, message(0, 0, false, &[36, 0, 1, 0, 1, 0, 0, 0, 0x7f, 0, 0, 0])),
        (Direction::ToClient, message(0, 0, true, &[65; 120])),
    ];
    let mut left = bytes;
    let mut id = 1;
    while left > 0 {
        let len = left.min(64 << 10);
        script.push((Direction::ToServer, message(8, id, false, &[49; 49])));
        let mut body = vec![17, 0, 80, 0];
        mixed(rng, len, &mut body);
        script.push((Direction::ToClient, message(8, id, true, &body)));
        left -= len;
        id += 1;
    }
    script
}

/// A DNS query and its answer (RFC 1035 §4).
pub fn dns(rng: &mut Rng) -> (Vec<u8>, Vec<u8>) {
    let id = (rng.word() as u16).to_be_bytes();
    let host = format!("host{}", rng.below(10_000));
    let mut question = vec![u8::try_from(host.len()).expect("short")];
    question.extend_from_slice(host.as_bytes());
    question.extend_from_slice(b"\x07example\x04test\x00\x00\x01\x00\x01");
    let query = [id.as_slice(), &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &question].concat();
    let answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 2, rng.word() as u8];
    let reply = [id.as_slice(), &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], &question, &answer].concat();
    (query, reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_the_length_asked_for_and_repeat() {
        let make = |seed| {
            let mut out = Vec::new();
            mixed(&mut Rng::new(seed), 100_000, &mut out);
            out
        };
        assert_eq!(make(1).len(), 100_000);
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
        let len = |script: Script| script.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        let mut rng = Rng::new(9);
        assert!(len(http(&mut rng, 3_000)) > 3_000);
        assert!(len(tls(&mut rng, 50_000)) > 50_000);
        assert!(len(smb(&mut rng, 200_000)) > 200_000);
        assert_eq!(dns(&mut rng).0[..2].len(), 2);
    }
}
