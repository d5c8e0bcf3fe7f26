//! What a net.tcp conversation says.

use backstop_types::Fields;

use crate::soap::Message;

/// A session, or one exchange in it.
#[derive(Clone, Debug)]
pub enum Transaction<'a> {
    /// The preamble is complete, or as complete as it will be.
    Session(&'a Session),
    /// A stage of a request and its reply.
    Exchange(Exchange<'a>),
}

/// What the preamble says ([MC-NMF] 2.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// `1.0`.
    pub version: Option<String>,
    /// `singleton_unsized`, `duplex`, `simplex`, `singleton_sized`.
    pub mode: Option<&'static str>,
    /// The Via URI, bounded.
    pub via: Option<String>,
    /// Encoding name, for example `binary_session`; an unknown one is `extensible:NAME`.
    pub encoding: Option<String>,
    /// Upgrades asked for, in order.
    pub upgrades: Vec<String>,
    /// The server answered the upgrade or the preamble: it does speak this protocol.
    pub acknowledged: bool,
    /// Fault URI sent by the server.
    pub fault: Option<String>,
}

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The request is decoded, the reply is not there yet.
    Requested,
    /// The reply is decoded.
    Answered,
    /// The stream ended, or too many requests wait: no reply will be seen.
    Unanswered,
}

/// A request with its reply.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Number of the request in the flow, from 0.
    pub tx_id: u64,
    /// How far it is.
    pub stage: Stage,
    /// The request; its body is there at [`Stage::Requested`] only.
    pub request: &'a Message,
    /// The reply, at [`Stage::Answered`].
    pub reply: Option<&'a Message>,
}

impl Session {
    fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        fields.set_some("version", self.version.clone());
        fields.set_some("mode", self.mode);
        fields.set_some("via", self.via.clone());
        fields.set_some("encoding", self.encoding.clone());
        if !self.upgrades.is_empty() {
            fields.set("upgrades", self.upgrades.clone());
        }
        fields.set("acknowledged", self.acknowledged);
        fields.set_some("fault", self.fault.clone());
        fields
    }
}

impl Transaction<'_> {
    /// Number within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        match self {
            Self::Session(_) => None,
            Self::Exchange(exchange) => Some(exchange.tx_id),
        }
    }

    /// The decoded facts.
    #[must_use]
    pub fn fields(&self) -> Fields {
        match self {
            Self::Session(session) => Fields::new().with("session", session.fields()),
            Self::Exchange(exchange) => {
                let mut fields = Fields::new().with("request", exchange.request.fields());
                fields.set_some("reply", exchange.reply.map(Message::fields));
                fields
            }
        }
    }

    /// Whether a record is written: sessions, and exchanges that are over.
    #[must_use]
    pub fn is_record(&self) -> bool {
        match self {
            Self::Session(_) => true,
            Self::Exchange(exchange) => exchange.stage != Stage::Requested,
        }
    }
}
