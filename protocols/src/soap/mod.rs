//! SOAP messages as a carrier hands them over: addressing and a bounded body tree ([SOAP 1.2], [WS-Addressing]).

mod envelope;
pub mod xml;

use backstop_types::Fields;
pub use envelope::message;

/// An element of a body: qualified name, attributes, children. Bounded in depth, nodes and text by the reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Name without prefix.
    pub name: String,
    /// Namespace, empty where none is in scope.
    pub namespace: String,
    /// Attributes by local name, namespace declarations left out.
    pub attributes: Vec<(String, String)>,
    /// Children in order.
    pub children: Vec<Node>,
}

/// A child of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text; adjacent pieces are one.
    Text(String),
}

impl Element {
    /// The first child element of that local name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.elements().find(|element| element.name == name)
    }

    /// The child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| if let Node::Element(element) = node { Some(element) } else { None })
    }

    /// The text of the element itself, pieces joined.
    #[must_use]
    pub fn text(&self) -> String {
        self.children.iter().filter_map(|node| if let Node::Text(text) = node { Some(text.as_str()) } else { None }).collect()
    }

    /// An attribute by local name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A fault: code and reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The innermost code value.
    pub code: String,
    /// The reason text.
    pub reason: String,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// WS-Addressing action.
    pub action: Option<String>,
    /// Further actions, of other namespaces or doubled, bounded: which of them a service takes is not known here.
    pub more_actions: Vec<String>,
    /// WS-Addressing destination.
    pub to: Option<String>,
    /// WS-Addressing message id.
    pub message_id: Option<String>,
    /// WS-Addressing id of the request that this answers.
    pub relates_to: Option<String>,
    /// The element inside the body.
    pub body: Option<Element>,
    /// The body is a fault.
    pub fault: Option<Fault>,
    /// Bytes of the message on the wire.
    pub wire_len: u64,
    /// The tree is not complete: a cap was reached, or bytes are missing.
    pub truncated: bool,
    /// … because of a cap of ours, not because bytes are missing.
    pub capped: bool,
}

impl Message {
    /// The addressing facts for a record.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        fields.set_some("action", self.action.clone());
        fields.set_some("to", self.to.clone());
        fields.set_some("message_id", self.message_id.clone());
        fields.set_some("relates_to", self.relates_to.clone());
        fields.set_some("operation", self.body.as_ref().map(|body| body.name.clone()));
        if let Some(fault) = &self.fault {
            fields.set("fault", Fields::new().with("code", fault.code.clone()).with("reason", fault.reason.clone()));
        }
        fields.set("length", self.wire_len);
        if self.truncated {
            fields.set("truncated", true);
        }
        fields
    }
}
