//! PowerShell remoting: fragments, messages, CLIXML ([MS-PSRP] 2.2, 4).

use super::*;
use crate::contract::Limits;
use crate::driver::Driver;
use crate::winrm::anomaly;
use crate::winrm::clixml::unescape;
use crate::winrm::psrp::{CREATE_PIPELINE, PIPELINE_INPUT, PIPELINE_STATE, SESSION_CAPABILITY};

fn whole(kind: u32, data: &str) -> Vec<u8> {
    fragment(1, 0, 3, &message(kind, data))
}

fn pipeline(commands_in: &str) -> String {
    let recorder = said(vec![(C, post("", &pipeline_command(&whole(CREATE_PIPELINE, &create_pipeline(commands_in)))))]);
    assert_eq!(recorder.anomalies(), [""; 0]);
    let all = commands(&recorder);
    assert_eq!((all.len(), all[0].0.as_str()), (1, "pipeline"));
    all[0].1.clone()
}

#[test]
fn a_pool_is_opened_with_its_version() {
    // [MS-PSRP] 2.2.2.1: protocolversion, PSVersion, SerializationVersion.
    let capability = "<Obj RefId=\"0\"><MS><Version N=\"protocolversion\">2.3</Version><Version N=\"PSVersion\">2.0</Version>\
                      <Version N=\"SerializationVersion\">1.1.0.1</Version></MS></Obj>";
    let pool = "<Obj RefId=\"0\"><MS><I32 N=\"MinRunspaces\">1</I32><I32 N=\"MaxRunspaces\">1</I32></MS></Obj>";
    let both = [whole(SESSION_CAPABILITY, capability), fragment(2, 0, 3, &message(0x0001_0004, pool))].concat();
    let body = format!("<rsp:Shell><creationXml xmlns=\"p\">{}</creationXml></rsp:Shell>", BASE64.encode(&both));
    let create = envelope("http://schemas.xmlsoap.org/ws/2004/09/transfer/Create", POWERSHELL, "", &body);
    let recorder = said(vec![(C, post("", &create))]);
    let first = &told(&recorder)[0];
    let kinds: Vec<String> = list(first, "psrp").iter().map(|message| text(message, "type")).collect();
    assert_eq!(
        (kinds, text(first, "psrp_version").as_str()),
        (vec!["SESSION_CAPABILITY".into(), "INIT_RUNSPACEPOOL".into()], "2.3")
    );
    assert_eq!(text(&list(first, "psrp")[0], "runspace"), "11111111-1111-1111-1111-111111111111");
}

#[test]
fn a_script_is_told_as_it_is_written() {
    let script = "Get-Service |_x000D__x000A_  Where Status -eq &apos;Running&apos; _x005F_x0041_";
    assert_eq!(pipeline(&pipeline_part(script, true, "")), "Get-Service |\r\n  Where Status -eq 'Running' _x0041_");
}

#[test]
fn a_script_full_of_references_is_read_to_its_end() {
    let script = "&amp;&lt;&gt;_x000A_".repeat(20_000) + "IEX";
    let whole = pipeline_command(&whole(CREATE_PIPELINE, &create_pipeline(&pipeline_part(&script, true, ""))));
    let recorder = run(&[(C, post("", &whole))]);
    assert_eq!(recorder.anomalies(), [""; 0]);
    assert!(contents(&recorder)[0].1.ends_with("&<>\nIEX"));
}

#[test]
fn commands_parameters_and_pipes_are_put_together() {
    let first = pipeline_part(
        "Invoke-Expression",
        false,
        &(argument("-Command", "<Nil N=\"V\"/>") + &argument("", "<S N=\"V\">it&apos;s</S>")),
    );
    let second = pipeline_part(
        "Set-Thing",
        false,
        &[
            argument("Path:", "<S N=\"V\">C:\\a</S>"),
            argument("-Force", "<B N=\"V\">true</B>"),
            argument("Count", "<I32 N=\"V\">3</I32>"),
            argument("List", "<Obj N=\"V\" RefId=\"20\"><LST><S>a</S><I32>1</I32></LST></Obj>"),
            argument("Table", "<Obj N=\"V\" RefId=\"21\"><DCT><En><S N=\"Key\">k</S><S N=\"Value\">v</S></En></DCT></Obj>"),
            argument("Block", "<SBK N=\"V\">Get-Date</SBK>"),
            argument("Again", "<Ref N=\"V\" RefId=\"20\"/>"),
            argument("Cipher", "<SS N=\"V\">AAAA</SS>"),
        ]
        .concat(),
    );
    assert_eq!(
        pipeline(&(first + &second)),
        "Invoke-Expression -Command 'it''s' | Set-Thing -Path 'C:\\a' -Force $true -Count 3 -List @('a',1) -Table @{'k'='v';} \
         -Block {Get-Date} -Again @('a',1) -Cipher ***"
    );
    // A comment at the end of a script takes nothing of what follows.
    let script = pipeline_part("Get-Date # now", true, "") + &pipeline_part("Out-String", false, "");
    assert_eq!(pipeline(&script), "& {\nGet-Date # now\n} | Out-String");
}

#[test]
fn statements_in_extra_commands_are_read() {
    let list = |name: &str| format!("<Obj><MS><Obj N=\"Cmds\"><LST>{}</LST></Obj></MS></Obj>", pipeline_part(name, true, ""));
    let data = format!(
        "<Obj RefId=\"0\"><MS><Obj N=\"PowerShell\" RefId=\"1\"><MS><Obj N=\"Cmds\"><LST>{}</LST></Obj>\
         <Obj N=\"ExtraCmds\"><LST>{}{}</LST></Obj></MS></Obj></MS></Obj>",
        pipeline_part("one", true, ""),
        list("one"),
        list("two")
    );
    let recorder = said(vec![(C, post("", &pipeline_command(&whole(CREATE_PIPELINE, &data))))]);
    assert_eq!(commands(&recorder)[0].1, "one\ntwo");
}

#[test]
fn values_of_secret_parameters_are_left_out() {
    let part = pipeline_part("New-LocalUser", false, &argument("-Password", "<S N=\"V\">Hunter2-Secret</S>"));
    let recorder = said(vec![(C, post("", &pipeline_command(&whole(CREATE_PIPELINE, &create_pipeline(&part)))))]);
    assert!(!debug(&recorder).contains("Hunter2"), "{}", debug(&recorder));
}

#[test]
fn fragments_over_several_requests_are_one_pipeline_in_any_order() {
    let blob = message(CREATE_PIPELINE, &create_pipeline(&pipeline_part(&"Get-Date; ".repeat(200), true, "")));
    let pieces: Vec<&[u8]> = blob.chunks(700).collect();
    let last = pieces.len() - 1;
    let at = |number: usize| {
        let flags = u8::from(number == 0) | if number == last { 2 } else { 0 };
        fragment(7, number as u64, flags, pieces[number])
    };
    let other = whole(SESSION_CAPABILITY, "<Obj/>");
    let orders: [Vec<usize>; 2] = [(0..=last).collect(), std::iter::once(0).chain((1..=last).rev()).collect()];
    for order in orders {
        let mut script =
            vec![(C, post("", &pipeline_command(&[at(order[0]), other.clone()].concat()))), (S, command_response("C0"))];
        for number in &order[1..] {
            // What is sent twice counts once.
            script.push((C, post("", &send(&[at(*number), at(*number)].concat()))));
            script.push((S, response("200", &envelope("SendResponse", "", "", ""))));
        }
        let recorder = run(&script);
        // The last fragment alone is not known to be one when it comes again behind the whole.
        assert!(!recorder.anomalies().iter().any(|event| crate::winrm::is_violation(event)), "{:?}", recorder.anomalies());
        let all = commands(&recorder);
        assert_eq!((all.len(), all[0].1.len()), (1, 2000), "{order:?}");
        let scripts = contents(&recorder).into_iter().filter(|(layers, _)| layers.contains(&"clixml.pipeline"));
        assert_eq!(scripts.count(), 1);
    }
}

#[test]
fn a_fragment_that_says_two_things_is_told() {
    let blob = message(CREATE_PIPELINE, &create_pipeline(&pipeline_part("Get-Date", true, "")));
    let (head, tail) = blob.split_at(blob.len() / 2);
    let twice = [fragment(9, 0, 1, head), fragment(9, 0, 1, b"something else"), fragment(9, 1, 2, tail)].concat();
    let recorder = said(vec![(C, post("", &pipeline_command(&twice)))]);
    assert_eq!(recorder.anomalies(), [anomaly::FRAGMENT_CONFLICT]);
    assert_eq!(told(&recorder)[0].get("truncated"), Some(&Value::Bool(true)));
    // In the middle of an object the first stays.
    let (body, tail) = tail.split_at(tail.len() / 2);
    let parts = [fragment(9, 0, 1, head), fragment(9, 1, 0, body), fragment(9, 1, 0, b"x"), fragment(9, 2, 2, tail)];
    let recorder = said(vec![(C, post("", &pipeline_command(&parts.concat())))]);
    assert_eq!(recorder.anomalies(), [anomaly::FRAGMENT_CONFLICT]);
    assert_eq!(commands(&recorder)[0].1, "Get-Date");
}

#[test]
fn a_pipeline_whose_end_is_missing_is_told_as_far_as_it_goes() {
    let blob = message(CREATE_PIPELINE, &create_pipeline(&pipeline_part(&"Get-Date; ".repeat(200), true, "")));
    let recorder = said(vec![(C, post("", &pipeline_command(&fragment(3, 0, 1, &blob[..900])))), (S, command_response("C0"))]);
    assert_eq!(recorder.anomalies(), [anomaly::FRAGMENTS_LOST]);
    let (kind, text_of) = commands(&recorder).pop().unwrap();
    assert!(kind == "pipeline" && text_of.starts_with("Get-Date; Get-Date"), "{text_of}");
}

#[test]
fn a_fragment_longer_than_its_carrier_is_told() {
    let mut long = fragment(3, 0, 3, &message(CREATE_PIPELINE, &create_pipeline(&pipeline_part("Get-Date", true, ""))));
    long[20] = 0xff;
    long[19] = 0xff;
    let recorder = said(vec![(C, post("", &pipeline_command(&long)))]);
    assert_eq!(recorder.anomalies(), [anomaly::BAD_FRAGMENT]);
    assert_eq!(commands(&recorder)[0].1, "Get-Date");
}

#[test]
fn a_hole_in_the_arguments_is_nobodys_violation() {
    let script = pipeline_part(&"Get-Date; ".repeat(300), true, "");
    let request = post("", &pipeline_command(&whole(CREATE_PIPELINE, &create_pipeline(&script))));
    for at in (400..request.len() - 50).step_by(97) {
        let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
        driver.data(C, &request[..at], &mut recorder);
        driver.gap(C, 50, &mut recorder);
        driver.data(C, &request[at + 50..], &mut recorder);
        crate::testing::close(&mut driver, &mut recorder);
        let violations: Vec<_> = recorder.anomalies().into_iter().filter(|event| crate::winrm::is_violation(event)).collect();
        assert!(violations.is_empty(), "{at}: {violations:?}");
        assert!(recorder.anomalies().contains(&anomaly::MESSAGE_CUT));
    }
}

#[test]
fn input_and_state_of_a_pipeline_are_told() {
    let input = whole(PIPELINE_INPUT, "<Obj RefId=\"0\"><MS><S N=\"a\">Get-Date</S><SS N=\"b\">AAAA</SS></MS></Obj>");
    let recorder = said(vec![(C, post("", &send(&input)))]);
    assert_eq!(commands(&recorder), [("pipeline_input".to_owned(), "Get-Date".to_owned())]);

    let state = whole(PIPELINE_STATE, "<Obj RefId=\"0\"><MS><I32 N=\"PipelineState\">4</I32></MS></Obj>");
    let received = format!(
        "<rsp:ReceiveResponse><rsp:Stream Name=\"stdout\" CommandId=\"C0\">{}</rsp:Stream></rsp:ReceiveResponse>",
        BASE64.encode(&state)
    );
    let receive = envelope(&format!("{SHELL}/Receive"), POWERSHELL, "", "<rsp:Receive/>");
    let recorder = said(vec![(C, post("", &receive)), (S, response("200", &envelope("r", "", "", &received)))]);
    assert_eq!(text(&object(&told(&recorder)[1], "reply"), "pipeline_state"), "completed");
}

#[test]
fn input_in_pieces_is_one_and_more_commands_than_are_read_are_told() {
    let input = |number: u64, text: &str| fragment(number, 0, 3, &message(PIPELINE_INPUT, &format!("<S>{text}</S>")));
    let recorder = said(vec![(C, post("", &send(&[input(1, "one"), input(2, "two")].concat())))]);
    assert_eq!(commands(&recorder), [("pipeline_input".to_owned(), "one\ntwo".to_owned())]);
    let many: Vec<u8> = (0..20)
        .flat_map(|number| fragment(number, 0, 3, &message(CREATE_PIPELINE, &create_pipeline(&pipeline_part("a", true, "")))))
        .collect();
    let recorder = run(&[(C, post("", &pipeline_command(&many)))]);
    assert_eq!(recorder.anomalies(), [anomaly::MESSAGE_LIMIT]);
    assert_eq!(told(&recorder)[0].get("truncated"), Some(&Value::Bool(true)));
}

#[test]
fn too_many_objects_that_wait_give_way_and_that_is_told() {
    let mut fragments = Vec::new();
    for object in 0..200 {
        fragments.extend(fragment(object + 10, 0, 1, &message(CREATE_PIPELINE, "<Obj>")));
    }
    let recorder = run(&[(C, post("", &pipeline_command(&fragments)))]);
    assert!(recorder.anomalies().contains(&anomaly::FRAGMENT_LIMIT), "{:?}", recorder.anomalies());
}

#[test]
fn a_pipeline_of_more_nodes_than_are_read_is_handed_over_as_it_is() {
    let padding = "<Nil/>".repeat(9_000);
    let data = format!("<Obj RefId=\"0\"><MS>{padding}<S N=\"Cmd\">IEX hidden</S></MS></Obj>");
    let recorder = run(&[(C, post("", &pipeline_command(&whole(CREATE_PIPELINE, &data))))]);
    assert_eq!(recorder.anomalies(), [anomaly::MESSAGE_LIMIT]);
    assert!(contents(&recorder).iter().any(|(layers, text)| *layers == ["winrm.psrp"] && text.contains("IEX hidden")));
}

#[test]
fn escapes_are_units_of_utf_16() {
    assert_eq!(unescape("a_x000A_b"), "a\nb");
    assert_eq!(unescape("_xD83D__xDE00_"), "😀");
    assert_eq!(unescape("_x0049_E_x0058_"), "IEX");
    assert_eq!(unescape("_x_ _x00_ _xGGGG_ __x0041_ _x0041"), "_x_ _x00_ _xGGGG_ _A _x0041");
    let long = "_x004".repeat(100_000);
    assert!(unescape(&long) == long);
}
