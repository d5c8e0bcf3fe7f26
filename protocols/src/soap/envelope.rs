//! A document tree as a message: addressing and body found by their local names.

use super::{Element, Fault, Message, Node};

/// Bytes of an action, address or message id that are kept.
const MAX_ADDRESSING: usize = 2_048;

/// Actions besides the first that are kept.
const MAX_ACTIONS: usize = 16;
/// Namespaces of WS-Addressing: 1.0, and that of the member submission.
const ADDRESSING: [&str; 2] = ["http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing"];

/// Takes the parts of an envelope. What is no envelope becomes the body as it is.
#[must_use]
pub fn message(root: Element, wire_len: u64, truncated: bool) -> Message {
    let mut message = Message { wire_len, truncated, ..Message::default() };
    if root.name != "Envelope" {
        message.body = Some(root);
        return message;
    }
    for node in root.children {
        let Node::Element(part) = node else { continue };
        match part.name.as_str() {
            "Header" => read_header(&part, &mut message),
            "Body" => {
                let inside =
                    part.children.into_iter().find_map(|node| if let Node::Element(inside) = node { Some(inside) } else { None });
                message.fault = inside.as_ref().filter(|inside| inside.name == "Fault").map(fault);
                message.body = inside;
            }
            _ => {}
        }
    }
    message
}

fn read_header(header: &Element, message: &mut Message) {
    let text = |name: &str| header.child(name).map(|element| bounded(element.text())).filter(|text| !text.is_empty());
    // The first of WS-Addressing, else the first; the others are remembered.
    let mut actions: Vec<&Element> = header.elements().filter(|element| element.name == "Action").collect();
    actions.sort_by_key(|element| !ADDRESSING.contains(&element.namespace.as_str()));
    let mut actions = actions.into_iter().map(|element| bounded(element.text())).filter(|text| !text.is_empty());
    message.action = actions.next();
    message.more_actions = actions.take(MAX_ACTIONS).collect();
    message.to = text("To");
    message.message_id = text("MessageID");
    message.relates_to = text("RelatesTo");
}

/// Addressing values are kept while a request waits: no more of them than a URI may need.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_ADDRESSING {
        let end = (0..=MAX_ADDRESSING).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// [SOAP 1.2] 5.4: the innermost code tells most. [SOAP 1.1] 4.4 has other names.
fn fault(fault: &Element) -> Fault {
    let mut code = fault.child("faultcode").map(Element::text).unwrap_or_default();
    let mut level = fault.child("Code");
    while let Some(known) = level {
        if let Some(value) = known.child("Value") {
            code = value.text();
        }
        level = known.child("Subcode");
    }
    let reason = fault.child("faultstring").or_else(|| fault.child("Reason").and_then(|reason| reason.child("Text")));
    Fault { code: bounded(code), reason: reason.map(|reason| bounded(reason.text())).unwrap_or_default() }
}
