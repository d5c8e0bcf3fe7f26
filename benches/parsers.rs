//! Streams to transactions: each recorded conversation through the driver in segments of 1,460 bytes, recognised by its
//! first bytes as in the sensor; and binary XML alone.

use std::hint::black_box;

use backstop_protocols::nbfse::{self, Dictionary};
use backstop_protocols::{Anomaly, AppProto, Content, Driver, Limits, Sink, Transaction, testing};
use backstop_testkit::conversation::MSS;
use backstop_testkit::fixture;
use backstop_testkit::nrbf::{self, Stream, Value, operation};
use backstop_testkit::smb::{OK, Talk};
use backstop_testkit::winrm;
use backstop_types::Direction;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Counts and forgets.
#[derive(Default)]
struct Null(u64);

impl Sink for Null {
    fn transaction(&mut self, _: &Transaction<'_>) {
        self.0 += 1;
    }
    fn anomaly(&mut self, _: Anomaly) {}
    fn content(&mut self, content: Content<'_>) {
        self.0 += content.bytes.len() as u64;
    }
    fn plaintext(&mut self, _: Direction, _: &[u8]) {}
    fn confirmed(&mut self, _: AppProto) {}
    fn in_sync(&mut self, _: AppProto, _: Direction, _: bool) {}
}

fn run(script: &testing::Script) -> u64 {
    let (mut null, mut driver) = (Null::default(), Driver::new(Limits::default()));
    for (direction, bytes) in script {
        for segment in bytes.chunks(MSS) {
            driver.data(*direction, segment, &mut null);
        }
    }
    for direction in Direction::BOTH {
        driver.close(direction, &mut null);
    }
    null.0
}

fn conversations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parsers");
    for (name, script) in fixture::all("") {
        let bytes = script.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(run(&script))));
    }
    group.finish();
}

fn binary_xml(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nbfx");
    let limits = Limits::default();
    for name in ["nmf_ordinary_0", "nmf_dotnet_2"] {
        let scripts = fixture::all(name);
        let messages: Vec<Vec<u8>> =
            scripts.iter().flat_map(|(_, script)| fixture::envelopes(script, Direction::ToServer)).collect();
        assert!(!messages.is_empty(), "{name} has no messages");
        group.throughput(Throughput::Bytes(messages.iter().map(|message| message.len() as u64).sum()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut dictionary = Dictionary::default();
                for message in &messages {
                    let start = dictionary.read_table(message, &limits).unwrap_or(message.len());
                    let _ = black_box(nbfse::read(message.get(start..).unwrap_or_default(), &dictionary, &limits));
                }
            });
        });
    }
    group.finish();
}

/// A message of a TDS server in packets of 4,096 bytes ([MS-TDS] 2.2.3.1).
fn tds_packets(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 400);
    let mut pieces = message.chunks(4_088).peekable();
    while let Some(piece) = pieces.next() {
        let len = ((piece.len() + 8) as u16).to_be_bytes();
        out.extend([4, u8::from(pieces.peek().is_none()), len[0], len[1], 0, 51, 1, 0]);
        out.extend_from_slice(piece);
    }
    out
}

/// Rows of an `int` and an `nvarchar` of so many bytes; of TDS, as long as they are walked value by value, and beyond.
fn tds_rows(bytes: usize, text: u16) -> Vec<u8> {
    let mut reply = vec![0x81, 2, 0, 0, 0, 0, 0, 0, 0, 0x38, 1, b'a', 0];
    reply.extend([0, 0, 0, 0, 0, 0, 0xe7, 0xff, 0x1f, 0, 0, 0, 0, 0, 1, b'b', 0]);
    while reply.len() < bytes {
        reply.extend([0xd1, 7, 0, 0, 0]);
        reply.extend(text.to_le_bytes());
        reply.resize(reply.len() + usize::from(text), b'x');
    }
    reply.extend([0xfd, 0x10, 0, 0xc1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    tds_packets(&reply)
}

/// DataRow messages of one value (PostgreSQL 55.7), then the end of the query.
fn pgsql_rows(bytes: usize, text: u32) -> Vec<u8> {
    let mut reply = b"T\0\0\0\x1a\0\x01a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0".to_vec();
    while reply.len() < bytes {
        reply.push(b'D');
        reply.extend((text + 10).to_be_bytes());
        reply.extend([0, 1]);
        reply.extend(text.to_be_bytes());
        reply.resize(reply.len() + text as usize, b'x');
    }
    reply.extend_from_slice(b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I");
    reply
}

/// Bulk rows behind a recorded login: they are stepped over, not parsed.
fn rows(criterion: &mut Criterion) {
    const MIB: usize = 1024 * 1024;
    let mut group = criterion.benchmark_group("rows");
    group.sample_size(10);
    let query = b"Q\0\0\0\x0dSELECT 1\0".to_vec();
    let batch: Vec<u8> = b"\x01\x01\0\x18\0\0\x01\0S\0E\0L\0E\0C\0T\0 \x001\0".to_vec();
    for (name, login, request, reply) in [
        ("tds_walked_100", "tds_benign_0", &batch, tds_rows(4 * MIB, 100)),
        ("tds_walked_2000", "tds_benign_0", &batch, tds_rows(4 * MIB, 2_000)),
        ("tds_beyond_100", "tds_benign_0", &batch, tds_rows(64 * MIB, 100)),
        ("pgsql_100", "pgsql_live_simple", &query, pgsql_rows(16 * MIB, 100)),
        ("pgsql_2000", "pgsql_live_simple", &query, pgsql_rows(16 * MIB, 2_000)),
    ] {
        let Some((_, login)) = fixture::all(login).into_iter().next() else { continue };
        // The end of a recorded session would be the end of this one.
        let login: testing::Script = login.into_iter().take(if name.starts_with("tds") { 4 } else { 6 }).collect();
        group.throughput(Throughput::Bytes(reply.len() as u64));
        let script: testing::Script =
            login.into_iter().chain([(Direction::ToServer, request.clone()), (Direction::ToClient, reply)]).collect();
        // A parser that gave up would be faster still.
        let said = testing::run(&script);
        let answered = said.transactions().last().is_some_and(|(_, fields)| {
            let of = |name| fields.get(name).map(|side| format!("{side:?}"));
            of("reply").is_some_and(|reply| reply.contains("result_sets") && reply.contains("\"ok\", Bool(true)"))
                || of("response").is_some_and(|response| response.contains("data_rows"))
        });
        assert!(answered, "{name}: {:?}", said.transactions().last());
        group.bench_function(name, |bencher| bencher.iter(|| black_box(run(&script))));
    }
    group.finish();
}

/// Files over SMB: a million writes of one byte, forward and at places that write over each other, and bulk data.
fn smb(criterion: &mut Criterion) {
    const MIB: usize = 1024 * 1024;
    const WRITES: u64 = 1_000_000;
    let mut group = criterion.benchmark_group("smb");
    group.sample_size(10);
    let opened = || {
        let mut talk = Talk::default();
        talk.connect(r"\\VBR01\Backups", 1, OK);
        let id = talk.create("chunks.vib", OK);
        (talk, id)
    };
    type Place = fn(u64) -> u64;
    let places: [(&str, Place); 3] =
        [("tiny_forward", |number| number), ("tiny_backward", |number| WRITES - number), ("tiny_over", |number| number % 3_000)];
    for (name, place) in places {
        let (mut talk, id) = opened();
        for number in 0..WRITES {
            talk.write(id, place(number), &[(number / 3_000) as u8], OK);
        }
        group.throughput(Throughput::Elements(WRITES));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(run(&talk.script))));
    }
    let (mut talk, id) = opened();
    let piece = vec![0x5a; MIB];
    (0..64).for_each(|number| talk.read(id, number * MIB as u64, &piece));
    // A parser that gave up would be faster still.
    assert!(run(&talk.script) > 64 * MIB as u64);
    group.throughput(Throughput::Bytes(64 * MIB as u64));
    group.bench_function("bulk_read", |bencher| bencher.iter(|| black_box(run(&talk.script))));
    group.finish();
}

/// Calls of DCE/RPC in fragments of 4,280 bytes, eight on their way at once: more would pass the cap on what waits.
fn dcerpc(criterion: &mut Criterion) {
    const FRAGMENTS: usize = 4_096;
    let mut group = criterion.benchmark_group("dcerpc");
    group.sample_size(10);
    let Some((_, bind)) = fixture::all("rpc_service").into_iter().next() else { return };
    let mut script: testing::Script = bind.into_iter().take(2).collect();
    for number in 0..FRAGMENTS {
        let flags = match number / 8 % 4 {
            0 => 1,
            3 => 2,
            _ => 0,
        };
        let mut pdu = vec![5, 0, 0, flags, 0x10, 0, 0, 0, 0xb8, 0x10, 0, 0, (number % 8) as u8, 0, 0, 0];
        pdu.extend([0, 0, 0, 0, 0, 0, 12, 0]);
        pdu.resize(4_280, b'x');
        script.push((Direction::ToServer, pdu));
    }
    // Requests, fragments put together; a parser that gave up would be faster still.
    assert!(run(&script) > FRAGMENTS as u64 * 4_000);
    group.throughput(Throughput::Bytes(FRAGMENTS as u64 * 4_280));
    group.bench_function("fragments", |bencher| bencher.iter(|| black_box(run(&script))));
    group.finish();
}

/// Remoting at its worst, each in two sizes: the rate must not depend on the size. Chunks of one byte; headers without content;
/// references from many members to one array; streams in streams; base64 in many texts.
fn remoting(criterion: &mut Criterion) {
    const URI: &str = "tcp://10.20.30.10:8000/AgentService";
    let mut group = criterion.benchmark_group("nrtp");
    group.sample_size(10);
    let up = |bytes: Vec<u8>| vec![(Direction::ToServer, bytes)];
    for factor in [1_usize, 4] {
        let text = "x".repeat(100_000);
        let call = Stream::default().call("M", "T", Some(&[&text])).end();
        let chunked = nrbf::chunked(operation::REQUEST, &nrbf::request_headers(URI), &call, 1).repeat(factor);
        let small =
            nrbf::message(operation::ONE_WAY, &[[9, 0, 0].repeat(250).as_slice(), &[0, 0]].concat(), &[]).repeat(400 * factor);
        let members: Vec<(&str, Value)> = (0..800 * factor).map(|_| ("_channelURIs", Value::Reference(7))).collect();
        let texts: Vec<Value> = (0..500 * factor).map(|number| format!("tcp://192.0.2.1:{number}").as_str().into()).collect();
        let references = Stream::default()
            .object(1, "System.Runtime.Remoting.Channels.ChannelDataStore", None, &members)
            .array(7, true, &texts)
            .end();
        let mut nested = Stream::default().bytes(1, &vec![7; 20_000 * factor]).end();
        (0..6).for_each(|_| nested = Stream::default().bytes(1, &nested).end());
        let inner = data_encoding::BASE64.encode(&nrbf::inert("Lab.A", "Lab"));
        let base64 = vec![inner.as_str(); 150 * factor];
        let base64 = Stream::default().call("M", "T", Some(&base64)).end();
        for (name, bytes) in [
            ("chunks_of_one_byte", chunked),
            ("headers", small),
            ("references", nrbf::request(URI, &references)),
            ("nested", nrbf::request(URI, &nested)),
            ("base64", nrbf::request(URI, &base64)),
        ] {
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            let script = up(bytes);
            group.bench_function(format!("{name}_{factor}"), |bencher| bencher.iter(|| black_box(run(&script))));
        }
    }
    group.finish();
}

/// Pipelines of PowerShell remoting, of one length and of four times that, whole and in fragments: the time for a byte stays the same.
fn winrm_pipelines(criterion: &mut Criterion) {
    const CREATE_PIPELINE: u32 = 0x0002_1006;
    let mut group = criterion.benchmark_group("winrm");
    for kilobytes in [150, 600] {
        let script = "Get-Date # &amp; more_x000A_".repeat(kilobytes * 1024 / 26);
        let blob = winrm::message(CREATE_PIPELINE, &winrm::create_pipeline(&winrm::pipeline_part(&script, true, "")));
        let last = blob.chunks(32 * 1024).count() - 1;
        let fragments = blob.chunks(32 * 1024).enumerate().map(|(number, piece)| {
            let flags = u8::from(number == 0) | if number == last { 2 } else { 0 };
            let fragment = winrm::fragment(1, number as u64, flags, piece);
            let request = if number == 0 { winrm::pipeline_command(&fragment) } else { winrm::send(&fragment) };
            (Direction::ToServer, winrm::post("", &request))
        });
        let whole = winrm::pipeline_command(&winrm::fragment(1, 0, 3, &blob));
        let conversations = [("whole", vec![(Direction::ToServer, winrm::post("", &whole))]), ("fragments", fragments.collect())];
        for (name, script) in conversations {
            // A parser that gave up would be faster still.
            let said = testing::run(&script);
            let is_read = said.events.iter().any(|event| {
                matches!(event, testing::Event::Content(layers, text, _) if layers.contains(&"clixml.pipeline") && text.len() > kilobytes * 500)
            });
            assert!(is_read && said.anomalies().is_empty(), "{name}: {:?}", said.anomalies());
            group.throughput(Throughput::Bytes(script.iter().map(|(_, bytes)| bytes.len() as u64).sum()));
            group.bench_function(format!("{name}_{kilobytes}k"), |bencher| bencher.iter(|| black_box(run(&script))));
        }
    }
    group.finish();
}

criterion_group!(benches, conversations, binary_xml, rows, smb, dcerpc, remoting, winrm_pipelines);
criterion_main!(benches);
