//! What a remoting conversation says.

use backstop_types::{Direction, Fields, Value};

use super::frame::Operation;
pub use crate::nmf::Stage;
use crate::nrbf::{Facts, Returned};

/// Types and addresses in a record.
const MAX_SHOWN: usize = 16;

/// One call with its reply, or the news that the stream is secured.
#[derive(Clone, Copy, Debug)]
pub enum Transaction<'a> {
    /// A stage of a call.
    Exchange(Exchange<'a>),
    /// A negotiated stream around it: nothing inside is visible.
    Secured(&'a Secured),
}

/// A stage of a call.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Number within the flow, from 0.
    pub tx_id: u64,
    /// How far it is.
    pub stage: Stage,
    /// Who sends the requests.
    pub client: Direction,
    /// The request; `None` where it was not seen. What its content says is there as a whole at [`Stage::Requested`] only.
    pub request: Option<&'a Message>,
    /// The reply, at [`Stage::Answered`].
    pub reply: Option<&'a Message>,
}

/// How content is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Formatter {
    /// There is none.
    #[default]
    None,
    /// [MS-NRBF].
    Binary,
    /// SOAP 1.1 ([MS-NRTP] 2.2.4).
    Soap,
    /// Something else: a formatter of the application's own, or what a sink made of it.
    Unknown,
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub operation: Operation,
    /// `RequestUri` as sent, bounded.
    pub uri: Option<String>,
    /// Further ones: which of them a server takes is not known here. Bounded.
    pub more_uris: Vec<String>,
    /// `ContentType`, bounded.
    pub content_type: Option<String>,
    /// Names and values of the application's own headers, bounded.
    pub headers: Vec<(String, String)>,
    /// Status of a reply: 0 is success.
    pub status: Option<u16>,
    /// … in words, bounded.
    pub status_phrase: Option<String>,
    /// The sender closes the connection behind it.
    pub closes: bool,
    /// Content came in chunks.
    pub chunked: bool,
    /// Bytes of content.
    pub length: u64,
    /// How it is written.
    pub formatter: Formatter,
    /// What it says.
    pub facts: Option<Box<Facts>>,
    /// Not all of it was looked at: a cap was reached or bytes are missing.
    pub truncated: bool,
}

/// A negotiated stream ([MS-NNS]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secured {
    /// `ntlm`, `kerberos`, `spnego`.
    pub mechanism: &'static str,
    /// `DOMAIN\user` of the client, where it is in the clear.
    pub user: Option<String>,
    /// The client's machine.
    pub workstation: Option<String>,
    /// Both sides finished the handshake; `Some(false)`: it failed. `None`: not seen.
    pub established: Option<bool>,
}

impl Message {
    /// The object's URI without scheme and authority, and without a slash in front.
    #[must_use]
    pub fn object(uri: &str) -> &str {
        let path = match uri.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => uri,
        };
        path.trim_start_matches('/')
    }

    /// Every URI it gives.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.uri.iter().chain(&self.more_uris).map(String::as_str)
    }

    /// What is kept while a reply is waited for.
    pub(super) fn trim(&mut self) {
        if let Some(facts) = &mut self.facts {
            facts.trim();
        }
        self.headers.truncate(2);
        for text in self.uri.iter_mut().chain(&mut self.content_type).chain(&mut self.status_phrase) {
            cut(text, 256);
        }
        self.more_uris.truncate(1);
        self.more_uris.iter_mut().for_each(|uri| cut(uri, 256));
        for (name, value) in &mut self.headers {
            cut(name, 64);
            cut(value, 64);
        }
    }

    /// Bytes it keeps, roughly.
    pub(super) fn size(&self) -> usize {
        let texts = [&self.uri, &self.content_type, &self.status_phrase].into_iter().flatten().chain(&self.more_uris);
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>());
        let facts = self.facts.as_ref().map_or(0, |facts| facts.size());
        texts.map(|text| text.len() + size_of::<String>()).chain(headers).sum::<usize>() + facts + size_of::<Self>()
    }

    /// The decoded facts of a request or reply; texts of its content are not among them.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        let operation = match self.operation {
            Operation::Request => Some("request"),
            Operation::OneWay => Some("one_way"),
            Operation::Reply => None,
        };
        fields.set_some("operation", operation);
        fields.set_some("uri", self.uri.clone());
        if !self.more_uris.is_empty() {
            fields.set("more_uris", self.more_uris.clone());
        }
        fields.set_some("content_type", self.content_type.clone());
        let formatter = match self.formatter {
            Formatter::None => None,
            Formatter::Binary => Some("binary"),
            Formatter::Soap => Some("soap"),
            Formatter::Unknown => Some("unknown"),
        };
        fields.set_some("formatter", formatter);
        if self.chunked {
            fields.set("chunked", true);
        }
        fields.set_some("status", self.status);
        fields.set_some("status_phrase", self.status_phrase.clone());
        if let Some(facts) = &self.facts {
            content_fields(facts, &mut fields);
        }
        fields.set("length", self.length);
        if self.truncated {
            fields.set("truncated", true);
        }
        fields
    }
}

fn cut(text: &mut String, max: usize) {
    if let Some(end) = (0..=max).rev().find(|&end| text.is_char_boundary(end)) {
        text.truncate(end);
        text.shrink_to_fit();
    }
}

/// What a stream says, for a record or as evidence.
pub fn content_fields(facts: &Facts, fields: &mut Fields) {
    if let Some((method, class)) = &facts.call {
        fields.set("method", method.clone());
        if !class.is_empty() {
            fields.set("type", class.clone());
        }
    }
    let returned = facts.returned.map(|returned| match returned {
        Returned::Exception => "exception",
        Returned::Nothing => "nothing",
        Returned::Value => "value",
    });
    fields.set_some("returned", returned);
    fields.set_some("root", facts.root.clone());
    let types: Vec<Value> = facts.types.iter().take(MAX_SHOWN).map(|known| known.name.clone().into()).collect();
    if !types.is_empty() {
        fields.set("types", types);
    }
    let addresses: Vec<Value> = facts.addresses.iter().take(MAX_SHOWN).map(|address| address.uri.clone().into()).collect();
    if !addresses.is_empty() {
        fields.set("object_addresses", addresses);
    }
    if facts.nested > 0 {
        fields.set("nested_streams", facts.nested);
    }
}

impl Secured {
    fn fields(&self) -> Fields {
        let mut fields = Fields::new().with("stream", "negotiate");
        fields.set_some("mechanism", Some(self.mechanism).filter(|mechanism| !mechanism.is_empty()));
        fields.set_some("user", self.user.clone());
        fields.set_some("workstation", self.workstation.clone());
        fields.set_some("established", self.established);
        fields
    }
}

impl Transaction<'_> {
    /// Number within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        match self {
            Self::Exchange(exchange) => Some(exchange.tx_id),
            Self::Secured(_) => None,
        }
    }

    /// The decoded facts.
    #[must_use]
    pub fn fields(&self) -> Fields {
        match self {
            Self::Exchange(exchange) => {
                let mut fields = Fields::new();
                fields.set_some("request", exchange.request.map(Message::fields));
                fields.set_some("reply", exchange.reply.map(Message::fields));
                fields
            }
            Self::Secured(secured) => Fields::new().with("secured", secured.fields()).with("visible", false),
        }
    }

    /// Whether a record is written: calls that are over, and secured streams.
    #[must_use]
    pub fn is_record(&self) -> bool {
        match self {
            Self::Exchange(exchange) => exchange.stage != Stage::Requested,
            Self::Secured(_) => true,
        }
    }
}
