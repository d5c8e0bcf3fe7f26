//! Presentation contexts: what a bind or alter_context offers, and what its answer agrees to (C706 12.6.4.3 and 12.6.4.4,
//! [MS-RPCE] 2.2.2.4 and 3.3.1.5.3).

use super::pdu::{HEADER, Header, Reading};
use crate::cursor::Short;
use crate::tds::text::narrow_name;

/// NDR (C706 chapter 14), NDR64 ([MS-RPCE] 2.2.5).
const NDR: u128 = 0x8a88_5d04_1ceb_11c9_9fe8_0800_2b10_4860;
const NDR64: u128 = 0x7171_0533_beba_4937_8319_b5db_ef9c_cc36;
/// Bind-time feature negotiation: the first half of its UUID; the second is a bit mask ([MS-RPCE] 2.2.2.14).
const FEATURES: u64 = 0x6cb7_1c2c_9812_4540;
/// Transfer syntaxes of a context that are kept.
const MAX_SYNTAXES: usize = 8;
/// Bytes of a secondary address that are kept.
const MAX_ADDRESS: usize = 256;

/// How arguments are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// NDR.
    Ndr,
    /// NDR64.
    Ndr64,
    /// None: features are asked for, by their bits.
    Features(u64),
    /// Another, by its UUID and version.
    Other(u128, u32),
}

impl Syntax {
    const fn of(uuid: u128, version: (u16, u16)) -> Self {
        match (uuid, version) {
            (NDR, (2, _)) => Self::Ndr,
            (NDR64, (1, _)) => Self::Ndr64,
            #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
            _ if (uuid >> 64) as u64 == FEATURES => Self::Features((uuid as u64).swap_bytes()),
            _ => Self::Other(uuid, (version.1 as u32) << 16 | version.0 as u32),
        }
    }

    pub(super) fn read(reading: &mut Reading<'_>) -> Result<Self, Short> {
        let uuid = reading.uuid()?;
        Ok(Self::of(uuid, reading.version()?))
    }
}

/// What the server answered to a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// 0: accepted; 1 and 2: rejected; 3: features are told ([MS-RPCE] 2.2.2.4).
    pub result: u16,
    /// Why it was rejected; of features their bits.
    pub reason: u16,
    /// The syntax, where it was accepted.
    pub syntax: Option<Syntax>,
}

/// A context: calls with its id are of its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Its id.
    pub id: u16,
    /// UUID of the interface.
    pub interface: u128,
    /// Major and minor version.
    pub version: (u16, u16),
    /// Transfer syntaxes that are offered, the first 8.
    pub offered: Vec<Syntax>,
    /// What the server said to it.
    pub negotiated: Option<Negotiated>,
}

impl Context {
    /// The server took it, or has not said that it did not.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.negotiated.is_none_or(|negotiated| negotiated.result == 0)
    }

    /// Features are asked for, no interface.
    #[must_use]
    pub fn is_features(&self) -> bool {
        matches!(self.offered.first(), Some(Syntax::Features(_)))
    }

    /// The transfer syntax: agreed upon, or the only one that can be.
    #[must_use]
    pub fn syntax(&self) -> Option<Syntax> {
        let agreed = self.negotiated.and_then(|negotiated| negotiated.syntax);
        agreed.or_else(|| if let [only] = self.offered[..] { Some(only) } else { None })
    }
}

/// How a bind ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindEnd {
    /// bind_ack or alter_context_resp.
    Ack,
    /// bind_nak with its reason (C706 12.6.4.5).
    Nak(u16),
    /// A fault with its status: how servers refuse an alter_context.
    Fault(u32),
}

/// A bind or alter_context with its answer.
#[derive(Clone, Debug, Default)]
pub struct Bind {
    /// Call id.
    pub call_id: u32,
    /// Minor version of the protocol.
    pub minor: u8,
    /// The request was seen.
    pub seen: bool,
    /// It is an alter_context.
    pub alters: bool,
    /// Contexts it offers.
    pub contexts: Vec<Context>,
    /// How it ended.
    pub end: Option<BindEnd>,
    /// The server's secondary address: a port, or a pipe.
    pub address: Option<String>,
}

/// Contexts of a bind, and whether all that it promises are there.
pub fn offered(header: &Header, pdu: &[u8]) -> (Vec<Context>, bool) {
    let mut out = Vec::new();
    let mut reading = Reading::body(header, pdu);
    // Sizes of fragments, group; number of contexts, padding.
    let Ok([count, ..]) = reading.cursor.take(8).and_then(|_| reading.cursor.array::<4>()) else { return (out, false) };
    for _ in 0..count {
        let Ok(context) = context(&mut reading) else { return (out, false) };
        out.push(context);
    }
    (out, true)
}

fn context(reading: &mut Reading<'_>) -> Result<Context, Short> {
    let id = reading.u16()?;
    let [syntaxes, _] = reading.cursor.array()?;
    let (interface, version) = (reading.uuid()?, reading.version()?);
    let mut offered = Vec::new();
    for _ in 0..syntaxes {
        let syntax = Syntax::read(reading)?;
        if offered.len() < MAX_SYNTAXES {
            offered.push(syntax);
        }
    }
    Ok(Context { id, interface, version, offered, negotiated: None })
}

/// What an ack says: the secondary address, and a result for each context in their order.
pub fn agreed(header: &Header, pdu: &[u8]) -> Result<(Option<String>, Vec<Negotiated>), Short> {
    let mut reading = Reading::body(header, pdu);
    reading.cursor.take(8)?;
    let len = usize::from(reading.u16()?);
    let address = reading.cursor.take(len)?;
    let address = address.split(|byte| *byte == 0).next().unwrap_or_default();
    let address = narrow_name(address.get(..MAX_ADDRESS).unwrap_or(address));
    // Results are aligned within the PDU.
    let at = HEADER + reading.cursor.position();
    reading.cursor.take(at.next_multiple_of(4) - at)?;
    let [count, ..] = reading.cursor.array::<4>()?;
    let mut results = Vec::new();
    for _ in 0..count {
        let (result, reason) = (reading.u16()?, reading.u16()?);
        let syntax = Syntax::read(&mut reading)?;
        results.push(Negotiated { result, reason, syntax: (result == 0).then_some(syntax) });
    }
    Ok(((!address.is_empty()).then_some(address), results))
}
