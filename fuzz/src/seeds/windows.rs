//! Seeds of what Windows hosts speak with each other: WCF and its formats, SMB, DCE/RPC, WinRM, .NET remoting.

use super::*;

/// The messages of an SMB conversation; headers away, the target adds them.
pub fn smb_messages(out: &mut Writer, name: &str, script: &Script) -> io::Result<()> {
    let mut seed = vec![if name.ends_with('1') { parser::SMALL } else { 0 }, 50];
    'turns: for (direction, bytes) in script {
        let mut rest = bytes.as_slice();
        while let [0, high, middle, low, body @ ..] = rest {
            let len = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
            let Some((mut frame, after)) = body.split_at_checked(len) else { break };
            rest = after;
            let mut related = false;
            while let Some(head) = frame.get(..24) {
                let next = u32::from_le_bytes([head[20], head[21], head[22], head[23]]) as usize;
                let next = if head[0] == 0xfe && (64..frame.len()).contains(&next) { next } else { frame.len() };
                let (message, after) = frame.split_at(next);
                let Some((op, part)) = smb::part(message, op(*direction) != 0, related) else { break };
                if seed.len() + part.len() > MAX_SEED {
                    break 'turns;
                }
                split::push(&mut seed, op, &part);
                (frame, related) = (after, true);
            }
        }
    }
    out.add("smb", name, &seed)
}

/// The PDUs of a conversation of DCE/RPC, and the same with small caps.
pub fn rpc_pdus(out: &mut Writer, name: &str, script: &Script) -> io::Result<()> {
    for (mode, suffix) in [(0, "whole"), (parser::SMALL, "small")] {
        let mut seed = vec![mode, 60];
        for (direction, bytes) in script {
            if let Some((op, part)) = dcerpc::part(bytes, op(*direction) != 0) {
                split::push(&mut seed, op, &part);
            }
        }
        out.add("dcerpc", &format!("{name}_{suffix}"), &seed)?;
    }
    Ok(())
}

/// What recorded SMB conversations do not do.
pub fn smb_talks(out: &mut Writer) -> io::Result<()> {
    use backstop_testkit::smb as talk;

    let mut files = talk::Talk::default();
    files.connect(r"\\VBR01\C$", 1, talk::OK);
    files.put(r"temp\a.ps1", b"Get-Date; Get-Process; Get-Service", 11);
    files.create("denied.ps1", talk::DENIED);
    let id = files.create("a.tmp", talk::OK);
    files.exchange(talk::command::SET_INFO, &talk::set_info(id, 10, &talk::rename("b.bat")), talk::OK, &[2, 0]);
    files.write(id, 900, b"MZ", talk::OK);
    files.get("c.txt", b"text");
    files.disconnect();
    conversation(out, "smb_files", &files.script)?;
    smb_messages(out, "smb_files", &files.script)?;
    let mut packed = talk::Talk::default();
    packed.connect(r"\\VBR01\IPC$", 2, talk::OK);
    for (algorithm, bytes) in
        [(1_u8, &b"\x03\xb0\x02x\x04\0"[..]), (2, b"\xff\xff\xff\x1fabc\x17\0\x0f\xff\x26\x01"), (3, &[0x11; 270])]
    {
        let head = [&b"\xfcSMB\x2c\x01\0\0"[..], &[algorithm, 0, 0, 0, 0, 0, 0, 0]].concat();
        packed.say(Direction::ToServer, &[[&head, bytes].concat()]);
    }
    packed.script.push((Direction::ToServer, b"\x81\0\0\x02ab\x85\0\0\0".to_vec()));
    conversation(out, "smb_compressed", &packed.script)?;
    smb_messages(out, "smb_compressed", &packed.script)
}

/// The messages of each direction of a net.tcp conversation.
pub fn envelopes(out: &mut Writer, name: &str, script: &Script) -> io::Result<()> {
    if !name.starts_with("nmf_") {
        return Ok(());
    }
    for direction in Direction::BOTH {
        let mut seed = Vec::new();
        for message in fixture::envelopes(script, direction) {
            if seed.len() + message.len() < MAX_SEED {
                split::push(&mut seed, 0, &message);
            }
        }
        if !seed.is_empty() {
            out.add("nbfx", &format!("{name}_{}", direction.as_str()), &seed)?;
        }
    }
    Ok(())
}

/// BinaryFormatter streams, from their header ([MS-NRBF] 2.6.1) on.
pub fn formatter_streams(out: &mut Writer, name: &str, script: &Script) -> io::Result<()> {
    const HEADER: &[u8] = b"\x00\x01\x00\x00\x00\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00";
    let mut number = 0;
    for (_, bytes) in script {
        let places = bytes.windows(4).enumerate().filter(|(_, window)| *window == [0, 1, 0, 0]).map(|(at, _)| at);
        for at in places.filter(|at| bytes[*at..].get(9..17) == Some(&HEADER[9..])) {
            let end = bytes.len().min(at + MAX_SEED / 2);
            out.add("nrbf", &format!("{name}_{number}"), &bytes[at..end])?;
            number += 1;
        }
    }
    if number == 0 && name == "remoting_0" {
        return Err(io::Error::other("remoting_0 holds no BinaryFormatter stream"));
    }
    Ok(())
}

/// Parts of WinRM messages, each as a request and as a response.
pub fn winrm_messages(out: &mut Writer) -> io::Result<()> {
    use backstop_testkit::winrm as kit;
    let script = kit::create_pipeline(&kit::pipeline_part("Get-Date_x000A_", true, ""));
    let arguments = kit::argument("-Name", "<S N=\"V\">a</S>") + &kit::argument("", "<Ref N=\"V\" RefId=\"11\"/>");
    let cmdlets = kit::create_pipeline(&kit::pipeline_part("Get-Item", false, &arguments));
    let blob = kit::message(0x0002_1006, &script);
    let (head, tail) = blob.split_at(blob.len() / 2);
    let fragments = [kit::fragment(1, 0, 1, head), kit::fragment(2, 0, 3, &blob), kit::fragment(1, 1, 2, tail)].concat();
    let state = kit::message(0x0004_1006, "<Obj RefId=\"0\"><MS><I32 N=\"PipelineState\">4</I32></MS></Obj>");
    let packed = kit::fragment(3, 0, 3, &kit::message(0x0004_1002, "<S>Get-Date</S>"));
    let len = (packed.len() as u16).wrapping_sub(1).to_le_bytes();
    let blocks = [&len[..], &len, &packed].concat();
    let parts: [(&str, winrm::Kind, Vec<u8>); 10] = [
        ("blocks", winrm::Kind::Stream, blocks),
        ("copied", winrm::Kind::Stream, [&[11, 0, 8, 0, 0, 0, 0, 16][..], b"abc", &[22, 0]].concat()),
        ("body", winrm::Kind::Body, kit::command("<rsp:Command>ver</rsp:Command>").into_bytes()),
        ("shell", winrm::Kind::Envelope, b"<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>".to_vec()),
        ("done", winrm::Kind::Envelope, b"<rsp:ReceiveResponse><rsp:CommandState State=\"x/Done\"><rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>".to_vec()),
        ("command", winrm::Kind::Command, b"<rsp:Command>a &amp;&#x62;</rsp:Command><rsp:Arguments><![CDATA[c]]></rsp:Arguments>".to_vec()),
        ("fragments", winrm::Kind::Fragments, fragments),
        ("state", winrm::Kind::Fragments, kit::fragment(1, 0, 3, &state)),
        ("cmdlets", winrm::Kind::Message, cmdlets.into_bytes()),
        ("fields", winrm::Kind::Fields, b"Authorization: Basic YTpi\nAuthorization: Negotiate TlRMTVNTUAADAAAA".to_vec()),
    ];
    for (name, kind, part) in parts {
        for small in [0, winrm::SMALL] {
            let mut seed = vec![small, 40];
            for to_client in [false, true] {
                let op = winrm::op(to_client, kind).ok_or_else(|| io::Error::other("no such kind"))?;
                split::push(&mut seed, op | if small == 0 { 0 } else { winrm::HOLE }, &part);
            }
            out.add("winrm", &format!("{name}{}", if small == 0 { "" } else { "_small" }), &seed)?;
        }
    }
    Ok(())
}

/// Calls of remoting, and streams that hold what detections look at: types, delegates, remote objects, streams inside.
pub fn remoting(out: &mut Writer) -> io::Result<()> {
    let inert = nrbf::inert("System.Windows.Data.ObjectDataProvider", "PresentationFramework");
    let entry = [("targetTypeName", "Lab.Program".into()), ("methodName", "Nothing".into())];
    let streams = [
        ("call", Stream::default().call("Send", "Lab.IServer, Lab", Some(&["one", "two"])).end()),
        ("inert", inert.clone()),
        ("callback", nrbf::callback("tcp://192.0.2.7:4444", "/x.rem")),
        ("bare", nrbf::bare_reference("http://192.0.2.7/x")),
        ("delegate", Stream::default().object(1, "System.DelegateSerializationHolder+DelegateEntry", None, &entry).end()),
        ("nested", Stream::default().array(1, false, &[Value::Reference(2)]).bytes(2, &inert).end()),
        ("exception", Stream::default().exception("System.InvalidOperationException").end()),
    ];
    for (number, (name, stream)) in streams.iter().enumerate() {
        out.add("nrbf", &format!("built_{name}"), stream)?;
        let records = stream.get(nrbf::HEADER.len()..stream.len() - 1).unwrap_or_default();
        let mut seed = vec![if number % 2 == 0 { 0 } else { nrtp::SMALL }, 30];
        let ops = [nrtp::RECORDS, nrtp::RECORDS | nrtp::CHUNKED | parser::TO_CLIENT, nrtp::RECORDS | nrtp::ONE_WAY];
        for op in ops {
            let headers = b"\x06\0\x01\x01\x18\0\0\0application/octet-stream\x01\0\x01\x01\0\0\0a\x01\x01\0\0\0b";
            split::push(&mut seed, op, &[headers, nrtp::BREAK, records].concat());
        }
        out.add("nrtp", name, &seed)?;
    }
    let soap = b"<s:Envelope xmlns:s=\"x\"><s:Body><i:M xmlns:i=\"http://schemas.microsoft.com/clr/nsassem/Lab.A/Lab\"><a>AAEAAAD/////AQAAAAAAAAAGAQAAAAFhCw==</a></i:M></s:Body></s:Envelope>";
    let mut seed = vec![0, 30];
    split::push(&mut seed, 0, &[nrtp::BREAK, soap].concat());
    out.add("nrtp", "soap", &seed)?;
    let mut seed = vec![nrtp::RAW, 20];
    for (op, bytes) in [
        (0, b"\x16\x01\0\0\x10NTLMSSP\0\x01\0\0\0\0\0\0\0".as_slice()),
        (parser::TO_CLIENT, b"\x14\x01\0\0\0"),
        (0, b"\x14\x01\0\0\0.NET\x01\0\0\0\0\0\0\0\0\0\0\0"),
        (parser::GAP, b"x.NET\x01\0\0\0\x01\0\0\0\0\0\0\0\r\n"),
    ] {
        split::push(&mut seed, op, bytes);
    }
    out.add("nrtp", "negotiated", &seed)
}
