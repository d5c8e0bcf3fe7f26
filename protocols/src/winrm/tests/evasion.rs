//! Ways to say the same that a reader may miss. Each must be read as a server reads it.

use super::*;
use crate::winrm::anomaly;
use crate::winrm::psrp::{CREATE_PIPELINE, PIPELINE_INPUT};

const EVIL: &str = "Invoke-Inert -From evasion";

fn pipeline_bytes(script: &str) -> Vec<u8> {
    message(CREATE_PIPELINE, &create_pipeline(&pipeline_part(script, true, "")))
}

/// A request of a command of PowerShell in a shell, with an id of its own.
fn in_shell(shell: &str, id: &str, fragments: &[u8]) -> String {
    pipeline_command(fragments).replace(">S0<", &format!(">{shell}<")).replace("\"C0\"", &format!("\"{id}\""))
}

fn send_in(shell: &str, id: &str, fragments: &[u8]) -> String {
    send(fragments).replace(">S0<", &format!(">{shell}<")).replace("\"C0\"", &format!("\"{id}\""))
}

fn texts(recorder: &Recorder) -> Vec<String> {
    commands(recorder).into_iter().map(|(_, text)| text).collect()
}

/// Requests, each answered.
fn turns(requests: &[String]) -> Script {
    requests.iter().flat_map(|request| [(C, post("", request)), (S, response("200", ""))]).collect()
}

fn line_is_read(body: &[u8], kind: &str) {
    let recorder = said(vec![(C, post_as(kind, "", body))]);
    assert_eq!((texts(&recorder), recorder.anomalies()), (vec![EVIL.to_owned()], vec![]), "{}", String::from_utf8_lossy(body));
}

#[test]
fn whatever_xml_allows_is_read() {
    let soap = "application/soap+xml;charset=UTF-8";
    let plain = command(&format!("<rsp:Command>{EVIL}</rsp:Command>"));
    let same = [
        plain.replace("rsp:", "q_-1.x:").replace("xmlns:rsp", "xmlns:q_-1.x").replace("s:Body", "Z:Body"),
        plain.replace("<rsp:Command>", "<Command\n xmlns='x' a = \"&gt;\">").replace("</rsp:Command>", "</Command >"),
        plain.replace("Invoke", "In<!-- > -->vo<?x y?>ke"),
        plain.replace("Invoke", "<![CDATA[Inv]]>o<![CDATA[ke]]>"),
        plain.replace("Invoke", "&#73;&#x6e;v&#0000111;&#x0000006B;e"),
        format!("<?xml version='1.0' encoding='utf-8' standalone='yes'?><!-- /s:Envelope -->\n{plain}\n<!-- -->"),
        format!("\u{feff}{plain}"),
        // Padding of other names, in every place that takes some.
        plain.replace("<s:Header>", &format!("<s:Header>{}", "<a/>".repeat(20_000))),
        plain.replace("<s:Header>", &format!("{}<s:Header>", "<a><b x='y'>z</b></a>".repeat(9_000))),
        plain.replace("<s:Body>", &format!("<s:Body>{}", "<a/>".repeat(20_000))),
        plain.replace("<rsp:CommandLine>", &format!("<rsp:CommandLine>{}", "<a/>".repeat(20_000))),
        plain.replace("<s:Envelope", &format!("<s:Envelope{}", " a=''".repeat(20_000))),
        plain.replace("<s:Header>", &format!("<s:Header>{}", "<!---->".repeat(20_000))),
        plain.replace("<s:Header>", &format!("<s:Header>{}", "<?a?>".repeat(20_000))),
    ];
    for body in same {
        let recorder = run(&[(C, post("", &body))]);
        let head: String = body.chars().take(300).collect();
        assert_eq!((texts(&recorder), recorder.anomalies()), (vec![EVIL.to_owned()], vec![]), "{head}");
    }
    // UTF-16 with and without its mark, whatever the type says.
    for body in [plain.clone(), format!("\u{feff}{plain}"), format!("\r\n{plain}")] {
        for kind in [soap, "application/soap+xml;charset=UTF-16", "application/soap+xml", "text/html; charset=iso-8859-1"] {
            line_is_read(&body.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(), kind);
            line_is_read(&body.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>(), kind);
        }
    }
}

#[test]
fn whatever_http_allows_is_read() {
    let plain = command(&format!("<rsp:Command>{EVIL}</rsp:Command>"));
    let wide: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let request = |target: &str, fields: &str, body: &[u8]| {
        let head = format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Type: APPLICATION/soap+xml; a=b\r\n{fields}\r\n\r\n");
        vec![(C, [head.as_bytes(), body].concat())]
    };
    let length = |body: &[u8]| format!("Content-Length: {}", body.len());
    let body = plain.as_bytes();
    for target in ["/WSMan", "/wsman?PSVersion=5.1", "/%77sman", "http://h:5985/wsman", "//wsman", "/x/../wsman", "/other"] {
        assert_eq!(texts(&said(request(target, &length(body), body))), [EVIL], "{target}");
        assert_eq!(texts(&said(request(target, &length(&wide), &wide))), [EVIL], "{target}");
    }
    // The body comes when the server says so.
    let mut waits = request("/wsman", &format!("Expect: 100-continue\r\n{}", length(body)), b"");
    waits.extend([(S, b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()), (C, body.to_vec()), (S, command_response("X"))]);
    let recorder = said(waits);
    assert_eq!(texts(&recorder), [EVIL]);
    assert_eq!(text(&object(told(&recorder).last().unwrap(), "reply"), "command_id"), "X");
    // Compressed, and in pieces of one byte.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, body).unwrap();
    let packed = packed.finish().unwrap();
    let mut chunks = Vec::new();
    for byte in &packed {
        chunks.extend(b"1;x=y\r\n");
        chunks.push(*byte);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    let recorder = run(&request("/wsman", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked", &chunks));
    assert_eq!(texts(&recorder), [EVIL]);
}

#[test]
fn shells_on_one_connection_do_not_touch_each_other() {
    // The same number of an object in two shells, and in two commands of one.
    let (one, two) = (pipeline_bytes("Get-Date"), pipeline_bytes(EVIL));
    let parts = |blob: &[u8]| {
        let (head, tail) = blob.split_at(blob.len() / 2);
        [fragment(1, 0, 1, head), fragment(1, 1, 2, tail)]
    };
    let ([a, b], [c, d]) = (parts(&one), parts(&two));
    for (shell, id) in [("S1", "C1"), ("S0", "C1")] {
        let requests = [in_shell("S0", "C0", &a), in_shell(shell, id, &c), send_in("S0", "C0", &b), send_in(shell, id, &d)];
        let recorder = run(&turns(&requests));
        assert_eq!((texts(&recorder), recorder.anomalies()), (vec!["Get-Date".to_owned(), EVIL.to_owned()], vec![]));
        // All at once.
        let at_once: Vec<u8> = requests.iter().flat_map(|request| post("", request)).collect();
        assert_eq!(texts(&run(&[(C, at_once)])).len(), 2);
    }
    // The server numbers the command: the client says its number in Send only.
    let unnamed = in_shell("S0", "C0", &c).replace(" CommandId=\"C0\"", "");
    assert_eq!(texts(&run(&turns(&[unnamed, send_in("S0", "FROM-SERVER", &d)]))), [EVIL]);
}

#[test]
fn interleaved_objects_and_large_numbers_are_followed() {
    let (one, two) = (pipeline_bytes("Get-Date"), pipeline_bytes(EVIL));
    let mut mixed = Vec::new();
    for (number, (a, b)) in one.chunks(40).zip(two.chunks(40)).enumerate() {
        mixed.extend(fragment(u64::MAX, number as u64, u8::from(number == 0), a));
        mixed.extend(fragment(1 << 63, number as u64, u8::from(number == 0), b));
    }
    let count = one.chunks(40).len().min(two.chunks(40).len());
    mixed.extend(fragment(u64::MAX, count as u64, 2, &one[(count * 40).min(one.len())..]));
    mixed.extend(fragment(1 << 63, count as u64, 2, &two[(count * 40).min(two.len())..]));
    assert_eq!(texts(&run(&turns(&[pipeline_command(&mixed)]))), ["Get-Date", EVIL]);
    // Numbers that do not begin at zero, up to the last one.
    let (head, tail) = two.split_at(50);
    let high = [fragment(2, u64::MAX - 1, 1, head), fragment(2, u64::MAX, 2, tail)].concat();
    assert_eq!(texts(&run(&turns(&[pipeline_command(&high)]))), [EVIL]);
}

#[test]
fn what_begins_again_is_read_as_receivers_do() {
    let (decoy, evil) = (pipeline_bytes("Get-Date"), pipeline_bytes(EVIL));
    let (head, tail) = evil.split_at(evil.len() / 2);
    // An object that is begun, and begun again under its number: what came before is forgotten by the receiver.
    let again = [fragment(5, 0, 1, &decoy), fragment(5, 0, 1, head), fragment(5, 1, 2, tail)].concat();
    let recorder = run(&turns(&[pipeline_command(&again)]));
    assert!(texts(&recorder).contains(&EVIL.to_owned()), "{:?}", texts(&recorder));
    assert_eq!(recorder.anomalies(), [anomaly::FRAGMENT_CONFLICT]);
    let again = [fragment(5, 0, 1, head), fragment(5, 1, 0, b"junk"), fragment(5, 0, 1, head), fragment(5, 1, 2, tail)].concat();
    assert!(texts(&run(&turns(&[pipeline_command(&again)]))).contains(&EVIL.to_owned()));
}

#[test]
fn fragments_of_one_byte_are_a_pipeline() {
    let blob = pipeline_bytes(&format!("{}{EVIL}", " ".repeat(9_000)));
    let last = blob.len() - 1;
    let tiny = |number: usize| {
        let flags = u8::from(number == 0) | if number == last { 2 } else { 0 };
        fragment(4, number as u64, flags, &blob[number..=number])
    };
    let all: Vec<u8> = (0..=last).flat_map(tiny).collect();
    let recorder = run(&turns(&[pipeline_command(&all)]));
    assert_eq!(recorder.anomalies(), [""; 0]);
    assert!(contents(&recorder).iter().any(|(_, text)| text.ends_with(EVIL)));
}

#[test]
fn a_fragment_that_is_divided_is_joined_as_receivers_do() {
    let whole = fragment(6, 0, 3, &pipeline_bytes(EVIL));
    for at in [1, 20, 21, 22, 100, whole.len() - 1] {
        let (head, tail) = whole.split_at(at);
        let (middle, end) = tail.split_at(tail.len() / 2);
        let requests = [pipeline_command(head), send(middle), send(end)];
        let recorder = run(&turns(&requests));
        assert_eq!(texts(&recorder).last().map(String::as_str), Some(EVIL), "{at}: {:?}", texts(&recorder));
        assert!(recorder.anomalies().contains(&anomaly::BAD_FRAGMENT), "{at}");
    }
    // A length that nothing keeps: what is there is told, what follows it is not taken for a fragment.
    let mut endless = whole.clone();
    endless[17] = 0xff;
    let recorder = run(&turns(&[pipeline_command(&endless), send(&whole)]));
    assert_eq!(texts(&recorder), [EVIL]);
    assert!(recorder.anomalies().contains(&anomaly::FRAGMENT_LIMIT));
}

#[test]
fn an_object_longer_than_the_cap_is_read_in_parts() {
    let limits = crate::contract::Limits { max_envelope: 64 * 1024, ..Default::default() };
    let blob = pipeline_bytes(&format!("{}{EVIL}", "# padding\n".repeat(20_000)));
    let pieces: Vec<&[u8]> = blob.chunks(20_000).collect();
    let requests: Vec<String> = (0..pieces.len())
        .map(|number| {
            let flags = u8::from(number == 0) | if number == pieces.len() - 1 { 2 } else { 0 };
            send(&fragment(8, number as u64, flags, pieces[number]))
        })
        .collect();
    let (mut recorder, mut driver) = (Recorder::default(), crate::driver::Driver::new(limits));
    for (direction, bytes) in turns(&requests) {
        driver.data(direction, &bytes, &mut recorder);
        assert!(driver.buffered() < 300_000, "{}", driver.buffered());
    }
    crate::testing::close(&mut driver, &mut recorder);
    assert!(recorder.anomalies().contains(&anomaly::FRAGMENT_LIMIT));
    assert!(!recorder.anomalies().iter().any(|event| crate::winrm::is_violation(event)), "{:?}", recorder.anomalies());
    assert!(contents(&recorder).iter().any(|(_, text)| text.contains(EVIL)));
}

#[test]
fn compressed_streams_are_read() {
    // Blocks as they are, and one of [MS-XCA] 2.4: its first signs, then a copy.
    let blocks = |bytes: &[u8]| -> Vec<u8> {
        let one = |block: &[u8]| {
            let len = u16::try_from(block.len() - 1).unwrap().to_le_bytes();
            [&len[..], &len, block].concat()
        };
        bytes.chunks(300).flat_map(one).collect()
    };
    let evil = fragment(1, 0, 3, &pipeline_bytes(EVIL));
    assert_eq!(texts(&said(turns(&[send(&blocks(&evil))]))), [EVIL]);
    // Fragments whose numbers make them look like blocks.
    let size = u16::try_from(evil.len() - 5).unwrap().to_le_bytes();
    let mut disguised = evil.clone();
    disguised[..4].copy_from_slice(&[size, size].concat());
    assert!(crate::winrm::streams::expanded(&disguised, 1 << 20).is_some());
    assert_eq!(texts(&said(turns(&[send(&disguised)]))), [EVIL]);
    let input = |bytes: &[u8]| {
        let body =
            format!("<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"C0\">{}</rsp:Stream></rsp:Send>", BASE64.encode(bytes));
        envelope(&format!("{SHELL}/Send"), CMD, &selector("S0"), &body)
    };
    assert_eq!(texts(&said(turns(&[input(&blocks(EVIL.as_bytes()))]))), [EVIL]);
    let flags = (1_u32 << 28).to_le_bytes();
    let packed = [&flags[..], b"abc", &[2 << 3 | 6, 0]].concat();
    let block = [&[11, 0, packed.len() as u8 - 1, 0][..], &packed].concat();
    assert_eq!(texts(&said(turns(&[input(&block)]))), ["abcabcabcabc"]);
}

#[test]
fn lines_of_input_are_read_over_several_requests() {
    let input = |text: &str| {
        let stream = BASE64.encode(text.as_bytes());
        let body = format!("<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"C0\">{stream}</rsp:Stream></rsp:Send>");
        envelope(&format!("{SHELL}/Send"), CMD, &selector("S0"), &body)
    };
    let recorder = run(&turns(&[input("ver\r\nInvoke-In"), input("ert -From "), input("evasion\r\n"), input("dir\r\n")]));
    assert_eq!(texts(&recorder).get(2..), Some(&["Invoke-Inert -From evasion\r\n".to_owned(), "dir\r\n".to_owned()][..]));
}

#[test]
fn pipelines_in_the_opening_of_a_shell_and_input_of_any_kind_are_read() {
    let opening = |bytes: &[u8]| {
        let body = format!("<rsp:Shell><creationXml xmlns=\"p\">{}</creationXml></rsp:Shell>", BASE64.encode(bytes));
        envelope("http://schemas.xmlsoap.org/ws/2004/09/transfer/Create", POWERSHELL, "", &body)
    };
    let evil = fragment(1, 0, 3, &pipeline_bytes(EVIL));
    assert_eq!(texts(&said(turns(&[opening(&evil)]))), [EVIL]);
    // Under a name that is not PowerShell's.
    assert_eq!(texts(&said(turns(&[opening(&evil).replace(POWERSHELL, "http://x/own")]))), [EVIL]);
    let signs: String = EVIL.chars().map(|sign| format!("<C>{}</C>", u32::from(sign))).collect();
    let data = format!("<Obj RefId=\"0\"><LST>{signs}</LST></Obj>");
    // Input, arguments of the pool, answers of the host.
    for kind in [PIPELINE_INPUT, 0x0001_0004, 0x0002_1101, 0x0004_1101] {
        for data in [format!("<Obj RefId=\"0\"><MS><S N=\"x\">{EVIL}</S></MS></Obj>"), data.clone(), format!("<XD>{EVIL}</XD>")] {
            let recorder = said(turns(&[send(&fragment(1, 0, 3, &message(kind, &data)))]));
            assert_eq!(texts(&recorder), [EVIL], "{kind:x}");
            // What pools are made with is ordinary, and in no record.
            let of_record = list(&told(&recorder)[1], "commands").len();
            assert_eq!(of_record, usize::from(kind != 0x0001_0004));
        }
        // Deeper, and behind more, than is read: as it stands.
        let deep = format!("{}<S>{EVIL}", "<Obj>".repeat(100));
        let recorder = run(&turns(&[send(&fragment(1, 0, 3, &message(kind, &deep)))]));
        assert!(texts(&recorder)[0].contains(EVIL), "{kind:x}");
    }
    // The end of a pipeline whose beginning went another way.
    let (_, tail) = evil.split_at(evil.len() - 500);
    let recorder = run(&turns(&[send(&fragment(1, 7, 2, tail))]));
    assert!(texts(&recorder)[0].contains(EVIL));
    assert_eq!(recorder.anomalies(), [anomaly::FRAGMENTS_LOST]);
}

#[test]
fn base64_with_odd_ends_and_a_command_behind_another_name_are_read() {
    let evil = fragment(1, 0, 3, &pipeline_bytes(EVIL));
    let text = BASE64.encode(&evil);
    let odd = pipeline_command(&evil).replace(&text, &format!("\r\n {}\t", text.replace("AAAA", "AA AA")));
    assert_eq!(texts(&said(turns(&[odd]))), [EVIL]);
    // A command of cmd.exe that says it is PowerShell's, with arguments that are no fragments.
    let line =
        command("<rsp:Command>cmd</rsp:Command><rsp:Arguments>/c whoami &amp; ver</rsp:Arguments>").replace(CMD, POWERSHELL);
    assert_eq!(texts(&said(turns(&[line]))), ["cmd /c whoami & ver"]);
    // More commands than are listed.
    let many: Vec<u8> = (0..30).flat_map(|number| fragment(number, 0, 3, &pipeline_bytes("Get-Date"))).collect();
    let recorder = run(&turns(&[pipeline_command(&[many, fragment(99, 0, 3, &pipeline_bytes(EVIL))].concat())]));
    assert!(contents(&recorder).iter().any(|(_, text)| text.contains(EVIL)));
}

#[test]
fn fragments_before_their_turn_leave_nothing_behind() {
    let blob = pipeline_bytes(EVIL);
    let pieces: Vec<&[u8]> = blob.chunks(9).collect();
    let last = pieces.len() - 1;
    let part = |number: usize| {
        let flags = u8::from(number == 0) | if number == last { 2 } else { 0 };
        fragment(3, number as u64, flags, pieces[number])
    };
    // All but the end is there when the beginning comes.
    let early: Vec<u8> = (1..last).flat_map(part).chain(part(0)).chain(part(last)).collect();
    let recorder = run(&turns(&[pipeline_command(&early)]));
    assert_eq!((texts(&recorder), recorder.anomalies()), (vec![EVIL.to_owned()], vec![]));
}
