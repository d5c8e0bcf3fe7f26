//! A request as a call: the operation's own arguments and the spec inside them.

use backstop_types::Direction;

use super::transaction::{Call, Param, Spec};
use super::value;
use crate::contract::{Anomaly, Content, Limits, Sink};
use crate::nmf::anomaly;
use crate::registry::AppProto;
use crate::soap::{Element, Message, xml};
use crate::sql;

/// The contract that CVE-2023-27532 is about; others of the service have other shapes.
pub const CONTRACT: &str = "IRemoteInvokeService";
/// Bytes of names that are kept.
const MAX_NAME: usize = 256;
/// Parameters kept of one call.
const MAX_PARAMS: usize = 64;
/// Methods kept of one call besides the first.
const MAX_METHODS: usize = 64;
/// SQL texts of one call that are kept.
const MAX_SQL: usize = 64;
/// Tags that are looked at in a text that is no tree: each may be read to the end of the text.
const MAX_TAGS: usize = 256;
/// Attributes of one of them.
const MAX_ATTRIBUTES: usize = 65_536;
/// How deep in a spec its parts are looked for.
const MAX_SEARCH: usize = 16;

/// Contract and operation of an action: its last two parts ([WSDL] default action pattern).
pub fn contract_and_operation(action: &str) -> Option<(&str, &str)> {
    let (rest, operation) = action.rsplit_once('/')?;
    let contract = rest.rsplit_once('/').map_or(rest, |(_, contract)| contract);
    Some((contract, operation))
}

/// The call that a request makes, where it is one to the contract. Texts inside it are offered to the scanner.
///
/// Nothing here chooses between things that stand twice: what the service takes of them, nobody here knows, so each counts.
pub fn decode(tx_id: u64, message: &Message, limits: &Limits, out: &mut dyn Sink) -> Option<Call> {
    let body = message.body.as_ref();
    let actions = message.action.iter().chain(&message.more_actions);
    let named = actions.filter_map(|action| contract_and_operation(action)).find(|(contract, _)| *contract == CONTRACT);
    let specs = arguments(body, "parameters");
    let (contract, operation) = match named {
        Some(named) => named,
        // The action may be an unknown dictionary string, or be lost: the spec itself tells.
        None if specs.iter().any(|text| text.contains("RemoteInvokeSpec")) => {
            (CONTRACT, body.map_or("", |body| body.name.as_str()))
        }
        None => return None,
    };
    let (methods, scopes) = (arguments(body, "method"), arguments(body, "scope"));
    let mut found = Found { ambiguous: [&specs, &methods, &scopes].iter().any(|same| same.len() > 1), ..Found::default() };
    let mut call = Call {
        contract: contract.to_owned(),
        operation: name(operation),
        scope: scopes.first().map(|scope| name(scope)),
        method: methods.first().map(|method| name(method)),
        truncated: message.truncated,
        ..Call::default()
    };
    methods.iter().skip(1).for_each(|method| found.method(name(method)));
    for text in specs.iter().filter(|text| !text.is_empty()) {
        let mut offer = |layers: &[&'static str], text: &str| {
            out.content(Content { bytes: text.as_bytes(), layers, direction: Direction::ToServer, tx_id: Some(tx_id) });
        };
        offer(&["veeam.parameters"], text);
        read_spec(text, limits, &mut call, &mut found, &mut offer);
    }
    call.sql_hidden = call.truncated && found.sql_hidden;
    for sql in &found.sql {
        out.content(Content {
            bytes: sql.as_bytes(),
            layers: &["veeam.sql"],
            direction: Direction::ToServer,
            tx_id: Some(tx_id),
        });
    }
    let mut tell = |event| out.anomaly(Anomaly { app_proto: AppProto::Nmf, event, direction: Direction::ToServer });
    if found.forbidden {
        // No writer of a specification declares a document type: its entities would hide what is asked for.
        tell(anomaly::FORBIDDEN_XML);
    }
    if found.ambiguous {
        tell(anomaly::AMBIGUOUS_REQUEST);
    }
    if message.capped && hides_arguments(body) {
        tell(anomaly::ARGUMENTS_HIDDEN);
    }
    if call.sql_hidden && (message.capped || !message.truncated) {
        tell(anomaly::SQL_HIDDEN);
    }
    found.give(&mut call, limits);
    Some(call)
}

/// What a request says, beside its first method.
#[derive(Default)]
struct Found {
    methods: Vec<String>,
    sql: Vec<String>,
    /// Something stands more often than it may, or than is read.
    ambiguous: bool,
    /// A document type.
    forbidden: bool,
    /// A text of SQL is nothing but padding.
    sql_hidden: bool,
}

impl Found {
    fn method(&mut self, method: String) {
        if method.is_empty() || self.methods.contains(&method) {
            return;
        }
        if self.methods.len() < MAX_METHODS { self.methods.push(method) } else { self.ambiguous = true }
    }

    fn sql(&mut self, sql: String) {
        self.sql_hidden |= !sql.is_empty() && is_padding(&sql);
        if sql.trim().is_empty() || self.sql.contains(&sql) {
            return;
        }
        if self.sql.len() < MAX_SQL { self.sql.push(sql) } else { self.ambiguous = true }
    }

    fn give(mut self, call: &mut Call, limits: &Limits) {
        let spec = call.spec.as_ref().and_then(|spec| spec.method.as_ref());
        self.methods.retain(|method| Some(method) != call.method.as_ref() && Some(method) != spec);
        call.more_methods = self.methods;
        if self.sql.len() == 1 {
            call.sql = self.sql.pop();
        } else if !self.sql.is_empty() {
            let joined = self.sql.join("\n");
            call.sql = Some(joined.char_indices().take_while(|(at, _)| *at < limits.max_text).map(|(_, c)| c).collect());
            call.sql_texts = self.sql;
        }
    }
}

/// Blanks and comments, and what may be the beginning of one; in either dialect.
fn is_padding(sql: &str) -> bool {
    let squeezed = sql::squeeze(sql.as_bytes(), sql::Dialect::TransactSql);
    let squeezed = String::from_utf8_lossy(&squeezed);
    let open = squeezed.trim_start();
    // A comment that does not end is told by the marks that open it.
    open.is_empty() || open == "-" || open == "--" || open.trim_matches(['/', '*']).is_empty()
}

/// A request that a cap cut off, but not inside its last argument: what it asks for lies behind something that nobody needs.
fn hides_arguments(body: Option<&Element>) -> bool {
    let Some(last) = body.and_then(|body| body.elements().last()) else { return true };
    match last.name.as_str() {
        "parameters" => !last.text().trim_start().starts_with('<'),
        _ => true,
    }
}

/// The arguments of that name, in any case: their texts. The tree is bounded.
fn arguments(body: Option<&Element>, wanted: &str) -> Vec<String> {
    let named = body.into_iter().flat_map(Element::elements).filter(|element| element.name.eq_ignore_ascii_case(wanted));
    named.map(Element::text).collect()
}

fn name(text: &str) -> String {
    text.trim().chars().take(MAX_NAME).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn read_spec(text: &str, limits: &Limits, call: &mut Call, found: &mut Found, offer: &mut dyn FnMut(&[&'static str], &str)) {
    let tree = match xml::parse(text, limits) {
        Ok(tree) => tree,
        Err(error) => {
            call.truncated = true;
            read_text(text, found);
            if error == xml::XmlError::Forbidden {
                found.forbidden = true;
                read_entities(text, found);
            }
            return;
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
    walk(root, MAX_SEARCH, &mut |element| {
        if element.name.ends_with("RemoteInvokeSpec")
            && let Some(method) = element.attribute("Method")
        {
            found.method(name(method));
        }
        if let Some(command) = element.attribute("SqlCommand") {
            found.sql(command.to_owned());
        }
        if element.name == "SqlCommand" {
            if let Some(text) = element.attribute("Text") {
                found.sql(text.to_owned());
            }
            found.sql(element.text());
        }
    });
    if tree.truncated {
        call.truncated = true;
        read_text(text, found);
    }
}

/// What a specification says that is no tree, or not all of one: the methods and the SQL of its tags as they stand in the text.
fn read_text(text: &str, found: &mut Found) {
    found.ambiguous |= ["RemoteInvokeSpec", "SqlCommand"].iter().any(|name| text.matches(name).nth(MAX_TAGS).is_some());
    for behind in tags(text, "RemoteInvokeSpec") {
        for (attribute, value) in attributes(behind) {
            if attribute == "Method" {
                found.method(name(&xml::unescape(value)));
            }
        }
    }
    for behind in tags(text, "SqlCommand") {
        let Some((_, content)) = behind.split_once('>') else { continue };
        for (attribute, value) in attributes(behind) {
            if attribute == "Text" {
                found.sql(xml::unescape(value));
            }
        }
        let command = content.split("</").next().unwrap_or_default();
        let command = command.strip_prefix("<![CDATA[").map_or_else(|| xml::unescape(command), str::to_owned);
        found.sql(command.trim().to_owned());
    }
}

/// What stands behind the names of the start tags that end so.
fn tags<'a>(text: &'a str, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(wanted).take(MAX_TAGS).filter_map(move |(at, _)| {
        let behind = text.get(at + wanted.len()..)?;
        let before = text.get(..at)?;
        let open = before.len() - before.bytes().rev().take(MAX_NAME).position(|byte| byte == b'<')? - 1;
        let prefix = before.get(open + 1..)?;
        let is_name = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.' | b'-'));
        let ends = behind.bytes().next().is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
        (is_name && ends).then_some(behind)
    })
}

/// The attributes of a start tag, up to its end: values in quotes, as they are written.
fn attributes(mut rest: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    while found.len() < MAX_ATTRIBUTES {
        rest = rest.trim_start();
        let Some(end) = rest.bytes().take(MAX_NAME).position(|byte| matches!(byte, b'=' | b'>')) else { break };
        if rest.as_bytes().get(end) == Some(&b'>') {
            break;
        }
        let (attribute, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let value = behind.get(1..).unwrap_or_default().trim_start();
        let Some(quote) = value.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { break };
        let inside = value.get(1..).unwrap_or_default();
        let Some((inside, behind)) = inside.split_once(quote) else { break };
        found.push((attribute.trim(), inside));
        rest = behind;
    }
    found
}

/// The values that a document type declares: what its entities and defaults put in place of what is asked for.
fn read_entities(text: &str, found: &mut Found) {
    let declared = text.split("<!").skip(1).filter(|part| part.starts_with("ENTITY") || part.starts_with("ATTLIST"));
    for declaration in declared.take(MAX_METHODS) {
        let quote = declaration.find(['"', '\'']).and_then(|at| declaration.get(at..));
        let Some(quote) = quote else { continue };
        let mark = if quote.starts_with('"') { '"' } else { '\'' };
        let value = quote.get(1..).unwrap_or_default().split(mark).next().unwrap_or_default();
        let value = xml::unescape(value);
        found.method(name(&value));
        found.sql(value);
    }
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

/// Each element in document order; the tree is bounded, and so is the depth looked at.
fn walk<'a>(element: &'a Element, depth: usize, visit: &mut dyn FnMut(&'a Element)) {
    let Some(depth) = depth.checked_sub(1) else { return };
    visit(element);
    element.elements().for_each(|child| walk(child, depth, visit));
}
