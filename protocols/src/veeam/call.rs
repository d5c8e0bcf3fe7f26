//! A request as a call: the operation's own arguments and the spec inside them.

use backstop_types::Direction;

use super::transaction::{Call, Param, Spec};
use super::value;
use crate::contract::{Anomaly, Content, Limits, Sink};
use crate::nmf::anomaly::FORBIDDEN_XML;
use crate::registry::AppProto;
use crate::soap::{Element, Message, xml};

/// The contract that CVE-2023-27532 is about; others of the service have other shapes.
pub const CONTRACT: &str = "IRemoteInvokeService";
/// Bytes of names that are kept.
const MAX_NAME: usize = 256;
/// Parameters kept of one call.
const MAX_PARAMS: usize = 64;
/// Arguments of one name, and SQL texts, that are looked at.
const MAX_SAME: usize = 8;
/// Places of a text that may name a method.
const MAX_MENTIONS: usize = 2_048;
/// Methods kept of one call besides the first.
const MAX_METHODS: usize = 32;
/// How deep in a spec its parts are looked for.
const MAX_SEARCH: usize = 16;

/// Contract and operation of an action: its last two parts ([WSDL] default action pattern).
pub fn contract_and_operation(action: &str) -> Option<(&str, &str)> {
    let (rest, operation) = action.rsplit_once('/')?;
    let contract = rest.rsplit_once('/').map_or(rest, |(_, contract)| contract);
    Some((contract, operation))
}

/// The call that a request makes, where it is one to the contract. Texts inside it are offered to the scanner.
pub fn decode(tx_id: u64, message: &Message, limits: &Limits, out: &mut dyn Sink) -> Option<Call> {
    let body = message.body.as_ref();
    let named = message.action.as_deref().and_then(contract_and_operation);
    let specs = arguments(body, "parameters");
    let (contract, operation) = match named {
        Some((contract, operation)) if contract == CONTRACT => (contract, operation),
        // The action may be an unknown dictionary string, or be lost: the spec itself tells.
        _ if specs.iter().any(|text| text.contains("RemoteInvokeSpec")) => (CONTRACT, body.map_or("", |body| body.name.as_str())),
        _ => return None,
    };
    let mut methods = arguments(body, "method").into_iter().map(|method| name(&method));
    let mut call = Call {
        contract: contract.to_owned(),
        operation: name(operation),
        scope: arguments(body, "scope").first().map(|scope| name(scope)),
        method: methods.next(),
        truncated: message.truncated,
        ..Call::default()
    };
    for method in methods {
        add_method(&mut call, method);
    }
    let mut forbidden = false;
    for text in specs.iter().filter(|text| !text.is_empty()) {
        let mut offer = |layers: &[&'static str], text: &str| {
            out.content(Content { bytes: text.as_bytes(), layers, direction: Direction::ToServer, tx_id: Some(tx_id) });
        };
        offer(&["veeam.parameters"], text);
        forbidden |= read_spec(text, limits, &mut call, &mut offer);
    }
    if let Some(sql) = &call.sql {
        out.content(Content {
            bytes: sql.as_bytes(),
            layers: &["veeam.sql"],
            direction: Direction::ToServer,
            tx_id: Some(tx_id),
        });
    }
    if forbidden {
        // No writer of a specification declares a document type: its entities would hide what is asked for.
        out.anomaly(Anomaly { app_proto: AppProto::Nmf, event: FORBIDDEN_XML, direction: Direction::ToServer });
    }
    Some(call)
}

/// The arguments of that name, in any case: their texts. Which one of several the service takes, nobody here knows.
fn arguments(body: Option<&Element>, wanted: &str) -> Vec<String> {
    let named = body.into_iter().flat_map(Element::elements).filter(|element| element.name.eq_ignore_ascii_case(wanted));
    named.take(MAX_SAME).map(Element::text).collect()
}

fn name(text: &str) -> String {
    text.chars().take(MAX_NAME).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn add_method(call: &mut Call, method: String) {
    let known = call.effective_methods().any(|known| known == method);
    if !known && !method.is_empty() && call.more_methods.len() < MAX_METHODS {
        call.more_methods.push(method);
    }
}

/// Adds a text of SQL as a line of its own.
fn add_sql(call: &mut Call, sql: &str, limits: &Limits) {
    let known = call.sql.get_or_insert_default();
    if sql.is_empty() || known.lines().any(|line| line == sql) {
        return;
    }
    let room = limits.max_text.saturating_sub(known.len());
    if !known.is_empty() {
        known.push('\n');
    }
    known.extend(sql.char_indices().take_while(|(at, _)| *at < room).map(|(_, character)| character));
}

/// Reads a specification into the call; true where it declares what XML of this kind must not.
fn read_spec(text: &str, limits: &Limits, call: &mut Call, offer: &mut dyn FnMut(&[&'static str], &str)) -> bool {
    let tree = match xml::parse(text, limits) {
        Ok(tree) => tree,
        Err(error) => {
            call.truncated = true;
            read_text(text, limits, call);
            return error == xml::XmlError::Forbidden;
        }
    };
    let root = &tree.root;
    if call.spec.is_none() {
        // A spec of a special kind stands inside the general one.
        let kind =
            find(root, &|element| element.name.ends_with("RemoteInvokeSpec") && element.name != "RemoteInvokeSpec", MAX_SEARCH);
        let mut spec = Spec {
            kind: name(&kind.unwrap_or(root).name),
            context_session_id: root.attribute("ContextSessionId").map(name),
            scope: root.attribute("Scope").map(name),
            method: root.attribute("Method").map(name),
            params: Vec::new(),
        };
        if let Some(params) = find(root, &|element| element.name == "Params", MAX_SEARCH) {
            for param in params.elements().filter(|element| element.name == "Param").take(MAX_PARAMS) {
                spec.params.push(read_param(param, limits, offer));
            }
        }
        call.spec = Some(spec);
    }
    let mut methods = Vec::new();
    let mut commands = Vec::new();
    walk(root, MAX_SEARCH, &mut |element| {
        if element.name.ends_with("RemoteInvokeSpec") {
            methods.extend(element.attribute("Method").map(name));
        }
        if let Some(command) = element.attribute("SqlCommand") {
            commands.push(command.to_owned());
        }
        if element.name == "SqlCommand" {
            commands.extend(element.attribute("Text").map(str::to_owned));
            commands.push(element.text());
        }
        methods.len() < MAX_METHODS && commands.len() < MAX_SAME
    });
    methods.into_iter().for_each(|method| add_method(call, method));
    commands.iter().for_each(|command| add_sql(call, command, limits));
    if tree.truncated {
        call.truncated = true;
        read_text(text, limits, call);
    }
    call.sql = call.sql.take().filter(|sql| !sql.is_empty());
    false
}

/// What a specification says that is no tree, or not all of one: methods and SQL as they stand in the text.
fn read_text(text: &str, limits: &Limits, call: &mut Call) {
    for (at, attribute) in text.match_indices("Method").take(MAX_MENTIONS) {
        let rest = text.get(at + attribute.len()..).unwrap_or_default().trim_start();
        let Some(value) = rest.strip_prefix('=').map(str::trim_start) else { continue };
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''));
        let inside: String = value.chars().skip(1).take(MAX_NAME * 2).take_while(|character| Some(*character) != quote).collect();
        if quote.is_some() {
            add_method(call, name(&xml::unescape(&inside)));
        }
    }
    let mut rest = text;
    for _ in 0..MAX_SAME {
        let Some((_, after)) = rest.split_once("SqlCommand") else { break };
        let Some((_, after)) = after.split_once('>') else { break };
        let (command, after) = after.split_once("</").unwrap_or((after, ""));
        add_sql(call, xml::unescape(command).trim(), limits);
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    call.sql = call.sql.take().filter(|sql| !sql.is_empty());
}

fn read_param(param: &Element, limits: &Limits, offer: &mut dyn FnMut(&[&'static str], &str)) -> Param {
    let param_name = param.attribute("ParamName").unwrap_or_default();
    let kind = param.attribute("ParamType").unwrap_or_default();
    let text = param.attribute("ParamValue").map_or_else(|| param.text(), str::to_owned);
    let looked = value::look(&text, value::is_secret(param_name), limits);
    for inner in &looked.texts {
        offer(&["veeam.param", "base64", "nrbf.string"], inner);
    }
    Param { name: name(param_name), kind: name(kind), value: looked.readable, length: text.len() as u64 }
}

/// The first element that fits, in document order; the tree is bounded, and so is the depth looked at.
fn find<'a>(element: &'a Element, fits: &dyn Fn(&Element) -> bool, depth: usize) -> Option<&'a Element> {
    if fits(element) {
        return Some(element);
    }
    let depth = depth.checked_sub(1)?;
    element.elements().find_map(|child| find(child, fits, depth))
}

/// Each element in document order, as long as `visit` wants more; the tree is bounded, and so is the depth looked at.
fn walk<'a>(element: &'a Element, depth: usize, visit: &mut dyn FnMut(&'a Element) -> bool) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    visit(element) && element.elements().all(|child| walk(child, depth, visit))
}
