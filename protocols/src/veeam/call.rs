//! A request as a call: the operation's own arguments and the spec inside them.

use backstop_types::Direction;

use super::transaction::{Call, Param, Spec};
use super::value;
use crate::contract::{Content, Limits, Sink};
use crate::soap::{Element, Message, xml};

/// The contract that CVE-2023-27532 is about; others of the service have other shapes.
pub const CONTRACT: &str = "IRemoteInvokeService";
/// Bytes of names that are kept.
const MAX_NAME: usize = 256;
/// Parameters kept of one call.
const MAX_PARAMS: usize = 64;
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
    let spec_text = body.and_then(|body| argument(body, "parameters"));
    let (contract, operation) = match named {
        Some((contract, operation)) if contract == CONTRACT => (contract, operation),
        // The action may be an unknown dictionary string, or be lost: the spec itself tells.
        _ if spec_text.as_deref().is_some_and(|text| text.contains("RemoteInvokeSpec")) => {
            (CONTRACT, body.map_or("", |body| body.name.as_str()))
        }
        _ => return None,
    };
    let mut call = Call {
        contract: contract.to_owned(),
        operation: name(operation),
        scope: body.and_then(|body| argument(body, "scope")).map(|scope| name(&scope)),
        method: body.and_then(|body| argument(body, "method")).map(|method| name(&method)),
        truncated: message.truncated,
        ..Call::default()
    };
    if let Some(text) = spec_text.filter(|text| !text.is_empty()) {
        let mut offer = |layers: &[&'static str], text: &str| {
            out.content(Content { bytes: text.as_bytes(), layers, direction: Direction::ToServer, tx_id: Some(tx_id) });
        };
        offer(&["veeam.parameters"], &text);
        read_spec(&text, limits, &mut call, &mut offer);
        if let Some(sql) = &call.sql {
            offer(&["veeam.sql"], sql);
        }
    }
    Some(call)
}

/// An argument of the operation: a child by name in any case, its text or, for data contracts, that of its one child.
fn argument(body: &Element, wanted: &str) -> Option<String> {
    body.elements().find(|element| element.name.eq_ignore_ascii_case(wanted)).map(Element::text)
}

fn name(text: &str) -> String {
    text.chars().take(MAX_NAME).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn read_spec(text: &str, limits: &Limits, call: &mut Call, offer: &mut dyn FnMut(&[&'static str], &str)) {
    let Ok(tree) = xml::parse(text, limits) else {
        call.truncated = true;
        return;
    };
    call.truncated |= tree.truncated;
    let root = &tree.root;
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
    let sql = find(root, &|element| element.name == "SqlCommand", MAX_SEARCH);
    call.sql = sql
        .map(|element| element.attribute("Text").map_or_else(|| element.text(), str::to_owned))
        .or_else(|| attribute_anywhere(root, "SqlCommand", MAX_SEARCH))
        .filter(|sql| !sql.is_empty());
    call.spec = Some(spec);
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

fn attribute_anywhere(element: &Element, wanted: &str, depth: usize) -> Option<String> {
    if let Some(value) = element.attribute(wanted) {
        return Some(value.to_owned());
    }
    let depth = depth.checked_sub(1)?;
    element.elements().find_map(|child| attribute_anywhere(child, wanted, depth))
}
