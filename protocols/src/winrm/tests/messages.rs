//! Shells and their commands ([MS-WSMV] 4), credentials, faults.

use super::*;

#[test]
fn a_shell_and_a_command_are_followed_to_their_end() {
    let id = "772B44DF-2EA2-4C7F-8E2B-6A0F2A5F6B54";
    let shell = "67A74734-DD32-4F10-89DE-49A060483810";
    let create = envelope(
        "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
        CMD,
        "<w:OptionSet><w:Option Name=\"WINRS_NOPROFILE\">TRUE</w:Option></w:OptionSet>",
        "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>",
    );
    let created = envelope(
        "http://schemas.xmlsoap.org/ws/2004/09/transfer/CreateResponse",
        "",
        "",
        &format!(
            "<x:ResourceCreated xmlns:x=\"x\"><wsa:Address>a</wsa:Address><wsa:ReferenceParameters>{}</wsa:ReferenceParameters>\
             </x:ResourceCreated>",
            selector(shell)
        ),
    );
    let receive = envelope(
        &format!("{SHELL}/Receive"),
        CMD,
        &selector(shell),
        &format!("<rsp:Receive><rsp:DesiredStream CommandId=\"{id}\">stdout stderr</rsp:DesiredStream></rsp:Receive>"),
    );
    let received = envelope(
        &format!("{SHELL}/ReceiveResponse"),
        "",
        "",
        &format!(
            "<rsp:ReceiveResponse><rsp:Stream Name=\"stdout\" CommandId=\"{id}\">{}</rsp:Stream>\
             <rsp:Stream Name=\"stderr\" CommandId=\"{id}\" End=\"true\"/>\
             <rsp:CommandState CommandId=\"{id}\" State=\"{SHELL}/CommandState/Done\"><rsp:ExitCode>0</rsp:ExitCode>\
             </rsp:CommandState></rsp:ReceiveResponse>",
            BASE64.encode(b"Volume in drive C\r\n")
        ),
    );
    let signal = envelope(
        &format!("{SHELL}/Signal"),
        CMD,
        &selector(shell),
        &format!("<rsp:Signal CommandId=\"{id}\"><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>"),
    );
    let delete = envelope("http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete", CMD, &selector(shell), "");
    let empty = |name: &str| response("200", &envelope(name, "", "", ""));
    let recorder = said(vec![
        (C, post("", &create)),
        (S, response("200", &created)),
        (
            C,
            post(
                "",
                &command("<rsp:Command>dir</rsp:Command><rsp:Arguments>/s</rsp:Arguments><rsp:Arguments>c:\\x</rsp:Arguments>"),
            ),
        ),
        (S, command_response(id)),
        (C, post("", &receive)),
        (S, response("200", &received)),
        (C, post("", &signal)),
        (S, empty("SignalResponse")),
        (C, post("", &delete)),
        (S, empty("DeleteResponse")),
    ]);
    assert_eq!(recorder.anomalies(), [""; 0]);
    assert_eq!(commands(&recorder), [("line".to_owned(), "dir /s c:\\x".to_owned())]);
    let over: Vec<Fields> = told(&recorder).into_iter().filter(|fields| fields.get("reply").is_some()).collect();
    let operations: Vec<String> = over.iter().map(|fields| text(fields, "operation")).collect();
    assert_eq!(operations, ["create", "command", "receive", "signal", "delete"]);
    assert_eq!(text(&object(&over[0], "reply"), "shell_id"), shell);
    assert_eq!(text(&over[1], "shell_id"), shell);
    assert_eq!(text(&object(&over[1], "reply"), "command_id"), id);
    let state = object(&over[2], "reply");
    assert_eq!((text(&state, "state").as_str(), state.get("exit_code")), ("done", Some(&Value::Int(0))));
    assert_eq!(state.get("output_length"), Some(&Value::Uint(19)));
    assert_eq!(text(&over[3], "signal"), "terminate");
    let layers: Vec<_> = contents(&recorder).into_iter().map(|(layers, text)| (layers[0], text)).collect();
    assert_eq!(layers, [("winrm.command", "dir /s c:\\x".to_owned()), ("winrm.output", "Volume in drive C\r\n".to_owned())]);
}

#[test]
fn a_quoted_line_is_read_as_cmd_does() {
    let line = |inner: &str| commands(&run(&[(C, post("", &command(inner)))]))[0].1.clone();
    assert_eq!(line("<rsp:Command>\"ipconfig /all\"</rsp:Command>"), "ipconfig /all");
    assert_eq!(line("<rsp:Command>\"a b\" \"c d\"</rsp:Command>"), "\"a b\" \"c d\"");
    assert_eq!(line("<rsp:Command>a &amp;&amp; b<![CDATA[ & c]]></rsp:Command>"), "a && b & c");
}

#[test]
fn input_of_a_command_is_a_command_too() {
    let input = BASE64.encode(b"whoami /all\r\n");
    let body = format!("<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"X\">{input}</rsp:Stream></rsp:Send>");
    let recorder = said(vec![(C, post("", &envelope(&format!("{SHELL}/Send"), CMD, &selector("S"), &body)))]);
    assert_eq!(commands(&recorder), [("input".to_owned(), "whoami /all\r\n".to_owned())]);
}

#[test]
fn a_process_that_a_method_starts_is_a_command() {
    let uri = &wmi_class("Win32_Process");
    let call = |method: &str, body: &str| envelope(&format!("{uri}/{method}"), uri, "", body);
    let create = call("Create", "<p:Create_INPUT xmlns:p=\"u\"><p:CommandLine>calc.exe</p:CommandLine></p:Create_INPUT>");
    let created = call("CreateResponse", "<p:Create_OUTPUT xmlns:p=\"u\"><p:ReturnValue>0</p:ReturnValue></p:Create_OUTPUT>");
    let recorder = said(vec![(C, post("", &create)), (S, response("200", &created))]);
    assert_eq!(commands(&recorder), [("process".to_owned(), "calc.exe".to_owned())]);
    assert_eq!(object(&told(&recorder)[1], "reply").get("return_value"), Some(&Value::Int(0)));
    // Reading a class runs nothing.
    let get = envelope("http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate", uri, "", "<n:Enumerate xmlns:n=\"n\"/>");
    let recorder = said(vec![(C, post("", &get))]);
    assert_eq!((commands(&recorder), text(&told(&recorder)[0], "operation").as_str()), (Vec::new(), "read"));
}

#[test]
fn names_of_credentials_are_told_and_nothing_else_of_them() {
    let basic = format!("Authorization: Basic {}\r\n", BASE64.encode(b"CORP\\ann:Hunter2-Secret"));
    let recorder = said(vec![
        (C, post(&basic, &command("<rsp:Command>ver</rsp:Command>"))),
        (S, response("401", "")),
        // The next request is of the same connection, and says nothing of itself.
        (C, post("", &command("<rsp:Command>ver</rsp:Command>"))),
        (S, command_response("X")),
    ]);
    for fields in told(&recorder) {
        let of = |name: &str| text(&fields, name);
        assert_eq!((of("auth").as_str(), of("user").as_str(), of("domain").as_str()), ("basic", "ann", "CORP"));
    }
    assert_eq!(object(&told(&recorder)[1], "reply").get("status"), Some(&Value::Uint(401)));
    assert!(!debug(&recorder).contains("Hunter2"));
    // No colon: it may all be a password.
    let odd = format!("Authorization: Basic {}\r\n", BASE64.encode(b"Hunter2-Secret"));
    let recorder = said(vec![(C, post(&odd, &command("<rsp:Command>ver</rsp:Command>")))]);
    assert!(!debug(&recorder).contains("Hunter2") && debug(&recorder).contains("basic"));
}

#[test]
fn ntlm_names_are_those_of_its_last_message() {
    // [MS-NLMP] 2.2.1.3: signature, type, six fields of length, room and offset, flags, version, MIC.
    let mut token = b"NTLMSSP\0".to_vec();
    token.extend(3_u32.to_le_bytes());
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let (domain, user, host, answer) = (wide("CORP"), wide("ann"), wide("WKS-041"), b"RESPONSE-BYTES-1".to_vec());
    let mut payload = Vec::new();
    let mut field = |bytes: &[u8], token: &mut Vec<u8>| {
        let len = u16::try_from(bytes.len()).unwrap();
        token.extend(len.to_le_bytes());
        token.extend(len.to_le_bytes());
        token.extend(u32::try_from(88 + payload.len()).unwrap().to_le_bytes());
        payload.extend_from_slice(bytes);
    };
    for bytes in [&answer, &answer, &domain, &user, &host, &Vec::new()] {
        field(bytes, &mut token);
    }
    token.extend(1_u32.to_le_bytes());
    token.extend([0; 24]);
    token.extend(payload);
    let fields = format!("Authorization: Negotiate {}\r\n", BASE64.encode(&token));
    let recorder = said(vec![(C, post_as("application/soap+xml", &fields, b"")), (S, response("200", ""))]);
    let first = &told(&recorder)[0];
    let of = |name: &str| text(first, name);
    assert_eq!((of("operation").as_str(), of("auth").as_str()), ("authenticate", "ntlm"));
    assert_eq!((of("user"), of("domain"), of("workstation")), ("ann".into(), "CORP".into(), "WKS-041".into()));
    assert!(!debug(&recorder).contains("RESPONSE"));
}

#[test]
fn a_fault_is_told_with_its_code_and_reason() {
    let fault = envelope(
        "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault",
        "",
        "",
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:AccessDenied</s:Value></s:Subcode></s:Code>\
         <s:Reason><s:Text xml:lang=\"en\">Access is denied.</s:Text></s:Reason></s:Fault>",
    );
    let recorder = said(vec![(C, post("", &command("<rsp:Command>ver</rsp:Command>"))), (S, response("500", &fault))]);
    let fault = object(&object(&told(&recorder)[1], "reply"), "fault");
    assert_eq!((text(&fault, "code").as_str(), text(&fault, "reason").as_str()), ("w:AccessDenied", "Access is denied."));
}

#[test]
fn the_body_tells_what_runs_whatever_the_action_says() {
    let body = "<rsp:CommandLine><rsp:Command>one</rsp:Command></rsp:CommandLine>\
                <rsp:CommandLine><rsp:Command>two</rsp:Command></rsp:CommandLine>";
    let recorder = said(vec![(C, post("", &envelope("http://example.test/Get", CMD, "", body)))]);
    let texts: Vec<String> = commands(&recorder).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["one", "two"]);
}

#[test]
fn secrets_in_commands_are_masked() {
    let line = "<rsp:Command>net use x: \\\\h\\s /password:Hunter2 &amp; set pwd=Hunter2</rsp:Command>";
    assert!(!debug(&said(vec![(C, post("", &command(line)))])).contains("Hunter2"));
}
