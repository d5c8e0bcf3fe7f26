#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use backstop_types::{Fields, Value};

use super::*;
use crate::contract::Limits;
use crate::soap::{Element, Fault, Message, Node};
use crate::testing::{self, Event, Recorder};

/// A Guid in BinaryFormatter form, in base64, as the public proof of concept sends it.
const GUID: &str = "AAEAAAD/////AQAAAAAAAAAEAQAAAAtTeXN0ZW0uR3VpZAsAAAACX2ECX2ICX2MCX2QCX2UCX2YCX2cCX2gCX2kCX2oCX2sAAAAAAAAAAAAAAAgHBwICAgICAgICtGlVDLvbLBFsgfi+SLEX6ws=";

fn element(name: &str, children: Vec<Node>) -> Element {
    Element { name: name.to_owned(), children, ..Element::default() }
}

fn text(name: &str, value: &str) -> Node {
    Node::Element(element(name, vec![Node::Text(value.to_owned())]))
}

fn invoke(method: &str, parameters: &str) -> Message {
    Message {
        action: Some("http://tempuri.org/IRemoteInvokeService/Invoke".to_owned()),
        body: Some(element(
            "Invoke",
            vec![text("scope", "DatabaseManager"), text("method", method), text("parameters", parameters)],
        )),
        ..Message::default()
    }
}

fn answer(result: Vec<Node>) -> Message {
    Message {
        body: Some(element("InvokeResponse", vec![Node::Element(element("InvokeResult", result))])),
        wire_len: 99,
        ..Message::default()
    }
}

/// All Veeam records of a request and its reply.
fn exchange(request: &Message, reply: Option<&Message>) -> (Vec<Fields>, Recorder) {
    let mut recorder = Recorder::default();
    let mut tracker = Tracker::new(&Limits::default());
    tracker.request(4, request, &mut recorder);
    match reply {
        Some(reply) => tracker.reply(4, reply, &mut recorder),
        None => tracker.unanswered(4, &mut recorder),
    }
    let told = recorder.transactions().map(|(_, fields)| fields.clone()).collect();
    (told, recorder)
}

fn get<'a>(fields: &'a Fields, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = fields.get(first)?;
    if rest.is_empty() {
        return Some(value);
    }
    if let Value::Object(inner) = value { get(inner, rest) } else { None }
}

fn shown(fields: &Fields, path: &[&str]) -> String {
    match get(fields, path) {
        Some(Value::Text(text)) => text.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

#[test]
fn a_call_names_contract_operation_scope_method_and_parameters() {
    let parameters = format!(
        "<RemoteInvokeSpec ContextSessionId=\"s\" Scope=\"Service\" Method=\"CredentialsDbScopeFindCredentials\"><Params>\
         <Param ParamName=\"credsId\" ParamValue=\"{GUID}\" ParamType=\"System.String\"></Param></Params></RemoteInvokeSpec>"
    );
    let (told, recorder) = exchange(&invoke("CredentialsDbScopeFindCredentials", &parameters), None);
    assert_eq!(told.len(), 2);
    for (path, expected) in [
        ("contract", "IRemoteInvokeService"),
        ("operation", "Invoke"),
        ("scope", "DatabaseManager"),
        ("method", "CredentialsDbScopeFindCredentials"),
        ("spec", "RemoteInvokeSpec"),
        ("context_session_id", "s"),
    ] {
        assert_eq!(shown(&told[0], &[path]), expected);
    }
    let Some(Value::List(params)) = told[0].get("params") else { panic!("no parameters") };
    let Value::Object(param) = &params[0] else { panic!("no object") };
    assert_eq!(shown(param, &["value"]), "0c5569b4-dbbb-112c-6c81-f8be48b117eb");
    assert!(recorder.events.iter().any(|event| matches!(event, Event::Content(layers, _, _) if layers == &["veeam.parameters"])));
}

#[test]
fn the_sql_of_a_data_table_call_is_unescaped() {
    let parameters = "<RemoteInvokeSpec ContextSessionId='s'><DbGetDataTableRemoteInvokeSpec><SqlCommand>EXEC \
                      xp_cmdshell &apos;whoami&apos;;</SqlCommand></DbGetDataTableRemoteInvokeSpec></RemoteInvokeSpec>";
    let (told, recorder) = exchange(&invoke("GetDataTable", parameters), None);
    assert_eq!(shown(&told[0], &["sql"]), "EXEC xp_cmdshell 'whoami';");
    assert_eq!(shown(&told[0], &["spec"]), "DbGetDataTableRemoteInvokeSpec");
    assert!(recorder.events.iter().any(|event| matches!(event, Event::Content(layers, _, _) if layers == &["veeam.sql"])));
}

#[test]
fn other_contracts_are_no_calls() {
    let mut message = invoke("CredentialsDbScopeGetAllCreds", "");
    message.action = Some("http://tempuri.org/IOtherService/Invoke".to_owned());
    assert!(exchange(&message, None).0.is_empty());
    message.action = None;
    assert!(exchange(&message, None).0.is_empty());
}

#[test]
fn a_spec_tells_a_call_whose_action_is_lost() {
    let mut message = invoke("#7", "<RemoteInvokeSpec Scope='Service' Method='CredentialsDbScopeGetAllCreds'/>");
    message.action = Some("#5".to_owned());
    let (told, _) = exchange(&message, None);
    assert_eq!(told.len(), 2);
}

#[test]
fn the_method_of_another_argument_is_not_the_method() {
    let (told, _) = exchange(
        &invoke(
            "LogWrite",
            "<RemoteInvokeSpec Method='LogWrite'><Params><Param ParamName='text' ParamValue='CredentialsDbScopeGetAllCreds'/></Params></RemoteInvokeSpec>",
        ),
        None,
    );
    assert_eq!(shown(&told[0], &["method"]), "LogWrite");
}

#[test]
fn a_reply_is_a_fault_empty_or_a_value() {
    let request = invoke("m", "");
    let kind = |reply: &Message| shown(&exchange(&request, Some(reply)).0[1], &["reply", "kind"]);
    let fault = Message { fault: Some(Fault { code: "s:Sender".to_owned(), reason: "denied".to_owned() }), ..Message::default() };
    assert_eq!(kind(&fault), "fault");
    assert_eq!(kind(&Message::default()), "empty");
    assert_eq!(kind(&answer(vec![])), "empty");
    let mut nil = element("InvokeResult", vec![Node::Text("x".to_owned())]);
    nil.attributes.push(("nil".to_owned(), "true".to_owned()));
    let nil = Message { body: Some(element("InvokeResponse", vec![Node::Element(nil)])), ..Message::default() };
    assert_eq!(kind(&nil), "empty");
    let written = |text: &str| answer(vec![Node::Text(text.to_owned())]);
    assert_eq!(kind(&written("<CommonInvokeRetVal><Params></Params></CommonInvokeRetVal>")), "empty");
    assert_eq!(
        kind(&written("<CommonInvokeRetVal><Params><Param ParamName='retVal' ParamValue=''/></Params></CommonInvokeRetVal>")),
        "empty"
    );
    assert_eq!(
        kind(&written("<CommonInvokeRetVal><Params><Param ParamName='retVal' ParamValue='AAEC'/></Params></CommonInvokeRetVal>")),
        "value"
    );
    assert_eq!(kind(&written("plain")), "value");
}

#[test]
fn secrets_are_never_told() {
    let secret = "hunter2-in-the-clear";
    let parameters = format!(
        "<RemoteInvokeSpec Method='m'><Params><Param ParamName='Password' ParamValue='{secret}'/></Params></RemoteInvokeSpec>"
    );
    let (told, _) = exchange(&invoke("m", &parameters), Some(&answer(vec![Node::Text(secret.to_owned())])));
    assert!(!format!("{told:?}").contains(secret));
}

#[test]
fn entities_and_document_types_in_the_parameters_are_refused() {
    let bomb = "<!DOCTYPE a [<!ENTITY x 'xxxxxxxxxx'><!ENTITY y '&x;&x;&x;'>]><RemoteInvokeSpec Method='&y;'/>";
    let (told, _) = exchange(&invoke("m", bomb), None);
    assert_eq!(told[0].get("truncated"), Some(&Value::Bool(true)));
    assert_eq!(shown(&told[0], &["spec"]), "");
}

#[test]
fn waiting_calls_are_bounded() {
    let mut recorder = Recorder::default();
    let mut tracker = Tracker::new(&Limits { max_pending: 2, ..Limits::default() });
    for tx_id in 0..10 {
        tracker.request(tx_id, &invoke("m", ""), &mut recorder);
    }
    assert_eq!(recorder.transactions().count(), 10 + 8);
}

/// What the manifest of the captures says of them, read from the wire.
#[test]
fn real_attacks_are_read_with_method_reply_and_number_of_credentials() {
    let calls = |name: &str| -> Vec<Fields> {
        testing::run(&testing::fixture(name).unwrap())
            .transactions()
            .filter(|(of, _)| *of == AppProto::Veeam)
            .map(|(_, fields)| fields.clone())
            .filter(|fields| fields.get("reply").is_some())
            .collect()
    };
    let dump = calls("nmf_dotnet_2");
    let all: Vec<_> = dump.iter().filter(|call| shown(call, &["method"]) == "CredentialsDbScopeGetAllCreds").collect();
    assert_eq!(all.len(), 1);
    assert_eq!(shown(all[0], &["reply", "kind"]), "value");
    assert_eq!(get(all[0], &["reply", "credential_count"]), Some(&Value::Uint(6)));
    assert!(shown(all[0], &["reply", "class"]).starts_with("System.Collections.Generic.List`1"));
    let lookups: Vec<_> = dump.iter().filter(|call| shown(call, &["method"]) == "CredentialsDbScopeFindCredentials").collect();
    assert_eq!(lookups.len(), 5);
    assert!(lookups.iter().all(|call| get(call, &["reply", "credential_count"]) == Some(&Value::Uint(1))));
    assert!(!format!("{dump:?}").contains("inventedplaceholder") && !format!("{dump:?}").contains("invented-placeholder"));

    let sql = calls("nmf_sql_0");
    assert!(sql.iter().any(|call| shown(call, &["sql"]).contains("EXEC xp_cmdshell 'whoami'")), "{sql:?}");
    for name in ["nmf_mention_0", "nmf_mention_1"] {
        assert!(calls(name).iter().all(|call| !shown(call, &["method"]).starts_with("CredentialsDbScope")), "{name}");
    }
}

/// Every method that a request names, wherever a service might look for it.
fn methods(parameters: &str, change: impl FnOnce(&mut Message)) -> Vec<String> {
    let mut message = invoke("Harmless", parameters);
    change(&mut message);
    let call = call::decode(1, &message, &Limits::default(), &mut Recorder::default()).unwrap();
    call.effective_methods().map(str::to_owned).collect()
}

fn sql(parameters: &str) -> String {
    let message = invoke("GetDataTable", parameters);
    call::decode(1, &message, &Limits::default(), &mut Recorder::default()).unwrap().sql.unwrap_or_default()
}

#[test]
fn a_decoy_before_the_method_does_not_hide_it() {
    let wanted = |found: Vec<String>| assert!(found.iter().any(|method| method == "Wanted"), "{found:?}");
    wanted(methods("", |message| message.body.as_mut().unwrap().children.push(text("Method", "Wanted"))));
    wanted(methods("<RemoteInvokeSpec x:Method='Decoy' Method='Wanted'/>", |_| {}));
    wanted(methods("<RemoteInvokeSpec Method='&#x0000000000057;anted'/>", |_| {}));
    wanted(methods("<RemoteInvokeSpec Method='Decoy'><RemoteInvokeSpec Method='Wanted'/></RemoteInvokeSpec>", |_| {}));
    wanted(methods("<RemoteInvokeSpec/>", |message| {
        message.body.as_mut().unwrap().children.push(text("parameters", "<RemoteInvokeSpec Method='Wanted'/>"));
    }));
    wanted(methods("", |message| {
        let body = message.body.as_mut().unwrap();
        (0..20).for_each(|number| body.children.push(text("method", &format!("Decoy{number}"))));
        body.children.push(text("method", "  Wanted "));
    }));
    let decoys: String = (0..50).map(|number| format!("<aRemoteInvokeSpec Method='m{number}'/>")).collect();
    wanted(methods(&format!("<RemoteInvokeSpec>{decoys}<RemoteInvokeSpec Method='Wanted'/></RemoteInvokeSpec>"), |_| {}));
    wanted(methods("<!DOCTYPE r [<!ENTITY e \"Wanted\">]><RemoteInvokeSpec Method='&e;'/>", |_| {}));
    wanted(methods("<RemoteInvokeSpec Method='Wanted'/>", |message| {
        message.more_actions.extend(message.action.replace("urn:decoy/of/another".to_owned()));
    }));
    let junk = "a='1' ".repeat(9_000);
    wanted(methods(&format!("<RemoteInvokeSpec {junk} Method=\"Wanted\"/>"), |_| {}));
    wanted(methods("<!DOCTYPE r [<!ENTITY e 'x'>]><RemoteInvokeSpec Method = 'Wanted'/>", |_| {}));
}

#[test]
fn every_sql_command_of_a_specification_counts() {
    let spec = |inner: &str| {
        format!("<RemoteInvokeSpec><DbGetDataTableRemoteInvokeSpec>{inner}</DbGetDataTableRemoteInvokeSpec></RemoteInvokeSpec>")
    };
    assert_eq!(sql(&spec("<SqlCommand>SELECT 1</SqlCommand><SqlCommand>EXEC b</SqlCommand>")), "SELECT 1\nEXEC b");
    assert_eq!(sql(&spec("<SqlCommand Text='SELECT 1'>EXEC b</SqlCommand>")), "SELECT 1\nEXEC b");
    let comments = "<!---->".repeat(9_000);
    assert_eq!(sql(&spec(&format!("{comments}<SqlCommand>EXEC &apos;b&apos;</SqlCommand>"))), "EXEC 'b'");
}

/// In a whole tree the words in values are values.
#[test]
fn a_mention_in_a_whole_specification_names_no_method() {
    let found = methods(
        "<RemoteInvokeSpec Method='Own'><Params><Param ParamValue=\"Method='Other'\"/></Params></RemoteInvokeSpec>",
        |_| {},
    );
    assert_eq!(found, ["Harmless", "Own"]);
}

#[test]
fn a_document_type_in_a_specification_is_a_violation() {
    let (_, recorder) = exchange(&invoke("m", "<!DOCTYPE r [<!ENTITY e 'x'>]><RemoteInvokeSpec Method='&e;'/>"), None);
    assert_eq!(recorder.anomalies(), [crate::nmf::anomaly::FORBIDDEN_XML]);
}

fn anomalies(parameters: &str, change: impl FnOnce(&mut Message)) -> Vec<&'static str> {
    let mut message = invoke("Harmless", parameters);
    change(&mut message);
    exchange(&message, None).1.anomalies()
}

#[test]
fn an_argument_that_stands_twice_is_a_violation() {
    let twice = |message: &mut Message| message.body.as_mut().unwrap().children.push(text("Scope", "x"));
    assert_eq!(anomalies("<RemoteInvokeSpec/>", twice), [crate::nmf::anomaly::AMBIGUOUS_REQUEST]);
    let many: String = (0..100).map(|number| format!("<SqlCommand>SELECT {number}</SqlCommand>")).collect();
    let many = format!("<RemoteInvokeSpec>{many}</RemoteInvokeSpec>");
    assert_eq!(anomalies(&many, |_| {}), [crate::nmf::anomaly::AMBIGUOUS_REQUEST]);
    assert!(anomalies("<RemoteInvokeSpec/>", |_| {}).is_empty());
}

#[test]
fn a_capped_request_may_be_cut_inside_its_last_argument_only() {
    let capped = |message: &mut Message| (message.truncated, message.capped) = (true, true);
    assert!(anomalies("<RemoteInvokeSpec>", capped).is_empty(), "a large honest request");
    let hidden = [crate::nmf::anomaly::ARGUMENTS_HIDDEN];
    assert_eq!(anomalies(&" ".repeat(100), capped), hidden);
    assert_eq!(
        anomalies("<RemoteInvokeSpec>", |message| {
            capped(message);
            message.body.as_mut().unwrap().children.push(text("junk", "x"));
        }),
        hidden
    );
}

#[test]
fn sql_texts_are_read_each_for_itself() {
    let parameters = "<RemoteInvokeSpec><SqlCommand>/*</SqlCommand><SqlCommand>EXEC b</SqlCommand></RemoteInvokeSpec>";
    let message = invoke("GetDataTable", parameters);
    let call = call::decode(1, &message, &Limits::default(), &mut Recorder::default()).unwrap();
    assert_eq!(call.each_sql().collect::<Vec<_>>(), ["/*", "EXEC b"]);
}

/// A text that only mentions what a specification looks like is none.
#[test]
fn a_text_without_tags_names_nothing() {
    for parameters in [
        "error near Method='Wanted' in request",
        "<RemoteInvokeSpec Method='Own'><Params><Param ParamValue=\"Method='Wanted' SqlCommand>EXEC x\"/>",
        "text SqlCommand failed -> EXEC x",
    ] {
        assert!(!methods(parameters, |_| {}).contains(&"Wanted".to_owned()), "{parameters}");
        assert_eq!(sql(parameters), "", "{parameters}");
    }
}

/// Requests that nobody answers keep little, however much they say.
#[test]
fn what_waits_for_a_reply_is_small() {
    let parameters = format!("<RemoteInvokeSpec><SqlCommand>{}</SqlCommand></RemoteInvokeSpec>", "x".repeat(90_000));
    let mut tracker = Tracker::new(&Limits::default());
    let mut recorder = Recorder::default();
    for tx_id in 0..200 {
        tracker.request(tx_id, &invoke("GetDataTable", &parameters), &mut recorder);
        recorder.events.clear();
    }
    assert!(tracker.kept() <= 256 * 1024, "{}", tracker.kept());
}

/// SQL behind more padding than is kept is said to be hidden; a long honest text, and padding that is all of it, are not.
#[test]
fn sql_behind_padding_is_told_to_be_hidden() {
    let told = |sql: &str| {
        let spec = format!("<RemoteInvokeSpec><SqlCommand>{sql}</SqlCommand></RemoteInvokeSpec>");
        // As much as the caps leave of it.
        let mut spec = spec.chars().take(Limits::default().max_text).collect::<String>();
        let cut = spec.len() == Limits::default().max_text;
        let mut message = invoke("Harmless", &std::mem::take(&mut spec));
        (message.truncated, message.capped) = (cut, cut);
        let mut recorder = Recorder::default();
        let call = call::decode(1, &message, &Limits::default(), &mut recorder).unwrap();
        (call.sql_hidden, recorder.anomalies())
    };
    let hidden = (true, vec![crate::nmf::anomaly::SQL_HIDDEN]);
    for pad in [" ", "\n", "-- x\n", "/* x */ ", "/* x ", "--", "\u{3000}"] {
        assert_eq!(told(&format!("{}EXEC xp_cmdshell 'a'", pad.repeat(100_000))), hidden, "{pad:?}");
    }
    for sql in ["SELECT 1".to_owned(), format!("SELECT 1{}", ", 1".repeat(100_000)), " ".to_owned(), "-- x".to_owned()] {
        assert_eq!(told(&sql), (false, vec![]), "{}", sql.get(..10.min(sql.len())).unwrap());
    }
}
