//! Seed corpora: short, made from the captures of `pcaps/`, the conversations of `protocols/fixtures` and `testkit`.

mod windows;

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use backstop_capture::packet::flags::{ACK, FIN, PSH, RST, SYN, URG};
use backstop_protocols::PROTOCOLS;
use backstop_testkit::fixture::{self, Script};
use backstop_testkit::frame::{Frame, fragments};
use backstop_testkit::nrbf::{self, Stream, Value};
use backstop_testkit::{Conversation, Rng, delivery, pcap, traffic};
use backstop_types::{Direction, Endpoint};

use crate::{
    dcerpc, files, frames, http, nrtp, parser, pgsql, reassembly, smb, split, tds, tls_hello, tls_sealed, tls_session, winrm,
};

/// Longer seeds slow every run that begins from them.
const MAX_SEED: usize = 6 * 1024;

/// Texts of every kind that the normaliser knows.
const SQL: [&str; 10] = [
    "EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'xp_cmdshell', 1; RECONFIGURE",
    "exec/**/master..[xp_cmdshell] N'who' + CHAR(97) + 0x6d6900",
    "DECLARE @c nvarchar(99) = N'xp_' ; SET @c = @c + 'cmdshell' ; EXEC (@c + ' ''dir''')",
    "DECLARE @o int; EXEC sp_OACreate 'WScript.Shell', @o OUT; EXEC sp_OAMethod @o, 'Run', NULL, 'cmd /c ver'",
    "CREATE ASSEMBLY [a] FROM 0x4D5A90000300 WITH PERMISSION_SET = UNSAFE",
    "EXEC msdb.dbo.sp_add_jobstep @job_name=N'j', @subsystem=N'CmdExec', @command=N'whoami'",
    "COPY t FROM PROGRAM 'id; uname -a'; CREATE FUNCTION f() RETURNS int AS $$ import os $$ LANGUAGE plpython3u",
    "DO $x$ BEGIN EXECUTE 'COPY t TO PROGRAM ' || quote_literal(E'id\\x20-a') ; END $x$; SELECT U&'\\0061', '''' -- end",
    "EXEC sp_executesql N'EXEC sp_executesql N''EXEC xp_cmdshell @p'', N''@p varchar(9)'', @p = ''id'''",
    "SELECT REPLACE('xp_Zmdshell','Z','c'), REVERSE('llehs'), CONCAT('a', 'b'), NCHAR(0x63) /* a /* b */ c */ FROM [t]]x]",
];

struct Writer {
    folder: PathBuf,
    files: usize,
    bytes: usize,
}

impl Writer {
    fn add(&mut self, target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.folder.join(target);
        std::fs::create_dir_all(&folder)?;
        self.files += 1;
        self.bytes += bytes.len();
        std::fs::write(folder.join(name), bytes)
    }
}

/// Writes all seeds below a folder, one folder a target; gives their number and size.
///
/// # Errors
/// A capture or fixture cannot be read, or the folder cannot be written.
pub fn write(folder: &Path) -> io::Result<(usize, usize)> {
    let mut out = Writer { folder: folder.to_owned(), files: 0, bytes: 0 };
    captured_frames(&mut out)?;
    built_frames(&mut out)?;
    segments(&mut out)?;
    for (name, script) in fixture::all("") {
        conversation(&mut out, &name, &script)?;
        windows::envelopes(&mut out, &name, &script)?;
        windows::formatter_streams(&mut out, &name, &script)?;
        tds_messages(&mut out, &name, &script)?;
        pgsql_messages(&mut out, &name, &script)?;
    }
    windows::smb_talks(&mut out)?;
    for (name, script) in fixture::all("smb_") {
        windows::smb_messages(&mut out, &name, &script)?;
    }
    for (name, script) in fixture::all("rpc_") {
        windows::rpc_pdus(&mut out, &name, &script)?;
    }
    http_messages(&mut out)?;
    windows::winrm_messages(&mut out)?;
    dns_messages(&mut out)?;
    windows::remoting(&mut out)?;
    hellos(&mut out)?;
    sealed(&mut out)?;
    edits(&mut out)?;
    keys(&mut out)?;
    pieces(&mut out)?;
    for (number, text) in SQL.iter().enumerate() {
        out.add("sql_text", &format!("{number}"), text.as_bytes())?;
    }
    for (number, text) in crate::indicators::SEEDS.iter().enumerate() {
        out.add("indicators", &format!("{number}"), text.as_bytes())?;
    }
    for (number, text) in crate::content::SEEDS.iter().enumerate() {
        for kind in 0..3_u8 {
            let wide = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let bytes: Vec<u8> = if kind == 0 && number % 2 == 0 { wide } else { text.as_bytes().to_vec() };
            out.add("content", &format!("{number}_{kind}"), &[&[kind], &*bytes].concat())?;
        }
    }
    Ok((out.files, out.bytes))
}

/// Files in pieces: in order, shuffled, over each other, with holes, far away.
fn pieces(out: &mut Writer) -> io::Result<()> {
    for number in 0..12_u8 {
        let mut rng = Rng::new(u64::from(number));
        let mut seed = vec![number];
        let mut order: Vec<u16> = (0..20).collect();
        if number % 2 == 1 {
            delivery::shuffle_within(&mut order, rng.between(1, 20), &mut rng);
        }
        for (count, place) in order.iter().enumerate() {
            let file = if number < 4 { 0 } else { *rng.pick(&[0, 0, 0, 1, files::SMB]) };
            let away = if number > 8 && rng.chance(10) { *rng.pick(&[files::FAR, files::END]) } else { 0 };
            let over = if count == 19 { files::COMPLETE } else { 0 };
            let mut bytes = [0; 24];
            rng.fill(&mut bytes);
            let [low, high] = (place * 20).to_le_bytes();
            let len = if number == 2 { 16 } else { bytes.len() as u8 };
            seed.extend([file | away | over, low, high, len]);
            seed.extend(&bytes[..usize::from(len)]);
        }
        out.add("files", &format!("{number:02}"), &seed)?;
    }
    Ok(())
}

fn captured_frames(out: &mut Writer) -> io::Result<()> {
    let area = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps/veeam");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(area)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    cases.sort();
    // Other containers than pcap are read by other targets.
    for case in cases.into_iter().filter(|case| case.join("input.pcap").is_file()) {
        let (link_type, records) = pcap::read(&std::fs::read(case.join("input.pcap"))?)?;
        let Some(choice) = frames::LINK_TYPES.iter().position(|known| u32::try_from(*known) == Ok(link_type)) else { continue };
        let mut seed = vec![choice as u8];
        for record in &records {
            if seed.len() + record.bytes.len() > MAX_SEED / 2 {
                break;
            }
            split::push(&mut seed, 0, &record.bytes);
        }
        out.add("frames", &case.file_name().unwrap().to_string_lossy(), &seed)?;
    }
    Ok(())
}

fn built_frames(out: &mut Writer) -> io::Result<()> {
    let v4 = |last, port| Endpoint::new(Ipv4Addr::new(192, 0, 2, last).into(), port);
    let v6 = |last, port| Endpoint::new(Ipv4Addr::new(192, 0, 2, last).to_ipv6_mapped().into(), port);
    let plain = Frame::new(v4(1, 1_000), v4(2, 53));
    let datagram = plain.udp(&[0x55; 64]);
    let mut cases: Vec<(&str, u8, Vec<Vec<u8>>)> = vec![
        ("vlan", 0, vec![Frame { vlan: vec![1, 2, 3], ..plain.clone() }.udp(b"tagged")]),
        ("ipv6", 0, vec![Frame::new(v6(1, 1_000), v6(2, 53)).udp(b"six")]),
        ("vxlan", 0, vec![plain.vxlan(7, &datagram)]),
        ("fragments", 0, fragments(&datagram, 24)),
        ("raw_ip", 4, vec![datagram[14..].to_vec()]),
        ("loopback", 1, vec![[&[2, 0, 0, 0], &datagram[14..]].concat()]),
        ("cooked", 6, vec![[&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0], &datagram[14..]].concat()]),
        ("cooked2", 9, vec![[&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &datagram[14..]].concat()]),
        ("ppp", 10, vec![[&[0xff, 3, 0, 0x21], &datagram[14..]].concat()]),
        ("mpls", 0, vec![[&datagram[..12], &[0x88, 0x47, 0, 1, 0x01, 64], &datagram[14..]].concat()]),
        ("pppoe", 0, vec![[&datagram[..12], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 94, 0, 0x21], &datagram[14..]].concat()]),
    ];
    // Tunnels directly on IP: GRE, ERSPAN II, IP-in-IP, 6in4. The checksum is put right by the target.
    let outer = |proto: u8, inner: &[u8]| {
        let len = u16::try_from(20 + inner.len()).unwrap().to_be_bytes();
        let header = [0x45, 0, len[0], len[1], 0, 1, 0, 0, 64, proto, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        vec![[&datagram[..14], &header, inner].concat()]
    };
    let six = Frame::new(v6(1, 1_000), v6(2, 53)).udp(b"six")[14..].to_vec();
    cases.push(("gre", 0, outer(47, &[&[0x20, 0, 8, 0, 0, 0, 0, 9], &datagram[14..]].concat())));
    cases.push((
        "erspan",
        0,
        outer(47, &[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0, 1, 0, 0, 0, 0], &datagram[..]].concat()),
    ));
    cases.push(("ipip", 0, outer(4, &datagram[14..])));
    cases.push(("six_in_four", 0, outer(41, &six)));
    for (name, choice, parts) in cases {
        let mut seed = vec![choice];
        parts.iter().for_each(|part| split::push(&mut seed, 0, part));
        out.add("frames", name, &seed)?;
    }
    let mut talk = Conversation::new(v4(1, 50_000), v4(2, 80), (1, 2));
    talk.mss = 40;
    let turns = traffic::http(&mut Rng::new(1), 90);
    let segments = delivery::retransmit(&talk.script(&turns), 30, &mut Rng::new(2));
    let mut seed = vec![0];
    for segment in &segments {
        split::push(&mut seed, 0, &talk.frame(segment));
    }
    out.add("frames", "http", &seed)
}

fn segments(out: &mut Writer) -> io::Result<()> {
    let step = |kind: u8, seq: i16, len: u8, ack: i16, flags: u8, extra: u8| {
        let ([a, b], [c, d]) = (seq.to_le_bytes(), ack.to_le_bytes());
        [kind, a, b, len, c, d, flags, extra]
    };
    for number in 0..12_u8 {
        let mut rng = Rng::new(u64::from(number));
        let strict = number < 6;
        let mode = if strict { reassembly::STRICT } else { reassembly::HANDSHAKE } | number << 3;
        let mut seed = vec![mode, number.wrapping_mul(40), 0xff, 0];
        let mut order: Vec<i16> = (0..16).collect();
        delivery::shuffle_within(&mut order, rng.between(1, 16), &mut rng);
        for place in order {
            let mut kind = if rng.chance(20) { reassembly::TO_CLIENT } else { 0 };
            if rng.chance(10) {
                kind |= reassembly::WAIT;
            }
            if !strict && rng.chance(25) {
                kind |= *rng.pick(&[reassembly::OTHER, reassembly::TAGGED, reassembly::COPY, reassembly::LONG]);
            }
            let flags = *rng.pick(&[ACK, ACK | PSH, ACK | URG, ACK | FIN, RST, SYN, SYN | ACK]);
            let flags = if strict || rng.chance(80) { ACK } else { flags };
            seed.extend(step(kind, place * 20 - rng.below(8) as i16, 28, 0, flags, rng.word() as u8));
        }
        seed.extend(step(0, 320, 0, 0, ACK | FIN, 0));
        seed.extend(step(1, 0, 0, 321, ACK | FIN, 0));
        out.add("reassembly", &format!("{number:02}"), &seed)?;
    }
    Ok(())
}

fn op(direction: Direction) -> u8 {
    if direction == Direction::ToServer { 0 } else { parser::TO_CLIENT }
}

/// A conversation for a known protocol (each in turn), and for the probes; one with gaps.
fn conversation(out: &mut Writer, name: &str, script: &Script) -> io::Result<()> {
    let (protocol, suffix) = if name.starts_with("nmf_") { (0, "known") } else { (PROTOCOLS.len() as u8, "probed") };
    for (choice, gaps, suffix) in [(protocol, false, suffix), (PROTOCOLS.len() as u8, true, "gaps")] {
        let mut seed = vec![choice, if gaps { parser::SMALL | 20 } else { 7 }];
        for (number, (direction, bytes)) in script.iter().enumerate() {
            let gap = if gaps && number % 4 == 3 { parser::GAP | 5 << 3 } else { 0 };
            let room = (if gaps { MAX_SEED / 3 } else { MAX_SEED }).saturating_sub(seed.len());
            if room < 16 {
                break;
            }
            split::push(&mut seed, op(*direction) | gap, bytes.get(..room).unwrap_or(bytes));
        }
        out.add("parser", &format!("{name}_{suffix}"), &seed)?;
    }
    Ok(())
}

/// The packets of a TDS conversation; headers away, the target adds them. Behind TLS there are none.
fn tds_messages(out: &mut Writer, name: &str, script: &Script) -> io::Result<()> {
    if !name.starts_with("tds_") || name.starts_with("tds_tls_") {
        return Ok(());
    }
    let mut seed = vec![if name.ends_with('1') { tds::SMALL } else { 0 }, 40];
    'turns: for (direction, bytes) in script {
        let mut rest = bytes.as_slice();
        while let [kind, status, high, low, ..] = *rest {
            let len = usize::from(u16::from_be_bytes([high, low]));
            let (Some(packet), Some(op)) = (rest.get(tds::HEADER..len), tds::op(kind, op(*direction) != 0, status & 1 != 0))
            else {
                break;
            };
            if seed.len() + packet.len() > MAX_SEED {
                break 'turns;
            }
            split::push(&mut seed, op, packet);
            rest = &rest[len..];
        }
    }
    out.add("tds", name, &seed)?;
    seed[0] |= tds::SMP;
    out.add("tds", &format!("{name}_smp"), &seed)
}

/// Small messages in every coding: what the encoders of the tests wrote.
fn http_messages(out: &mut Writer) -> io::Result<()> {
    const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x4e\x49\x4d\x4b\x04\x00\x81\x36\x68\x9d\x07\0\0\0";
    const BR: &[u8] =
        b"\x1b\x3f\x01\xf8\x45\x4f\x96\xea\x75\x29\x28\x1d\x33\xdb\xe7\x41\x2c\x18\x03\xa8\x8e\x26\xe5\x48\xd5\xde\xbc\x01";
    const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x64\x40\x00\xbd\x00\x00\x80Hello, codings! \x01\x00\x5a\x46\x9d\x4b\xad\x1c\x42\xb7";
    let bodies =
        [("", b"abc".as_slice()), ("gzip", GZIP), ("deflate", &GZIP[10..19]), ("br", BR), ("zstd", ZSTD), ("gzip, br", BR)];
    for (coding, body) in bodies {
        for chunked in [false, true] {
            let mut seed = vec![if chunked { http::SMALL } else { 0 }, 30];
            for (to_client, fields) in
                [(false, "Expect: 100-continue\r\nX: a\r\n b"), (true, "Content-Range: bytes 0-2/9\r\nETag: x")]
            {
                let op = http::op(to_client, chunked, coding).ok_or_else(|| io::Error::other("no such coding"))?;
                split::push(&mut seed, op, &[fields.as_bytes(), b"\r\n\r\n", body].concat());
            }
            let name = if coding.is_empty() { "plain".to_owned() } else { coding.replace(", ", "_") };
            out.add("http", &format!("{name}_{}", if chunked { "chunked" } else { "whole" }), &seed)?;
        }
    }
    for (number, turns) in HTTP.iter().enumerate() {
        let mut seed = vec![http::RAW, 20];
        for (direction, text) in *turns {
            split::push(&mut seed, op(*direction), text);
        }
        out.add("http", &format!("raw_{number}"), &seed)?;
    }
    Ok(())
}

/// Conversations that are more than messages one after the other.
const HTTP: [&[(Direction, &[u8])]; 5] = [
    &[
        (Direction::ToServer, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\n"),
        (Direction::ToClient, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n"),
    ],
    &[
        (Direction::ToServer, b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n"),
        (Direction::ToClient, b"HTTP/1.1 200 OK\r\n\r\n"),
        (Direction::ToServer, b"BACKSTOP-ECHO/1\nab\n"),
        (Direction::ToClient, b"ab\n"),
    ],
    &[
        (Direction::ToServer, b"POST / HTTP/1.0\r\nContent-Length : 5\r\nContent-Length: 5\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0x0\n\r\n"),
        (Direction::ToClient, b"HTTP/1.0 206 P\r\nContent-Range: bytes 0-2/3\r\nContent-Disposition: a; filename*=u''%41\r\n\r\nabc"),
    ],
    &[(
        Direction::ToServer,
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 141\r\n\r\n--b\r\nContent-Disposition: \
          form-data; name=f; filename=\"a.ps1\"\r\n\r\none\r\n--bc\r\n--b \t\r\nContent-Disposition: x;\r\n filename*=u''%41\r\n\r\ntwo\r\n--b--\r\n",
    )],
    &[(Direction::ToServer, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0")],
];

/// A query and its answers of several types, with pointers.
fn dns_messages(out: &mut Writer) -> io::Result<()> {
    const QUERY: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\xff\0\x01";
    const HEAD: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x02\0\0\0\0\x01a\x07example\0\0\xff\0\x01";
    const ANSWERS: [(&str, &[u8]); 6] = [
        ("a", b"\xc0\x0c\0\x01\0\x01\0\0\0\x09\0\x04\xc0\0\x02\x01"),
        ("cname", b"\xc0\x0c\0\x05\0\x01\0\0\0\x09\0\x04\x01b\xc0\x0e"),
        ("txt", b"\xc0\x0c\0\x10\0\x01\0\0\0\x09\0\x05\x01a\x02bc"),
        ("srv", b"\xc0\x0c\0\x21\0\x01\0\0\0\x09\0\x08\0\x01\0\x02\0\x35\xc0\x0c"),
        ("soa", b"\xc0\x0c\0\x06\0\x01\0\0\0\x09\0\x18\xc0\x0c\xc0\x0c\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05"),
        ("sshfp", b"\xc0\x0c\0\x2c\0\x01\0\0\0\x09\0\x04\x04\x02\xab\xcd"),
    ];
    for (name, answer) in ANSWERS {
        let mut seed = vec![7];
        split::push(&mut seed, op(Direction::ToServer), QUERY);
        split::push(&mut seed, op(Direction::ToClient), &[HEAD, answer, answer].concat());
        out.add("dns", name, &seed)?;
    }
    Ok(())
}

/// The messages of a PostgreSQL conversation; headers away, the target adds them.
fn pgsql_messages(out: &mut Writer, name: &str, script: &Script) -> io::Result<()> {
    if !name.starts_with("pgsql_") || name.starts_with("pgsql_tls_") {
        return Ok(());
    }
    let mut seed = vec![0, 40];
    'turns: for (direction, bytes) in script {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let to_client = op(*direction) != 0;
            // A startup packet, an answer of one byte, or a message.
            let (kind, from) = match rest[0] {
                0 => (0, 0),
                b'N' | b'S' if to_client && rest.len() == 1 => (0, 0),
                kind => (kind, 1),
            };
            let (start, end) = match rest.get(from..from + 4) {
                Some(len) if rest.len() > 1 => (from + 4, from + u32::from_be_bytes([len[0], len[1], len[2], len[3]]) as usize),
                _ => (0, rest.len()),
            };
            let (Some(body), Some(op)) = (rest.get(start..end), pgsql::op(kind, to_client)) else { break };
            if seed.len() + body.len() > MAX_SEED {
                break 'turns;
            }
            split::push(&mut seed, op, body);
            rest = &rest[end..];
        }
    }
    out.add("pgsql", name, &seed)
}

fn hellos(out: &mut Writer) -> io::Result<()> {
    for number in 0..3_u8 {
        let mut seed = vec![tls_hello::RAW, number * 30];
        for (direction, bytes) in traffic::tls(&mut Rng::new(u64::from(number)), 300) {
            split::push(&mut seed, op(direction), bytes.get(..900).unwrap_or(&bytes));
        }
        out.add("tls_hello", &format!("whole_{number}"), &seed)?;
        let script = traffic::tls(&mut Rng::new(u64::from(number) + 9), 0);
        let mut seed = vec![0, number];
        // Record and message headers away: the target adds them.
        for (kind, (direction, bytes)) in [(1 << 1, &script[0]), (2 << 1, &script[1])] {
            split::push(&mut seed, kind | op(*direction), &bytes[9..bytes.len().min(200)]);
        }
        out.add("tls_hello", &format!("bodies_{number}"), &seed)?;
    }
    Ok(())
}

/// Name, suite, and the parts of a talk.
type Talk<'a> = (&'a str, u8, &'a [(u8, &'a [u8])]);

/// A short talk in every suite: data, an alert, messages behind the handshake, a fault, a gap, late keys.
fn sealed(out: &mut Writer) -> io::Result<()> {
    use tls_sealed::{BROKEN, GAP, LATE, MESSAGE, RAW, TO_CLIENT, UPDATE};
    let (data, handshake, alert) = (3 << 1, 2 << 1, 1 << 1);
    let line = b"BACKSTOP-ECHO/1\nfirst\n".as_slice();
    let talks: [Talk<'_>; 7] = [
        ("data", 3, &[(data, line), (data | TO_CLIENT, b"1/OHCE"), (alert, b"\x01\x00")]),
        (
            "update",
            9,
            &[(handshake | MESSAGE | UPDATE, b"\x18\x00"), (data, line), (handshake | MESSAGE | TO_CLIENT, b"\x04ticket")],
        ),
        ("broken", 40, &[(data, line), (data | BROKEN, line), (data | TO_CLIENT, line)]),
        ("gap", 1, &[(data, line), (data | GAP, line), (data, line)]),
        ("late", LATE | 5, &[(data, line), (data | TO_CLIENT, line), (alert | TO_CLIENT, b"\x02\x28")]),
        ("again", 20, &[(handshake | MESSAGE, b"\x00"), (0, b"\x01"), (data, line)]),
        ("raw", 6, &[(RAW, b"\x15\x03\x03\x00\x02\x02\x28"), (data, line)]),
    ];
    for suite in 0..10_u8 {
        for (name, size, talk) in talks {
            let mut seed = vec![suite, size];
            talk.iter().for_each(|(op, part)| split::push(&mut seed, *op, part));
            out.add("tls_sealed", &format!("{suite}_{name}"), &seed)?;
        }
    }
    Ok(())
}

/// Edits of each recorded session: of hellos, of the record header, of what is sealed.
fn edits(out: &mut Writer) -> io::Result<()> {
    for session in 0..8_u8 {
        let edits: [(&str, u8, &[u8]); 5] = [
            ("none", 0, b""),
            ("version", 0, b"\x01\x00\x09\x03\x02"),
            ("turned", tls_session::TURN, b"\x04\x00\x20\x01"),
            ("inserted", tls_session::INSERT, b"\x03\x00\x05\x00\x00"),
            ("removed", tls_session::REMOVE, b"\x05\x00\x00....."),
        ];
        for (name, op, edit) in edits {
            let mut seed = vec![session, 30 + session];
            split::push(&mut seed, op, edit);
            out.add("tls_session", &format!("{session}_{name}"), &seed)?;
        }
    }
    Ok(())
}

fn keys(out: &mut Writer) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocols/fixtures");
    for name in ["tls13_echo.keylog", "tls12_echo_gcm.keylog", "nmf_tls12_rsa_0.pem"] {
        let mut seed = vec![29];
        seed.extend(std::fs::read(folder.join(name))?);
        out.add("tls_keys", name, &seed)?;
    }
    for (number, text) in [
        "# a comment\r\n\nCLIENT_RANDOM zz 00\nEXPORTER_SECRET 00 00\n",
        "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
        "-----BEGIN PRIVATE KEY-----\nMDA=\n-----END PRIVATE KEY-----\n",
    ]
    .iter()
    .enumerate()
    {
        out.add("tls_keys", &format!("{number}"), &[&[3], text.as_bytes()].concat())?;
    }
    Ok(())
}
