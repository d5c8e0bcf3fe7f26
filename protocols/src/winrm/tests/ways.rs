//! The same command in ways that receivers take and a reader may not: how it is laid out.

use super::*;

const CREATE_PIPELINE: u32 = 0x0002_1006;

/// The text of the one command of a request.
fn one(request: Vec<u8>) -> String {
    let recorder = run(&[(C, request), (S, command_response("X"))]);
    let all = commands(&recorder);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].1.clone()
}

const LINE: &str = "<rsp:Command>whoami</rsp:Command><rsp:Arguments>/all</rsp:Arguments>";

#[test]
fn padding_of_other_names_takes_no_room_from_what_runs() {
    let junk = "<x:a xmlns:x=\"y\" b=\"c\">d</x:a>".repeat(20_000);
    let deep = "<q>".repeat(500) + &"</q>".repeat(500);
    let comments = "<!-- -->".repeat(40_000);
    for padding in [junk, deep, comments] {
        for body in [format!("{padding}{LINE}"), format!("{LINE}{padding}")] {
            assert_eq!(one(post("", &command(&body))), "whoami /all");
        }
        let header = envelope(&format!("{SHELL}/Command"), CMD, &padding, &format!("<rsp:CommandLine>{LINE}</rsp:CommandLine>"));
        assert_eq!(one(post("", &header)), "whoami /all");
    }
}

#[test]
fn xml_may_be_written_in_many_ways() {
    for inner in [
        "<rsp:Command><![CDATA[who]]>ami</rsp:Command><rsp:Arguments>/all</rsp:Arguments>",
        "<rsp:Command>who<!-- a -->ami</rsp:Command><rsp:Arguments>&#x2f;all</rsp:Arguments>",
        "<Command xmlns=\"z\">whoami</Command><p:Arguments xmlns:p=\"z\">/all</p:Arguments>",
        "<rsp:Command><?pi a?>whoami</rsp:Command >\n<rsp:Arguments\n>/all</rsp:Arguments>",
    ] {
        assert_eq!(one(post("", &command(inner))), "whoami /all", "{inner}");
    }
}

#[test]
fn other_encodings_of_the_body_are_read() {
    let body = command(LINE);
    let wide = |text: &str, little: bool| -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    };
    let kinds = ["application/soap+xml;charset=UTF-16", "application/soap+xml;charset=UTF-8", "text/xml"];
    for kind in kinds {
        for bytes in [
            wide(&format!("\u{feff}{body}"), true),
            wide(&format!("\u{feff}{body}"), false),
            wide(&format!("\r\n {body}"), true),
            wide(&body, false),
            [b"\xef\xbb\xbf", body.as_bytes()].concat(),
        ] {
            assert_eq!(one(post_as(kind, "", &bytes)), "whoami /all", "{kind}: {:?}", &bytes[..8]);
        }
    }
}

#[test]
fn a_line_that_is_typed_in_pieces_is_one() {
    let piece = |text: &str| {
        let body = format!(
            "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"C1\">{}</rsp:Stream></rsp:Send>",
            BASE64.encode(text.as_bytes())
        );
        (C, post("", &envelope(&format!("{SHELL}/Send"), CMD, &selector("S1"), &body)))
    };
    let ok = || (S, response("200", &envelope("SendResponse", "", "", "")));
    let recorder = run(&[piece("power"), ok(), piece("shell -enc AA"), ok(), piece("AA\r\n"), ok(), piece("dir\r\n"), ok()]);
    let texts: Vec<String> = commands(&recorder).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["power", "powershell -enc AA", "powershell -enc AAAA\r\n", "dir\r\n"]);
}

#[test]
fn objects_of_several_commands_that_have_the_same_number_are_not_mixed() {
    let blob = |script: &str| message(CREATE_PIPELINE, &create_pipeline(&pipeline_part(script, true, "")));
    let (first, second) = (blob("Get-Date # first"), blob("Get-Item # second"));
    let at = |id: &str, fragments: &[u8]| {
        let body = format!(
            "<rsp:CommandLine CommandId=\"{id}\"><rsp:Command/><rsp:Arguments>{}</rsp:Arguments></rsp:CommandLine>",
            BASE64.encode(fragments)
        );
        (C, post("", &envelope(&format!("{SHELL}/Command"), POWERSHELL, &selector("S0"), &body)))
    };
    let send = |id: &str, fragments: &[u8]| {
        let body = format!(
            "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"{id}\">{}</rsp:Stream></rsp:Send>",
            BASE64.encode(fragments)
        );
        (C, post("", &envelope(&format!("{SHELL}/Send"), POWERSHELL, &selector("S0"), &body)))
    };
    let recorder = run(&[
        at("A", &fragment(3, 0, 1, &first[..60])),
        at("B", &fragment(3, 0, 1, &second[..60])),
        send("B", &fragment(3, 1, 2, &second[60..])),
        send("A", &fragment(3, 1, 2, &first[60..])),
    ]);
    let mut texts: Vec<String> = commands(&recorder).into_iter().map(|(_, text)| text).collect();
    texts.sort();
    assert_eq!(texts, ["Get-Date # first", "Get-Item # second"]);
    // A fragment that is divided over two requests, which the specification forbids and receivers join.
    let whole = fragment(9, 0, 3, &first);
    let recorder = run(&[at("A", &whole[..100]), send("A", &whole[100..])]);
    assert_eq!(commands(&recorder)[0].1, "Get-Date # first");
}

#[test]
fn what_comes_behind_the_last_command_that_is_told_is_looked_at() {
    let many: String = (0..20).map(|number| pipeline_part(&format!("Get-Item {number}"), true, "")).collect();
    let fragments: Vec<u8> = (0..20)
        .flat_map(|number| {
            let one = create_pipeline(&pipeline_part(&format!("Get-Item {number}"), true, ""));
            fragment(number, 0, 3, &message(CREATE_PIPELINE, &one))
        })
        .collect();
    for body in
        [pipeline_command(&fragments), pipeline_command(&fragment(1, 0, 3, &message(CREATE_PIPELINE, &create_pipeline(&many))))]
    {
        let recorder = run(&[(C, post("", &body))]);
        let all = contents(&recorder).into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n");
        assert!(all.contains("Get-Item 0") && all.contains("Get-Item 19"), "{all}");
    }
}
