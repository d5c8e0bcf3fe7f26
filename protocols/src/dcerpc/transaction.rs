//! What a conversation says. Its records are in `fields`.

use super::association::Association;
use super::bind::Bind;
use super::calls::{Call, Marshalling, Reply};
use super::fragments::Part;
pub use crate::nmf::Stage;

/// The interface of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its UUID, as the number that its text is.
    pub uuid: u128,
    /// Major and minor version.
    pub version: (u16, u16),
    /// Its bind was not seen: it follows from the name of the pipe, or from the arguments.
    pub assumed: bool,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With results.
    Response,
    /// With a status (C706 appendix E).
    Fault(u32),
    /// The client gave it up (C706 12.6.4.7).
    Orphaned,
}

/// A call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// What pairs request and answer.
    pub call_id: u32,
    /// Minor version of the protocol.
    pub minor: u8,
    /// Id of the presentation context.
    pub context: u16,
    /// The interface, where it is known.
    pub interface: Option<Interface>,
    /// Number of the operation; `None`: the request was not seen.
    pub opnum: Option<u16>,
    /// The object that it is for.
    pub object: Option<u128>,
    /// How its arguments are written down, where that is NDR or NDR64.
    pub marshalling: Option<Marshalling>,
    /// Arguments; `None`: not seen.
    pub request: Option<Part>,
    /// Results.
    pub response: Option<Part>,
    /// How it ended.
    pub end: Option<End>,
    /// The client asked for it to be cancelled.
    pub cancelled: bool,
    /// The arguments, decoded.
    pub call: Option<Box<Call>>,
    /// The results, decoded.
    pub reply: Option<Box<Reply>>,
    /// What the operation returned, where the last four bytes of its results are there: most return a status.
    pub returned: Option<u32>,
}

impl Exchange {
    /// UUID of the interface.
    #[must_use]
    pub fn interface(&self) -> Option<u128> {
        self.interface.map(|interface| interface.uuid)
    }

    /// The operation's name, where it is known.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        super::calls::operation_name(self.interface()?, self.opnum?)
    }

    /// Its arguments are encrypted.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.request.as_ref().is_some_and(|part| part.sealed)
    }

    /// Arguments are missing: behind a cap, or behind a hole.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.request.as_ref().is_some_and(|part| part.truncated || part.headless)
    }
}

/// What is told.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// Contexts are agreed upon.
    Bind(&'a Bind),
    /// A call.
    Call(&'a Exchange),
}

/// A stage of a bind or a call.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// Number within the flow and protocol; in a pipe that of the request of SMB that brought its end.
    pub tx_id: Option<u64>,
    /// How far it is. The stub of the arguments is there at [`Stage::Requested`] only.
    pub stage: Stage,
    /// Where it belongs.
    pub association: &'a Association,
    /// What it is.
    pub told: Told<'a>,
}

impl<'a> Transaction<'a> {
    /// Number within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        self.tx_id
    }

    /// The call, where it is one.
    #[must_use]
    pub const fn call(&self) -> Option<&'a Exchange> {
        if let Told::Call(call) = self.told { Some(call) } else { None }
    }

    /// Whether a record is written: binds and calls that are over.
    #[must_use]
    pub fn is_record(&self) -> bool {
        self.stage != Stage::Requested
    }
}
