//! A reply: what kind it is and how much came back, never what.

use super::transaction::{Reply, ReplyKind};
use super::value;
use crate::contract::Limits;
use crate::nrbf;
use crate::soap::{Element, Message, xml};

/// What a reply says.
pub fn decode(message: &Message, limits: &Limits) -> Reply {
    let mut reply = Reply { length: message.wire_len, ..Reply::default() };
    if let Some(fault) = &message.fault {
        reply.kind = ReplyKind::Fault;
        reply.fault = value::bounded(&fault.reason).or_else(|| value::bounded(&fault.code));
        return reply;
    }
    // 3.1.1 of the WCF wrapping: `<OperationResponse><OperationResult>…`, absent or nil without a value.
    let result = message.body.as_ref().and_then(|body| body.elements().find(|element| element.name.ends_with("Result")));
    let Some(result) = result.filter(|result| !is_nil(result)) else { return reply };
    let text = result.text();
    if result.children.is_empty() || (text.trim().is_empty() && result.elements().next().is_none()) {
        return reply;
    }
    reply.kind = ReplyKind::Value;
    let trimmed = text.trim();
    if trimmed.starts_with('<') {
        inside_xml(trimmed, message.truncated, limits, &mut reply);
    } else if let Some(bytes) = value::base64(trimmed) {
        inside_object(&bytes, message.truncated, limits, &mut reply);
    }
    reply
}

/// [XML Schema] 2.6.2: `xsi:nil`.
fn is_nil(element: &Element) -> bool {
    let is_nil =
        |(name, value): &(String, String)| name.rsplit(':').next() == Some("nil") && matches!(value.as_str(), "true" | "1");
    element.attributes.iter().any(is_nil)
}

/// `<CommonInvokeRetVal><Params><Param ParamName="retVal" ParamValue="…"/>`: empty where no parameter has a value.
fn inside_xml(text: &str, truncated: bool, limits: &Limits, reply: &mut Reply) {
    // The cap on one text need not fit a list of credentials: the attribute is read from the text as it stands.
    let Ok(tree) = xml::parse(text, limits) else { return };
    let params: Vec<&Element> =
        tree.root.child("Params").into_iter().flat_map(Element::elements).filter(|element| element.name == "Param").collect();
    let values = || params.iter().filter_map(|param| param.attribute("ParamValue")).filter(|value| !value.is_empty());
    if !truncated
        && !tree.truncated
        && tree.root.name == "CommonInvokeRetVal"
        && values().next().is_none()
        && tree.root.text().trim().is_empty()
    {
        reply.kind = ReplyKind::Empty;
        return;
    }
    for value in values() {
        let cut = truncated || tree.truncated;
        let bytes = value::base64(value).or_else(|| cut.then(|| value::base64_head(value)));
        if let Some(bytes) = bytes {
            inside_object(&bytes, cut, limits, reply);
        }
    }
}

fn inside_object(bytes: &[u8], truncated: bool, limits: &Limits, reply: &mut Reply) {
    let walk = nrbf::walk(bytes, limits, &mut |_| {});
    if reply.class.is_none() {
        reply.class = walk.root.as_deref().and_then(value::bounded);
    }
    let objects = walk.credential_objects();
    if walk.complete && !truncated {
        reply.credential_count = Some(reply.credential_count.unwrap_or(0) + objects);
    }
}
