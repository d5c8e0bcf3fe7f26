//! Calls on their way.

use std::collections::VecDeque;

use super::super::calls::{self, Marshalling};
use super::super::fragments::{Part, Piece};
use super::super::pdu::Header;
use super::super::transaction::{End, Exchange};
use super::super::{bind::Syntax, verification};
use crate::contract::Limits;
use crate::dcerpc::transaction::Interface;

/// Bytes of a call beside its stubs, about.
const CALL: usize = 512;

/// A call.
pub struct Call {
    pub tx_id: Option<u64>,
    pub exchange: Exchange,
    /// No bind was seen that says what it is of.
    pub unbound: bool,
    /// Its arguments were told.
    told: bool,
    /// What decoded arguments may hold.
    decoded: usize,
}

impl Call {
    /// `headless`: its first fragment was not seen.
    pub fn new(tx_id: Option<u64>, mut exchange: Exchange, headless: bool) -> Self {
        if headless {
            exchange.request = Some(Part::new(headless));
        }
        Self { tx_id, exchange, unbound: false, told: false, decoded: 0 }
    }

    /// A fragment of its arguments; whether a cap bit now.
    pub fn request(&mut self, piece: &Piece<'_>, limits: &Limits) -> bool {
        let long = self.exchange.interface().zip(self.exchange.opnum).is_some_and(|(uuid, opnum)| calls::is_long(uuid, opnum));
        let max = if long { limits.max_message.max(limits.max_envelope) } else { limits.max_message };
        let part = self.exchange.request.get_or_insert_default();
        let before = part.capped;
        part.push(piece, max);
        part.capped && !before
    }

    /// A fragment of its results; whether a cap bit now.
    pub fn response(&mut self, piece: &Piece<'_>, header: &Header, max: usize) -> bool {
        if header.first {
            self.exchange.response = None;
        }
        let part = self.exchange.response.get_or_insert_with(|| Part::new(!header.first));
        let before = part.capped;
        part.push(piece, max);
        part.capped && !before
    }

    /// Its arguments are decoded; false: they were before.
    pub fn read(&mut self) -> bool {
        if std::mem::replace(&mut self.told, true) {
            return false;
        }
        let exchange = &mut self.exchange;
        let Some(part) = &mut exchange.request else { return false };
        part.truncated |= !part.complete;
        let Some(stub) = part.readable() else { return true };
        // The client's own word, where no bind was seen.
        if exchange.interface.is_none_or(|interface| interface.assumed)
            && part.complete
            && let Some((uuid, version, syntax)) = verification::context(stub)
        {
            exchange.interface = Some(Interface { uuid, version, assumed: false });
            let little = exchange.marshalling.is_none_or(|how| how.little);
            exchange.marshalling = match syntax {
                Syntax::Ndr => Some(Marshalling { little, ndr64: false }),
                Syntax::Ndr64 => Some(Marshalling { little, ndr64: true }),
                Syntax::Features(_) | Syntax::Other(..) => None,
            };
        }
        let known = exchange.interface.zip(exchange.opnum).zip(exchange.marshalling);
        if let Some(((interface, opnum), how)) = known {
            if interface.assumed {
                // Of which way of marshalling it is nothing was seen either.
                let read = calls::request_either_way(interface.uuid, opnum, stub, how.little);
                exchange.marshalling = read.as_ref().map(|(_, how)| *how);
                exchange.call = read.map(|(call, _)| Box::new(call));
            } else {
                exchange.call = calls::request(interface.uuid, opnum, stub, how).map(Box::new);
            }
        }
        // Nothing said of which interface it is, or something else than it is.
        if exchange.call.is_none()
            && self.unbound
            && part.complete
            && !part.truncated
            && let Some((call, interface, how)) =
                exchange.opnum.and_then(|opnum| calls::recognised(opnum, stub, exchange.marshalling.is_none_or(|how| how.little)))
        {
            exchange.interface = Some(interface);
            exchange.marshalling = Some(how);
            exchange.call = Some(Box::new(call));
        }
        if exchange.call.is_some() {
            // Texts of UTF-16 become at most half as long again.
            self.decoded = stub.len() / 2 * 3;
        }
        true
    }

    /// Arguments that stand nowhere as they are, because fragments were put together.
    pub fn put_together(&self) -> Option<&[u8]> {
        let part = self.exchange.request.as_ref().filter(|part| part.fragments > 1)?;
        Some(part.stub.as_slice()).filter(|stub| !stub.is_empty())
    }

    pub fn forget_stub(&mut self) {
        if let Some(part) = &mut self.exchange.request {
            part.stub = Vec::new();
        }
    }

    /// Its results are complete.
    pub fn answered(&mut self, little: bool) {
        let exchange = &mut self.exchange;
        exchange.end = Some(End::Response);
        let Some(part) = &exchange.response else { return };
        exchange.returned = part.tail().map(|tail| if little { u32::from_le_bytes(tail) } else { u32::from_be_bytes(tail) });
        let known = exchange.interface.zip(exchange.opnum).zip(exchange.marshalling);
        if let Some(((interface, opnum), how)) = known
            && !part.truncated
            && let Some(stub) = part.readable()
        {
            let how = Marshalling { little, ..how };
            exchange.reply = calls::response(interface.uuid, opnum, stub, how).map(Box::new);
        }
    }

    fn held(&self) -> usize {
        let stub = |part: &Option<Part>| part.as_ref().map_or(0, |part| part.stub.len());
        CALL + stub(&self.exchange.request) + stub(&self.exchange.response) + self.decoded
    }
}

/// All of an association, the oldest first.
#[derive(Default)]
pub struct Waiting {
    calls: VecDeque<Call>,
    held: usize,
}

impl Waiting {
    /// Bytes held, about.
    pub const fn held(&self) -> usize {
        self.held
    }

    fn at(&self, which: impl Fn(&Call) -> bool) -> Option<usize> {
        self.calls.iter().position(which)
    }

    fn remove(&mut self, at: usize) -> Option<Call> {
        let call = self.calls.remove(at)?;
        self.held -= call.held();
        Some(call)
    }

    /// The call whose arguments are still coming.
    pub fn collecting(&mut self, call_id: u32) -> Option<Call> {
        let at = self.at(|call| call.exchange.call_id == call_id && call.exchange.request.is_some() && !call.told)?;
        self.remove(at)
    }

    /// The call with an id: whose answer is coming, or the oldest.
    pub fn take(&mut self, call_id: u32) -> Option<Call> {
        let coming = self.at(|call| call.exchange.call_id == call_id && call.exchange.response.is_some());
        let at = coming.or_else(|| self.at(|call| call.exchange.call_id == call_id))?;
        self.remove(at)
    }

    /// Bytes are missing: what is still coming has a hole.
    pub fn lose(&mut self, of_client: bool) {
        for call in &mut self.calls {
            let part = if of_client { &mut call.exchange.request } else { &mut call.exchange.response };
            if let Some(part) = part.as_mut().filter(|part| !part.complete) {
                part.lose();
            }
        }
    }

    pub fn knows(&self, call_id: u32) -> bool {
        self.at(|call| call.exchange.call_id == call_id).is_some()
    }

    pub fn cancel(&mut self, call_id: u32) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.exchange.call_id == call_id) {
            call.exchange.cancelled = true;
        }
    }

    /// A call that is new, or that was touched: it is the last one to give way.
    pub fn put(&mut self, call: Call) {
        self.held += call.held();
        self.calls.push_back(call);
    }

    /// The oldest call, where there are more, or larger ones, than may wait.
    pub fn too_many(&mut self, limits: &Limits) -> Option<Call> {
        let over = self.calls.len() > limits.max_pending.max(1) || self.held > limits.max_buffer.max(limits.max_message);
        if over && self.calls.len() > 1 { self.pop() } else { None }
    }

    pub fn pop(&mut self) -> Option<Call> {
        self.remove(0)
    }
}
