use super::*;

const SID: u64 = 9_401_013;
const LOGIN: &str = "/api/sessionMngr/?v=latest";
const XML: &str = "application/xml";
const FORM: &str = "application/x-www-form-urlencoded";

fn assertion(issuer: &str) -> String {
    format!(
        "<saml2:Assertion xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_1\"><saml2:Issuer>{issuer}</saml2:Issuer>\
         <saml2:Subject><saml2:NameID>administrator@vsphere.local</saml2:NameID></saml2:Subject></saml2:Assertion>"
    )
}

fn spec(token: &str) -> Vec<u8> {
    format!("<?xml version=\"1.0\"?><LoginSpec xmlns=\"http://www.veeam.com/ent/v1.0\"><VMwareSSOToken>{token}</VMwareSSOToken></LoginSpec>")
        .into_bytes()
}

fn token(issuer: &str) -> Vec<u8> {
    spec(&BASE64.encode(assertion(issuer).as_bytes()))
}

fn manager(script: &Script) -> Vec<Finding> {
    let new =
        || with(9_398, |config| config.remoting.sso_issuers = ["vcenter.example.lan", "10.20.30.40"].map(str::to_owned).to_vec());
    played(&new, script)
}

#[test]
fn tokens_of_others_are_told_and_their_look_alikes_are_not() {
    let bad = "https://sts.example.net/websso/SAML2/Metadata/vsphere.local";
    let good = "https://vcenter.example.lan/websso/SAML2/Metadata/vsphere.local";
    let json = |issuer: &str| {
        format!("{{ \"VMwareSSOToken\" : \"{}\" }}", BASE64.encode(assertion(issuer).as_bytes()).replace('/', "\\/"))
    };
    let utf16 = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let lines = |issuer: &str| {
        spec(
            &BASE64
                .encode(assertion(issuer).as_bytes())
                .chars()
                .enumerate()
                .map(|(at, c)| if at % 64 == 63 { format!("{c}\r\n") } else { c.to_string() })
                .collect::<String>(),
        )
    };
    let form = |issuer: &str| BASE64.encode(assertion(issuer).as_bytes()).replace('+', "%2b").replace('=', "%3D");
    let old = |issuer: &str| {
        spec(
            &BASE64
                .encode(format!("<Assertion Issuer=\"{issuer}\" xmlns=\"urn:oasis:names:tc:SAML:1.0:assertion\"/>").as_bytes()),
        )
    };
    let pairs: Vec<(&str, Script, Script)> = vec![
        ("an issuer elsewhere", post(LOGIN, XML, &token(bad), "201"), post(LOGIN, XML, &token(good), "201")),
        (
            "an address",
            post(LOGIN, XML, &token("https://198.51.100.7/websso"), "201"),
            post(LOGIN, XML, &token("https://10.20.30.40/websso"), "201"),
        ),
        (
            "a user in front",
            post(LOGIN, XML, &token("https://vcenter.example.lan@198.51.100.7/"), "201"),
            post(LOGIN, XML, &token("https://x@vcenter.example.lan/"), "201"),
        ),
        (
            "a name below",
            post(LOGIN, XML, &token("https://vcenter.example.lan.example.net/"), "201"),
            post(LOGIN, XML, &token("https://a.vcenter.example.lan:443/"), "201"),
        ),
        (
            "as JSON",
            post(LOGIN, "application/json", json(bad).as_bytes(), "201"),
            post(LOGIN, "application/json", json(good).as_bytes(), "201"),
        ),
        (
            "as JSON with a name in escapes",
            post(LOGIN, "application/json", json(bad).replace("SSOT", "\\u0053SO\\u0054").as_bytes(), "201"),
            post(LOGIN, "application/json", json(bad).replace("SSOT", "\\u0053SO\\u0055").as_bytes(), "201"),
        ),
        ("as UTF-16", post(LOGIN, XML, &utf16(token(bad)), "201"), post(LOGIN, XML, &utf16(token(good)), "201")),
        ("in lines", post(LOGIN, XML, &lines(bad), "201"), post(LOGIN, XML, &lines(good), "201")),
        ("not in base64", post(LOGIN, XML, &spec(&assertion(bad)), "201"), post(LOGIN, XML, &spec(&assertion(good)), "201")),
        ("of SAML 1.1", post(LOGIN, XML, &old(bad), "201"), post(LOGIN, XML, &old(good), "201")),
        (
            "another way to write the path",
            post("//api/%73essionMngr/", XML, &token(bad), "201"),
            post("/api/sessionMngrs/", XML, &token(bad), "404"),
        ),
        (
            "a path with detours",
            post(&format!("/x/../api{}\\sessionMngr", "/.".repeat(2_000)), XML, &token(bad), "201"),
            post("/api/sessionMngr/../jobs", XML, &token(bad), "201"),
        ),
        (
            "a whole address",
            post("https://vbr01:9398/api/sessionMngr/?v=latest", XML, &token(bad), "201"),
            post("https://vbr01:9398/api/jobs?/api/sessionMngr/", XML, &token(bad), "201"),
        ),
        (
            "as JSON in other quotation marks",
            post(LOGIN, "application/json", json(bad).replace('"', "'").as_bytes(), "201"),
            post(LOGIN, "application/json", json(good).replace('"', "'").as_bytes(), "201"),
        ),
        (
            "as JSON without any around the name, behind comments",
            post(
                LOGIN,
                "application/json",
                format!("/* \" */ {{ // it's\n a:1, {} ", &json(bad)[2..].replacen('"', "", 2)).as_bytes(),
                "201",
            ),
            post(LOGIN, "application/json", format!("{{ \"a\": \"VMwareSSOToken: '\", \"b\": \"{bad}\" }}").as_bytes(), "201"),
        ),
        (
            "as a form",
            post(LOGIN, FORM, format!("a=%7B&spec.VMwareSSO%54oken={}", form(bad)).as_bytes(), "201"),
            post(LOGIN, FORM, format!("a=%7B&spec.VMwareSSO%54oken={}&Token={}", form(good), form(bad)).as_bytes(), "201"),
        ),
        (
            "two tokens",
            post(LOGIN, XML, &[token(good), token(bad)].concat().replace_spec(), "201"),
            post(LOGIN, XML, &[token(good), token(good)].concat().replace_spec(), "201"),
        ),
        (
            "instead of a name",
            post(LOGIN, XML, &token(bad), "201"),
            post(LOGIN, XML, b"<LoginSpec><UserName>admin</UserName></LoginSpec>", "201"),
        ),
        (
            "a POST",
            post(LOGIN, XML, &token(bad), "201"),
            vec![(UP, b"GET /api/sessionMngr/?v=latest HTTP/1.1\r\nHost: h\r\n\r\n".to_vec())],
        ),
    ];
    for (name, attack, benign) in pairs {
        let found = manager(&attack);
        assert_eq!(sids(&found), [SID], "{name}");
        assert_eq!((found[0].outcome, found[0].confidence), (Outcome::Success, Confidence::High), "{name}");
        assert_eq!(sids(&manager(&benign)), [0_u64; 0], "{name}");
    }
}

trait Joined {
    fn replace_spec(self) -> Vec<u8>;
}

impl Joined for Vec<u8> {
    /// Two specifications made one.
    fn replace_spec(self) -> Vec<u8> {
        let text = String::from_utf8(self).unwrap();
        text.replacen("</LoginSpec><?xml version=\"1.0\"?><LoginSpec xmlns=\"http://www.veeam.com/ent/v1.0\">", "", 1)
            .into_bytes()
    }
}

#[test]
fn without_a_list_every_token_is_told_with_low_confidence() {
    let found = played(&|| to_port(9_398), &post(LOGIN, XML, &token("https://vcenter.example.lan/"), "201"));
    assert_eq!(sids(&found), [SID]);
    assert_eq!(found[0].confidence, Confidence::Low);
    // Any port: the path is what tells.
    assert_eq!(sids(&played(&|| to_port(443), &post(LOGIN, XML, &token("https://h/"), "201"))), [SID]);
    // What cannot be read is not claimed.
    assert!(played(&|| to_port(9_398), &post(LOGIN, XML, &spec("bm90IGEgdG9rZW4="), "401")).is_empty());
}

#[test]
fn a_refusal_is_an_attempt_and_the_evidence_names_issuer_and_subject() {
    let found = manager(&post(LOGIN, XML, &token("https://sts.example.net/x"), "401"));
    assert_eq!(found[0].outcome, Outcome::Attempt);
    let context = object(&found[0].context, "veeam_manager");
    assert!(format!("{context:?}").contains("administrator@vsphere.local"));
    assert!(format!("{:?}", context.get("token_services")).contains("sts.example.net"));
    assert!(found[0].context.get("http").is_some());
    let shown = String::from_utf8_lossy(&found[0].excerpt).into_owned();
    assert!(shown.contains("issuer=https://sts.example.net/x") && !shown.contains("PHNhbWw"), "{shown}");
}

#[test]
fn padding_takes_no_room_from_the_token_and_what_is_not_held_is_counted() {
    let found = |body: &[u8]| sids(&played(&|| to_port(9_419), &post(LOGIN, XML, body, "201")));
    let token = |inside: &str| {
        BASE64.encode(assertion("https://h/").replacen("<saml2:Issuer", &format!("{inside}<saml2:Issuer"), 1).as_bytes())
    };
    for padding in ["<x/>".repeat(20_000), format!("<x>{}</x>", "y".repeat(100_000)), "<!-- a -->".repeat(10_000)] {
        let spec = format!("<LoginSpec>{padding}<VMwareSSOToken>{}</VMwareSSOToken></LoginSpec>", token(""));
        assert_eq!(found(spec.as_bytes()), [SID], "in front of it");
    }
    let spec = format!("<LoginSpec><VMwareSSOToken>{}</VMwareSSOToken></LoginSpec>", token(&"<x/>".repeat(20_000)));
    assert_eq!(found(spec.as_bytes()), [SID], "inside it");
    let far = format!("<LoginSpec><x>{}</x><VMwareSSOToken>{}</VMwareSSOToken></LoginSpec>", "y".repeat(1 << 20), token(""));
    let mut flow = to_port(9_419);
    flow.replay_script(&post(LOGIN, XML, far.as_bytes(), "201"), 1_460);
    assert_eq!((flow.alerts(SID).len(), flow.out.content_cut), (0, 1));
}
