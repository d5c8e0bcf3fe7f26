//! The state of an association, whatever carries it: PDUs in, binds and calls out.

mod waiting;

use backstop_types::Direction;

use super::anomaly;
use super::association::{Association, Carrier, Level, meaning};
use super::auth::{self, Verifier};
use super::bind::{self, Bind, BindEnd, Syntax};
use super::calls::Marshalling;
use super::fragments::Piece;
use super::pdu::{Header, Kind, Reading};
use super::transaction::{End, Exchange, Interface, Stage, Told, Transaction};
use super::{pipes, rts};
use crate::contract::Limits;
use waiting::{Call, Waiting};

/// Binds that wait for their answer.
const MAX_BINDS: usize = 8;

/// Where the results of a session go.
pub trait Out {
    /// A stage of a bind or a call.
    fn transaction(&mut self, transaction: &Transaction<'_>);
    /// A violation, or a limit that bit.
    fn anomaly(&mut self, event: &'static str, direction: Direction);
    /// Arguments that came in fragments, put together.
    fn content(&mut self, bytes: &[u8], direction: Direction, tx_id: Option<u64>);
}

/// One association.
pub struct Session {
    limits: Limits,
    association: Association,
    /// The interface that the carrier stands for.
    usual: Option<Interface>,
    /// The context whose interface a call told that no bind was seen of.
    recognised: Option<(u16, Interface)>,
    client: Option<Direction>,
    /// Bytes are missing somewhere: what does not fit is nobody's fault.
    lossy: bool,
    /// With the numbers that they were given.
    binds: Vec<(Option<u64>, Bind)>,
    calls: Waiting,
    next_tx: u64,
    told: Vec<&'static str>,
}

/// A PDU as it is handled.
#[derive(Clone, Copy)]
struct Pdu<'a> {
    header: &'a Header,
    bytes: &'a [u8],
    verifier: Option<Verifier<'a>>,
    direction: Direction,
    /// The carrier's number of what brought it.
    tag: Option<u64>,
}

impl Session {
    pub fn new(carrier: Carrier, limits: &Limits) -> Self {
        let usual = if let Carrier::Pipe(name) = &carrier { pipes::usual(name) } else { None };
        Self {
            limits: *limits,
            association: Association::new(carrier),
            usual,
            recognised: None,
            client: None,
            lossy: false,
            binds: Vec::new(),
            calls: Waiting::default(),
            next_tx: 0,
            told: Vec::new(),
        }
    }

    /// Bytes of a direction are missing, here or where it is carried.
    pub fn lose(&mut self, direction: Direction) {
        self.lossy = true;
        let client = self.client.unwrap_or(Direction::ToServer);
        self.calls.lose(direction == client);
    }

    pub const fn is_lossy(&self) -> bool {
        self.lossy
    }

    /// Bytes held, about.
    pub fn held(&self) -> usize {
        let binds: usize = self.binds.iter().map(|(_, bind)| (bind.contexts.len() + 1) * size_of::<bind::Context>()).sum();
        self.calls.held() + binds + self.association.held()
    }

    /// A PDU, as far as it is there.
    pub fn pdu(&mut self, header: &Header, bytes: &[u8], direction: Direction, tag: Option<u64>, out: &mut dyn Out) {
        if let Some(of_client) = header.kind.is_of_client() {
            let client = if of_client { direction } else { direction.reverse() };
            if *self.client.get_or_insert(client) != client {
                self.violation(anomaly::WRONG_DIRECTION, direction, out);
                return;
            }
        }
        if header.verifier_at().is_none() {
            self.violation(anomaly::MALFORMED_PDU, direction, out);
        }
        let pdu = Pdu { header, bytes, verifier: auth::verifier(header, bytes), direction, tag };
        let whole = bytes.len() >= usize::from(header.len);
        let read = match header.kind {
            Kind::Request => self.request(pdu, out),
            Kind::Response | Kind::Fault => self.answer(pdu, out),
            Kind::Bind | Kind::AlterContext => {
                self.bind(pdu, out);
                Some(())
            }
            Kind::BindAck | Kind::AlterContextResp => self.agreed(pdu, out),
            Kind::BindNak => self.refused(pdu, out),
            Kind::Auth3 => {
                self.authenticate(pdu.verifier);
                Some(())
            }
            Kind::CoCancel => {
                self.calls.cancel(header.call_id);
                Some(())
            }
            Kind::Orphaned => {
                if let Some(mut call) = self.calls.take(header.call_id) {
                    self.requested(&mut call, direction, out);
                    call.exchange.end = Some(End::Orphaned);
                    self.tell(&call, Stage::Unanswered, out);
                }
                Some(())
            }
            Kind::Rts => {
                let known = self.association.connection.take();
                self.association.connection = known.or_else(|| rts::connection(header, bytes));
                Some(())
            }
            Kind::Shutdown | Kind::Other(_) => Some(()),
        };
        if read.is_none() && whole {
            self.violation(anomaly::MALFORMED_PDU, direction, out);
        }
    }

    /// Nothing more comes: what waits is told.
    pub fn end(&mut self, out: &mut dyn Out) {
        let client = self.client.unwrap_or(Direction::ToServer);
        for (tx_id, bind) in std::mem::take(&mut self.binds) {
            self.tell_bind(tx_id, &bind, Stage::Unanswered, out);
        }
        while let Some(call) = self.calls.pop() {
            self.give_up(call, client, out);
        }
    }

    fn bind(&mut self, pdu: Pdu<'_>, out: &mut dyn Out) {
        self.authenticate(pdu.verifier);
        let (contexts, whole) = bind::offered(pdu.header, pdu.bytes);
        if !whole && pdu.bytes.len() >= usize::from(pdu.header.len) {
            self.violation(anomaly::MALFORMED_PDU, pdu.direction, out);
        }
        let alters = pdu.header.kind == Kind::AlterContext;
        let (call_id, minor) = (pdu.header.call_id, pdu.header.minor);
        let bind = Bind { call_id, minor, seen: true, alters, contexts, ..Bind::default() };
        let tx_id = self.number(pdu.tag);
        self.tell_bind(tx_id, &bind, Stage::Requested, out);
        self.binds.push((tx_id, bind));
        if self.binds.len() > MAX_BINDS {
            let (tx_id, oldest) = self.binds.remove(0);
            self.report(anomaly::PENDING_LIMIT, pdu.direction, out);
            self.tell_bind(tx_id, &oldest, Stage::Unanswered, out);
        }
    }

    /// The bind that an answer is to; one that was not seen is made up.
    fn bound(&mut self, pdu: Pdu<'_>) -> (Option<u64>, Bind) {
        let header = pdu.header;
        match self.binds.iter().position(|(_, bind)| bind.call_id == header.call_id) {
            Some(at) => self.binds.remove(at),
            None => {
                let alters = header.kind == Kind::AlterContextResp;
                let bind = Bind { call_id: header.call_id, minor: header.minor, alters, ..Bind::default() };
                (self.number(pdu.tag), bind)
            }
        }
    }

    fn agreed(&mut self, pdu: Pdu<'_>, out: &mut dyn Out) -> Option<()> {
        let (tx_id, mut bind) = self.bound(pdu);
        let agreed = bind::agreed(pdu.header, pdu.bytes).ok();
        let read = agreed.is_some();
        let (address, results) = agreed.unwrap_or_default();
        bind.end = Some(BindEnd::Ack);
        bind.address = address;
        if let Some(verifier) = &pdu.verifier {
            self.association.agree(verifier);
        }
        for (context, negotiated) in bind.contexts.iter_mut().zip(results) {
            context.negotiated = Some(negotiated);
        }
        for context in bind.contexts.iter().filter(|context| context.is_accepted() && !context.is_features()) {
            if let Err(event) = self.association.accept(context.clone()) {
                self.report(event, pdu.direction, out);
                break;
            }
        }
        self.tell_bind(tx_id, &bind, Stage::Answered, out);
        read.then_some(())
    }

    fn refused(&mut self, pdu: Pdu<'_>, out: &mut dyn Out) -> Option<()> {
        let (tx_id, mut bind) = self.bound(pdu);
        let reason = Reading::body(pdu.header, pdu.bytes).u16().ok();
        bind.end = Some(BindEnd::Nak(reason.unwrap_or_default()));
        self.tell_bind(tx_id, &bind, Stage::Answered, out);
        reason.map(|_| ())
    }

    fn authenticate(&mut self, verifier: Option<Verifier<'_>>) {
        if let Some(verifier) = verifier {
            self.association.authenticate(&verifier);
        }
    }

    /// What calls of a context are of: as the server accepted it, or as a bind asks that has no answer yet.
    fn meaning(&self, id: u16) -> Option<(Interface, Option<Syntax>)> {
        let asked = || self.binds.iter().rev().flat_map(|(_, bind)| &bind.contexts).find(|context| context.id == id).map(meaning);
        self.association.context(id).or_else(asked)
    }

    /// The interface of a context that no bind was seen of: as an earlier call told it, or as the carrier's name does.
    fn assumed(&self, context: u16) -> Option<Interface> {
        self.recognised.filter(|(of, _)| *of == context).map(|(_, interface)| interface).or(self.usual)
    }

    /// The stub of a fragment that begins at an offset of the PDU.
    fn piece<'a>(&mut self, pdu: Pdu<'a>, from: usize, out: &mut dyn Out) -> Piece<'a> {
        let (header, verifier) = (pdu.header, pdu.verifier);
        let end = header.verifier_at().unwrap_or_else(|| usize::from(header.len));
        let pad = verifier.map_or(0, |verifier| usize::from(verifier.pad));
        let padded = end.checked_sub(pad).filter(|padded| *padded >= from);
        if padded.is_none() {
            self.violation(anomaly::MALFORMED_PDU, pdu.direction, out);
        }
        let end = padded.unwrap_or(end).max(from);
        let there = pdu.bytes.get(from..).unwrap_or_default();
        let len = end - from;
        let level = self.level(pdu, out);
        // A verifier that nobody agreed to is only said to be one.
        let open = self.association.is_open() && !self.lossy;
        let sealed = level.is_some_and(|level| level >= Level::PRIVACY) && !open;
        Piece { bytes: there.get(..len).unwrap_or(there), len, level, sealed, last: header.last }
    }

    /// How a fragment is protected: a server goes by its security context, whatever the fragment says.
    fn level(&mut self, pdu: Pdu<'_>, out: &mut dyn Out) -> Option<Level> {
        if pdu.header.auth_len == 0 {
            return None;
        }
        let Some(verifier) = pdu.verifier else { return self.association.level() };
        let said = Level(verifier.level);
        let known = self.association.level_of(verifier.context).filter(|known| *known != said && !self.lossy);
        if known.is_some() {
            self.violation(anomaly::AUTH_LEVEL, pdu.direction, out);
        }
        Some(known.unwrap_or(said))
    }

    /// A fragment of a call (C706 12.6.4.9).
    fn request(&mut self, pdu: Pdu<'_>, out: &mut dyn Out) -> Option<()> {
        let header = pdu.header;
        let mut reading = Reading::body(header, pdu.bytes);
        // How much it may become is of no use: nobody has to keep to it.
        reading.cursor.take(4).ok()?;
        let (context, opnum) = (reading.u16().ok()?, reading.u16().ok()?);
        let object = if header.object { Some(reading.uuid().ok()?) } else { None };
        let piece = self.piece(pdu, super::pdu::HEADER + reading.cursor.position(), out);
        let known = self.calls.collecting(header.call_id);
        if header.first == known.is_some() {
            self.violation(anomaly::FRAGMENT_ORDER, pdu.direction, out);
        }
        let mut call = match known {
            Some(call) if !header.first => call,
            known => {
                // A call that begins within itself: what came before it goes no further.
                if let Some(before) = known {
                    self.give_up(before, pdu.direction, out);
                }
                let meaning = self.meaning(context);
                let interface = meaning.map(|(interface, _)| interface).or_else(|| self.assumed(context));
                let marshalling = marshalling(header.little, meaning.and_then(|(_, syntax)| syntax));
                let (call_id, minor, opnum) = (header.call_id, header.minor, Some(opnum));
                let exchange = Exchange { call_id, minor, context, interface, opnum, object, marshalling, ..Exchange::default() };
                let mut call = Call::new(self.number(pdu.tag), exchange, !header.first);
                call.unbound = self.binds.is_empty() && !self.association.is_bound();
                call
            }
        };
        if pdu.tag.is_some() {
            call.tx_id = pdu.tag;
        }
        if call.request(&piece, &self.limits) {
            self.report(anomaly::MESSAGE_TOO_LONG, pdu.direction, out);
        }
        if piece.last {
            self.requested(&mut call, pdu.direction, out);
        }
        self.calls.put(call);
        while let Some(oldest) = self.calls.too_many(&self.limits) {
            self.report(anomaly::PENDING_LIMIT, pdu.direction, out);
            self.give_up(oldest, pdu.direction, out);
        }
        Some(())
    }

    /// A call's arguments are as complete as they will be: told once.
    fn requested(&mut self, call: &mut Call, direction: Direction, out: &mut dyn Out) {
        if !call.read() {
            return;
        }
        if call.unbound {
            let interface = call.exchange.interface.filter(|_| call.exchange.call.is_some());
            self.recognised = interface.map(|interface| (call.exchange.context, interface)).or(self.recognised);
        }
        self.tell(call, Stage::Requested, out);
        if let Some(stub) = call.put_together() {
            out.content(stub, direction, call.tx_id);
        }
        call.forget_stub();
    }

    /// A fragment of an answer (C706 12.6.4.10), or a fault (12.6.4.7).
    fn answer(&mut self, pdu: Pdu<'_>, out: &mut dyn Out) -> Option<()> {
        let header = pdu.header;
        let mut reading = Reading::body(header, pdu.bytes);
        reading.cursor.take(4).ok()?;
        let context = reading.u16().ok()?;
        reading.cursor.take(2).ok()?;
        let refused = header.kind == Kind::Fault && !self.calls.knows(header.call_id);
        if refused && self.binds.iter().any(|(_, bind)| bind.call_id == header.call_id) {
            let status = reading.u32().ok()?;
            let (tx_id, mut bind) = self.bound(pdu);
            bind.end = Some(BindEnd::Fault(status));
            self.tell_bind(tx_id, &bind, Stage::Answered, out);
            return Some(());
        }
        let mut call = match self.calls.take(header.call_id) {
            Some(call) => call,
            None => {
                let meaning = self.meaning(context);
                let interface = meaning.map(|(interface, _)| interface).or_else(|| self.assumed(context));
                let (call_id, minor) = (header.call_id, header.minor);
                let exchange = Exchange { call_id, minor, context, interface, ..Exchange::default() };
                Call::new(self.number(pdu.tag), exchange, false)
            }
        };
        // A server may refuse what it has not read to its end.
        if call.exchange.request.is_some() {
            self.requested(&mut call, pdu.direction.reverse(), out);
        }
        if header.kind == Kind::Fault {
            let status = reading.u32().ok();
            call.exchange.end = Some(End::Fault(status.unwrap_or_default()));
            self.tell(&call, Stage::Answered, out);
            return status.map(|_| ());
        }
        let piece = self.piece(pdu, super::pdu::HEADER + 8, out);
        if header.first == call.exchange.response.is_some() {
            self.violation(anomaly::FRAGMENT_ORDER, pdu.direction, out);
        }
        if call.response(&piece, header, self.limits.max_message) {
            self.report(anomaly::MESSAGE_TOO_LONG, pdu.direction, out);
        }
        if piece.last {
            call.answered(header.little);
            self.tell(&call, Stage::Answered, out);
            return Some(());
        }
        self.calls.put(call);
        while let Some(oldest) = self.calls.too_many(&self.limits) {
            self.report(anomaly::PENDING_LIMIT, pdu.direction, out);
            self.give_up(oldest, pdu.direction.reverse(), out);
        }
        Some(())
    }

    fn give_up(&mut self, mut call: Call, direction: Direction, out: &mut dyn Out) {
        self.requested(&mut call, direction, out);
        self.tell(&call, Stage::Unanswered, out);
    }

    fn tell(&self, call: &Call, stage: Stage, out: &mut dyn Out) {
        let told = Told::Call(&call.exchange);
        out.transaction(&Transaction { tx_id: call.tx_id, stage, association: &self.association, told });
    }

    fn tell_bind(&self, tx_id: Option<u64>, bind: &Bind, stage: Stage, out: &mut dyn Out) {
        out.transaction(&Transaction { tx_id, stage, association: &self.association, told: Told::Bind(bind) });
    }

    const fn number(&mut self, tag: Option<u64>) -> Option<u64> {
        if tag.is_some() || !matches!(self.association.carrier, Carrier::Tcp | Carrier::Http) {
            return tag;
        }
        let number = self.next_tx;
        self.next_tx += 1;
        Some(number)
    }

    /// A violation, unless bytes are missing.
    pub fn violation(&mut self, event: &'static str, direction: Direction, out: &mut dyn Out) {
        if !self.lossy {
            self.report(event, direction, out);
        }
    }

    fn report(&mut self, event: &'static str, direction: Direction, out: &mut dyn Out) {
        if !self.told.contains(&event) {
            self.told.push(event);
            out.anomaly(event, direction);
        }
    }
}

/// How arguments are written down: as far as it is not known, by NDR.
fn marshalling(little: bool, syntax: Option<Syntax>) -> Option<Marshalling> {
    match syntax {
        None | Some(Syntax::Ndr) => Some(Marshalling { little, ndr64: false }),
        Some(Syntax::Ndr64) => Some(Marshalling { little, ndr64: true }),
        Some(Syntax::Features(_) | Syntax::Other(..)) => None,
    }
}
